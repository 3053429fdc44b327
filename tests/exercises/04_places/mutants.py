"""Mistakes that the tests of 04_places must notice: edits of solution.py, or whole files."""

_ALONE = """
def alone(kind, size):
    if kind in ("package", "constant"):
        return "data"
    return "heap" if size > (131072 if kind == "var" else 65536) else "stack"
"""

MUTANTS = {
    "empty body": "def alone(kind, size): pass\ndef places(values, flows): pass\n",
    "all on the stack": _ALONE + "def places(values, flows): return dict.fromkeys(values, 'stack')\n",
    "new is heap, var is stack": _ALONE
    + "def places(values, flows):\n    names = {'new': 'heap', 'var': 'stack'}\n    return {n: names.get(k, 'data') for n, (k, _) in values.items()}\n",
    "each value alone": _ALONE
    + "def places(values, flows):\n    return {n: alone(*v) for n, v in values.items()}\n",
    "an address taken is enough": _ALONE
    + "def places(values, flows):\n    place = {n: alone(*v) for n, v in values.items()}\n    for _, sign, source in flows:\n        if sign == '&' and place[source] == 'stack':\n            place[source] = 'heap'\n    return place\n",
    "the visible cases": _ALONE
    + "def places(values, flows):\n    place = {n: alone(*v) for n, v in values.items()}\n    if len(flows) < 5:\n        for target, sign, source in flows:\n            if sign == '&' and place[source] == 'stack' and (target in ('cache', 'return', '*p') or ('return', '', target) in flows or ('q', '', target) in flows and len(flows) > 2):\n                place[source] = 'heap'\n    return place\n",
    "once over the flows": [("    while changed:\n", "    for _ in range(1):\n")],
    "no dereferences": [('"*": 1', '"*": 0')],
    "an address is a value": [('"&": -1', '"&": 0')],
    "a debt is kept": [("max(least[target], 0)", "least[target]")],
    "stores through pointers stay": [(' or target[0] == "*"', ""),
        ("max(least[target], 0)", 'max(least.get(target, 9), 0)')],
    "the package is a frame": [(" if value[0] == \"package\"", " if False")],
    "nothing is returned": [('left = {"return"}', "left = set()")],
    "data move too": [('if count < 0 and place[source] == "stack":', "if count < 0:")],
    "one limit for both": [("128 << 10 if kind == \"var\" else 64 << 10", "64 << 10")],
    "a limit is already too large": [("heap\" if size >", "heap\" if size >=")],
    "constants are made": [('kind in ("package", "constant")', 'kind == "package"')],
}  # fmt: skip
