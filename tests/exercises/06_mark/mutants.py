"""Mistakes that the tests of 06_mark must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def mark(roots, pointers, is_marked, set_mark): pass\n",
    "roots only": [("    while grey:\n", "    while False:\n")],
    "children only": [("    while grey:\n", "    for _ in range(1):\n")],
    "first pointer only": [("in pointers(grey.pop()):", "in pointers(grey.pop())[:1]:")],
    "last pointer only": [("in pointers(grey.pop()):", "in pointers(grey.pop())[1:]:")],
    "first root only": [("for address in roots:", "for address in roots[:1]:")],
    "nil is an object": [("to is not None and not is_marked(to)", "not is_marked(to)")],
    "stops at nil": [
        (
            "            if to is not None and",
            "            if to is None:\n                return\n            if",
        )
    ],
    "never asks for marks": [("to is not None and not is_marked(to)", "to is not None")],
    "marks when it comes out": "def mark(roots, pointers, is_marked, set_mark):\n    grey = list(roots)\n    while grey:\n        a = grey.pop()\n        set_mark(a)\n        grey += [p for p in pointers(a) if p is not None and not is_marked(p)]\n",
    "recursion": "def mark(roots, pointers, is_marked, set_mark):\n    for a in roots:\n        if a is not None and not is_marked(a):\n            set_mark(a)\n            mark(pointers(a), pointers, is_marked, set_mark)\n",
    "two levels": [
        (
            "    while grey:\n        for to in pointers(grey.pop()):",
            "    for a in list(grey):\n        for to in pointers(a):",
        )
    ],
    "asks for the pointers twice": [
        (
            "        for to in pointers(grey.pop()):",
            "        a = grey.pop()\n        pointers(a)\n        for to in pointers(a):",
        )
    ],
    "keeps half the queue": [("                grey.append(to)", "                grey = [to]")],
}
