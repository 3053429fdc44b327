"""Escape analysis of Go source, as Go 1.26's compiler does it: what moves to the heap, and why.

Data flows down through the modules, each of which holds one idea::

    parse       text -> syntax tree (tree-sitter), with positions and errors
    types       Go's types: identity, layout, pointers, names
    constants   constant values and their arithmetic
    nodes       the intermediate form that the analysis reads, in the compiler's own operations
    packages    what imported packages declare
    scope       what a name means; packages and their initialisation order
    typing      types written in the source; which type an expression may be assigned to
    lower*      type-checks the source and builds nodes from it
    rewrite     devirtualised calls and loop variables, before the analysis
    batches     functions that call each other, callees first
    graph       locations, and edges that say what flows where after how many dereferences
    walk        from nodes to a graph
    solve       from a graph to what escapes and what parameters leak
    bounds      indexes that need no check, which the compiler tells of too
    printing    nodes and types in the compiler's words
    result      diagnostics, verdicts, explanations
    picture     the graph drawn
    cost        verdicts turned into objects on a heap
    main        the command line

Facts are from Go 1.26.8, `src/cmd/compile/internal`; each module names the files that it follows.
"""
