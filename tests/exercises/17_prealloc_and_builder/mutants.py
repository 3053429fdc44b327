"""Mistakes that the tests of 17_prealloc_and_builder must notice: edits of solution.py, or files."""

MUTANTS = {
    "empty body": "def squares(*a): pass\ndef below(*a): pass\ndef joined(*a): pass\ndef groups(*a): pass\n",
    "a list": [("    made = heap.new_slice(i64, n)\n", "    made = [0] * n\n")],
    "append without a capacity": [
        ("    made = heap.new_slice(i64, n)\n", "    made = heap.new_slice(i64)\n"),
        ("        made[i] = i * i\n", "        made = made.append(i * i)\n"),
    ],
    "a length for a capacity": [
        ("        made[i] = i * i\n", "        made = made.append(i * i)\n"),
    ],
    "one too few": [("new_slice(i64, n)", "new_slice(i64, 0, max(n - 1, 0))"), ("made[i] = i * i", "made = made.append(i * i)")],
    "one too many": [("heap.new_slice(i64, n)", "heap.new_slice(i64, 0, n + 1)"), ("made[i] = i * i", "made = made.append(i * i)")],
    "room for all numbers": [("sum(x < limit for x in numbers)", "len(numbers)")],
    "cut from room for all": [
        ("sum(x < limit for x in numbers)", "len(numbers)"),
        ("            made = made.append(x)\n    return made", "            made = made.append(x)\n    return made.reslice(0, len(made), len(made))"),
    ],
    "the visible sizes": [
        ("    made = heap.new_slice(i64, n)\n", "    made = heap.new_slice(i64, n if n in (0, 1, 4, 100, 10_000) else 0)\n    n = len(made)\n"),
    ],
    "the limit too": [("x < limit for x", "x <= limit for x"), ("if x < limit", "if x <= limit")],
    "a list first": [
        ("made = heap.new_slice(i64, 0, sum(x < limit for x in numbers))", "numbers = [x for x in numbers if x < limit]\n    made = heap.new_slice(i64, 0, len(numbers))"),
    ],
    "no grow": [("    made.grow(sum(len(word.encode()) for word in words) + between)\n", "")],
    "characters for bytes": [("len(word.encode())", "len(word)")],
    "separators forgotten": [(" + between)", ")")],
    "room for nine more": [("max(len(words) - 1, 0)", "(len(words) + 9)")],
    "Python joins": [
        ("    for i, word in enumerate(words):\n        if i:\n            made.write(separator)\n        made.write(word)\n", "    made.write(separator.join(words))\n"),
    ],
    "a separator at the end": [
        ("        if i:\n            made.write(separator)\n        made.write(word)\n", "        made.write(word)\n        made.write(separator)\n"),
    ],
    "rows of their own": [
        ("array.reslice(start, start, start + count)", "heap.new_slice(i64, 0, count)"),
    ],
    "rows reach to the end": [
        ("array.reslice(start, start, start + count)", "array.reslice(start, start)"),
    ],
    "rows grow": [("array.reslice(start, start, start + count)", "heap.new_slice(i64)")],
    "not in order": [("    for x in numbers:\n        rows[x % n]", "    for x in sorted(numbers):\n        rows[x % n]")],
    "another heap": [("    made = heap.new_slice(i64, n)\n", "    import gcsim\n    made = gcsim.Heap().new_slice(i64, n)\n")],
}  # fmt: skip
