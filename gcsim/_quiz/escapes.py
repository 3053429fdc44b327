"""Does a variable escape? A small Go function, as the compiler's escape analysis sees it."""

from __future__ import annotations

import re

from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, choice

_SOURCE = "cmd/compile/internal/escape: escape.go, solve.go (go build -gcflags='-m -l')"

# What a line of the function may need at package level.
_DECLARED = {
    "T": "type T struct {\n\tnext *T\n\tn    int\n}",
    "pair": "type pair struct {\n\ta, b *T\n}",
    "counter": "type counter interface{ count() int }",
    "count": "func (t *T) count() int { return t.n }",
    "global": "var global *T",
    "value": "var value T",
    "number": "var number int",
    "table": "var table = map[string]*T{}",
    "list": "var list []*T",
    "boxed": "var boxed any",
    "hook": "var hook func() int",
    "queue": "var queue = make(chan *T, 1)",
    "look": "func look(p *T) int { return p.n }",
    "keep": "func keep(p *T) { global = p }",
    "back": "func back(p *T) *T { return p }",
    "second": "func second(p *T) *T { return p.next }",
    "link": "func link(p, q *T) { p.next = q }",
    "known": "func known(v any) bool { return v != nil }",
    "total": "func total(ps ...*T) int { return len(ps) }",
    "call": "func call(do func() int) int { return do() }",
}

# From pointer p to a pointer q, by what the two may be called.
_STEPS = (
    "{q} := {p}",
    "{q} := back({p})",
    "{q} := second({p})",
    "{q} := {p}.next",
    "{q} := &T{{next: {p}}}",
    "{q} := (&T{{next: {p}}}).next",
    "{q} := pair{{a: {p}}}.a",
    "{q} := [2]*T{{{p}, nil}}[0]",
    "{q} := []*T{{nil, {p}}}[n&1]",
    "{q} := func() *T {{ return {p} }}()",
    "var {q} *T\n\tif n > 3 {{\n\t\t{q} = {p}\n\t}}",
    "var {q} *T\n\tfor i := 0; i < n; i++ {{\n\t\t{q} = {p}\n\t}}",
    "{q} := new(T)\n\tlink({q}, {p})",
    "{q} := new(T)\n\t{q}.next = {p}",
    "{q} := new(T)\n\t*{q} = *{p}",
)
# What becomes of the last pointer: the line, and what the function returns.
_ENDS = (
    ("return {p}.n", "int"),
    ("return {p} != nil", "bool"),
    ("return look({p})", "int"),
    ("return {p}", "*T"),
    ("return {p}.next", "*T"),
    ("return *{p}", "T"),
    ("global = {p}", ""),
    ("global = {p}.next", ""),
    ("value = *{p}", ""),
    ("number = {p}.n", ""),
    ("keep({p})", ""),
    ('table["a"] = {p}', ""),
    ("list = append(list, {p})", ""),
    ("queue <- {p}", ""),
    ("boxed = {p}", ""),
    ("boxed = {p}.n", ""),
    ("return known({p})", "bool"),
    ("return total({p}, nil)", "int"),
    ("var c counter = {p}\n\treturn c.count()", "int"),
    ("return {p}.count()", "int"),
    ("go look({p})", ""),
    ("defer look({p})", ""),
    ("hook = func() int {{ return {p}.n }}", ""),
    ("return call(func() int {{ return {p}.n }})", "int"),
    ("*out = {p}", ""),
    ("*out = {p}.next", ""),
    ("**out = *{p}", ""),
    ("panic({p})", ""),
    ("println({p}.n)", ""),
)
# How it begins: x is there, p is a pointer to it or to what holds such a pointer.
_BEGINS = (
    "var x T\n\tp := &x",
    "x := T{n: n}\n\tp := &x",
    "var x, y T\n\ty.next = &x\n\tp := &y",
    "var x T\n\tp := &T{next: &x}",
    "x := T{n: n}\n\tpp := [1]*T{&x}\n\tp := pp[0]",
)


def make(dice: Dice) -> Question | None:
    """A function put together; the escape analysis says where its variable x lives."""
    from gcsim._escape.result import escape

    lines = [dice.pick(_BEGINS)]
    names = "pqrs"
    steps = dice.pick((0, 1, 1, 1, 2, 2, 3))
    for i in range(steps):
        lines.append(dice.pick(_STEPS).format(p=names[i], q=names[i + 1]))
    end, result = dice.pick(_ENDS)
    lines.append(end.format(p=names[steps]))
    parameters = "n int, out **T" if "out" in end else "n int"
    body = "\n".join(f"\t{line}" for line in lines)
    function = f"func f({parameters}){' ' + result if result else ''} {{\n{body}\n}}"
    source = "\n\n".join(["package main", *_declarations(function), function]) + "\n"
    [verdict] = [
        v for v in escape(source).verdicts if (v.name, v.function, v.what) == ("x", "f", "variable")
    ]
    text = (
        f"Go compiles this with -gcflags=-l (nothing is inlined):\n\n{source}\n"
        "Does the variable x of f escape to the heap?"
    )
    answer = "yes" if verdict.verdict == "heap" else "no"
    return choice(text, answer, ("yes", "no"), why=verdict.why, source=_SOURCE)


def _declarations(function: str) -> list[str]:
    """What the function uses, and what that uses, in one order always."""
    used = function
    while True:
        found = [text for name, text in _DECLARED.items() if _has(used, name)]
        if (more := "\n".join([function, *found])) == used:
            return found
        used = more


def _has(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None
