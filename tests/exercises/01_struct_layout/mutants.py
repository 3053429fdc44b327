"""Mistakes that the tests of 01_struct_layout must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def layout(fields): pass\ndef best_order(fields): pass\n",
    "constant": "def layout(fields): return (24, 8, [0, 8, 16])\ndef best_order(fields): return [0, 1, 2]\n",
    "no padding between": [
        ("start = (end + field_align - 1) // field_align * field_align", "start = end")
    ],
    "off by one": [("(end + field_align - 1)", "(end + field_align)")],
    "size not rounded up": [("(end + align - 1) // align * align", "end")],
    "rounded to 8 always": [
        ("(end + align - 1) // align * align, align", "(end + 7) // 8 * 8, align")
    ],
    "alignment of the last field": [("max(align, field_align)", "field_align")],
    "no byte behind an empty field": [("end += 1", "pass")],
    "a byte in an empty struct too": [(" and end > 0", "")],
    "four bytes first": [("-fields[i][1]", "fields[i][1] != 4")],
    "empty fields last": [("fields[i][0] > 0", "fields[i][0] == 0")],
    "order as written": [
        (
            "sorted(range(len(fields)), key=lambda i: (fields[i][0] > 0, -fields[i][1]))",
            "list(range(len(fields)))",
        )
    ],
    "by size": [("-fields[i][1])", "-fields[i][0])")],
    "booleans for numbers": [
        (
            "return (end + align - 1) // align * align, align, offsets",
            "return float((end + align - 1) // align * align), align, offsets",
        )
    ],
}
