"""Mistakes that the tests of 07_sweep must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def sweep(a, m): pass\ndef state(a): pass\ndef next_free(a, i): pass\n",
    "frees nothing": [("return list(marked), freed", "return list(allocated), 0")],
    "frees all": [("return list(marked), freed", "return [False] * len(marked), sum(allocated)")],
    "the other way round": [("a and not m for", "m and not a for")],
    "counts free slots": [("a and not m for", "not m for")],
    "counts survivors": [("a and not m for", "a and m for")],
    "marks and allocations": [
        ("list(marked), freed", "[a or m for a, m in zip(allocated, marked)], freed")
    ],
    "the same list": [("list(marked), freed", "marked, freed")],
    "clears the marks": [
        (
            "    return list(marked), freed",
            "    new = list(marked)\n    marked[:] = [False] * len(marked)\n    return new, freed",
        )
    ],
    "full is free": [('return "free"', 'return "full"')],
    "partial for full": [('"full" if all(allocated) else "partial"', '"partial"')],
    "full if the last is": [("if all(allocated)", "if allocated[-1]")],
    "from the beginning": [("range(index, len(allocated))", "range(len(allocated))")],
    "one too far": [("range(index, len(allocated))", "range(index + 1, len(allocated))")],
    "the last slot is missing": [
        ("range(index, len(allocated))", "range(index, len(allocated) - 1)")
    ],
    "the next one in use": [("if not allocated[i]", "if allocated[i]")],
    "-1 for none": [("not allocated[i]), None)", "not allocated[i]), -1)")],
}
