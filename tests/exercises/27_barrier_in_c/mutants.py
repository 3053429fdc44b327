"""Mistakes that the tests of 27_barrier_in_c must notice: edits of solution.c, or whole files."""

from pathlib import Path

_TEXT = Path(__file__).with_name("solution.c").read_text()
_BEFORE = _TEXT[: _TEXT.index("void flush")]

MUTANTS = {
    "empty bodies": _BEFORE
    + "void flush(struct buffer *b) { (void)b; }\n"
    + "void write_pointer(struct buffer *b, void **slot, void *ptr)\n"
    + "{\n    (void)b, (void)slot, (void)ptr;\n}\n",
    "no barrier": [("if (b->marking) {", "if (0) {")],
    "always on": [("if (b->marking) {", "if (1) {")],
    "the old one only": [("b->entries[b->n + 1] = p;", "b->entries[b->n + 1] = NULL;")],
    "the new one only": [("b->entries[b->n] = *slot;", "b->entries[b->n] = NULL;")],
    "stores first": [("    if (b->marking) {\n", "    *slot = p;\n    if (b->marking) {\n")],
    "old only where something is deleted": [
        ("b->entries[b->n] = *slot;", "b->entries[b->n] = p ? NULL : *slot;")
    ],
    "new only into empty slots": [
        ("b->entries[b->n + 1] = p;", "b->entries[b->n + 1] = *slot ? NULL : p;")
    ],
    "room for one is enough": [("if (b->n + 2 > b->room)", "if (b->n == b->room)")],
    "flushes each time": [("if (b->n + 2 > b->room)", "if (b->n)")],
    "what does not fit is left out": [
        ("            flush(b);\n        b->", "            b->n = 0;\n        b->")
    ],
    "shades nil": [("        if (b->entries[i])\n", "")],
    "is not emptied": [("    b->n = 0;\n", "")],
}
