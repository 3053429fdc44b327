"""Mistakes that the tests of 25_mark_in_c must notice: edits of solution.c, or whole files."""

from pathlib import Path

_BEFORE, _ = (
    Path(__file__).with_name("solution.c").read_text().split("static struct workbuf *grey;")
)
_MARK = "uint64_t mark(const struct heap *heap, void *const *roots, size_t nroots)\n"

MUTANTS = {
    "a constant": _BEFORE
    + _MARK
    + "{\n    (void)heap, (void)roots, (void)nroots;\n    return 16;\n}\n",
    "never looks at marks": [("if (s->marks[slot / 64] & bit)", "if (0)")],
    "nil is an object": [("p >= heap->arena && page < heap->pages", "p != NULL")],
    "the page is the span": [
        (
            "(uint64_t)(p - s->base) / s->slot_bytes",
            "(uint64_t)(p - heap->arena) % PAGE / s->slot_bytes",
        )
    ],
    "inner pointers are scanned from where they point": [
        ("push(s->base + slot * s->slot_bytes)", "push(p)")
    ],
    "each word is a pointer": [("if (s->pointers[(first + i) / 64] >> (first + i) % 64 & 1)", "")],
    "all slots have the pointers of the first": [
        ("s->pointers[(first + i) / 64] >> (first + i) % 64", "s->pointers[i / 64] >> i % 64")
    ],
    "spans without pointers are left out": [("    if (!s)\n", "    if (!s || !s->pointers)\n")],
    "marks when it comes out": [
        ("    s->marks[slot / 64] |= bit;\n", ""),
        (
            "    return s->slot_bytes;\n}\n\nstatic uint64_t scan",
            "    else\n        s->marks[slot / 64] |= bit;\n    return s->pointers ? 0 : s->slot_bytes;\n}\n\nstatic uint64_t scan",
        ),
        (
            "bytes = 0;\n    for (uint64_t i = 0",
            "bytes = s->slot_bytes, n = (uint64_t)(object - s->base) / s->slot_bytes;\n    if (s->marks[n / 64] >> n % 64 & 1)\n        return 0;\n    s->marks[n / 64] |= (uint64_t)1 << n % 64;\n    for (uint64_t i = 0",
        ),
    ],
    "one object too many in a buffer": [("grey->n == ROOM", "grey->n == ROOM + 1")],
    "full buffers are forgotten": [
        ("        fresh->next = grey;\n", "        fresh->next = NULL;\n")
    ],
    "recursion": [
        (
            "        push(s->base + slot * s->slot_bytes);\n",
            "        bytes += scan(heap, s->base + slot * s->slot_bytes);\n",
        ),
        (
            "    return s->slot_bytes;\n}\n\nstatic uint64_t scan",
            "    return bytes;\n}\n\nstatic uint64_t scan",
        ),
        (
            "    s->marks[slot / 64] |= bit;\n",
            "    s->marks[slot / 64] |= bit;\n    uint64_t bytes = s->slot_bytes;\n",
        ),
        (
            "// The bytes of the object",
            "static uint64_t scan(const struct heap *heap, char *object);\n// The bytes of the object",
        ),
    ],
}
