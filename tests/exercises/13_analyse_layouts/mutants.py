"""Mistakes that the tests of 13_analyse_layouts must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def describe(t): pass\ndef padding(t): pass\ndef improve(t): pass\ndef bill(t, n): pass\n",
    "the types as they are": [
        ("    if isinstance(t, tuple):\n        return t[0], improve(t[1])\n", "    return t\n")
    ],
    "no byte behind an empty end": [("            size += 1\n", "            pass\n")],
    "size not rounded up": [("        size = round_up(size, align)\n", "")],
    "bitmap of all words": [('return size, align, bits.rstrip("0")', "return size, align, bits")],
    "padding of one element": [('("[]" + path, t[0] * n)', '("[]" + path, n)')],
    "padding of nested structs forgotten": [
        ('found += [("." + name + path, n) for path, n in inner]', "pass")
    ],
    "padding in arrays of nothing": [(" if t[0]]", "]")],
    "padding in the order of memory": [("key=lambda row: -row[1]", "key=lambda row: 0")],
    "ties by name": [("key=lambda row: -row[1]", "key=lambda row: (-row[1], row[0])")],
    "padding at the end forgotten": [
        ("i + 1 < len(names) else describe(t)[0]", "i + 1 < len(names) else end")
    ],
    "not in arrays": [("        return t[0], improve(t[1])", "        return t")],
    "by alignment alone": [(", not bits, size - 8 * len(bits)", "")],
    "pointers last": [("not bits, size", "bool(bits), size")],
    "longest tail of pointers first": [
        ("not bits, size - 8 * len(bits)", "not bits, 8 * len(bits) - size")
    ],
    "a field is dropped": [
        (
            "for name in sorted(better, key=key)}",
            "for name in sorted(better, key=key)[:3]}",
        )
    ],
    "no header": [("size + 8 if bits and size > 512 else size", "size")],
    "no bitmap in the span": [("(128 if bits else 0) + ", "")],
    "a bitmap in each span": [("(128 if bits else 0)", "128")],
    "no marks in the span": [(" + (128 if slot >= 16 else 0)", "")],
    "one span more": [("spans = -(-n // each)", "spans = n // each + 1")],
    "large in classes": [("if size > 32760:", "if size > 32768:")],
    "as large as the visible cases": [
        (
            'return size, align, bits.rstrip("0")',
            'return size, align, bits.rstrip("0") if size <= 128 else ""',
        )
    ],
}
