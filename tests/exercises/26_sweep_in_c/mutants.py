"""Mistakes that the tests of 26_sweep_in_c must notice: edits of solution.c, or whole files."""

from pathlib import Path

_BEFORE, _ = Path(__file__).with_name("solution.c").read_text().split("int acquire")
_EMPTY = (
    "int acquire(struct span *s, uint32_t heap) { return s->sweepgen == heap; }\n"
    "int uncache(struct span *s, uint32_t heap) { return s->sweepgen == heap; }\n"
    "enum fate sweep(struct span *s, uint32_t heap, uint64_t *fresh, uint64_t *freed)\n"
    "{ s->sweepgen = heap, s->mark_bits = fresh, *freed = 0; return SPAN_FULL; }\n"
    "uint64_t next_free(struct span *s) { return s->nelems; }\n"
)

MUTANTS = {
    "nothing in it": _BEFORE + _EMPTY,
    "does not compile": [("uint64_t live = 0;", "uint64_t live = zero;")],
    "takes all that is behind": [
        (
            "uint32_t waits = heap - 2;",
            "uint32_t waits = s->sweepgen < heap ? s->sweepgen : heap - 2;",
        )
    ],
    "each cached span is swept": [("s->sweepgen == heap + 1;", "s->sweepgen > heap;")],
    "zombies are not looked for": [("(s->mark_bits[w] & ~in_use(s, w))", "(0)")],
    "all that was handed out is a zombie": [("~in_use(s, w)", "~s->alloc_bits[w]")],
    "a shift by 64": [
        ("    if (s->free_index >= 64 * (w + 1))\n        return ~(uint64_t)0;\n", "")
    ],
    "counts by bits": [
        (
            "    *freed = s->alloc_count - live;\n",
            "    *freed = 0;\n    for (uint64_t w = 0; w < (s->nelems + 63) / 64; w++)\n        *freed += (uint64_t)__builtin_popcountll(s->alloc_bits[w] & ~s->mark_bits[w]);\n",
        )
    ],
    "copies the marks": [
        (
            "    s->alloc_bits = s->mark_bits;\n",
            "    for (uint64_t w = 0; w < (s->nelems + 63) / 64; w++)\n        s->alloc_bits[w] = s->mark_bits[w];\n",
        )
    ],
    "never zeroes": [("        s->needzero = 1;\n", "        ;\n")],
    "what lies below is free": [(" >> i % 64 << i % 64", "")],
    "the first word only": [("            continue;", "            break;")],
    "small spans only": [
        ("w < (s->nelems + 63) / 64; w++) {", "w < (s->nelems + 63) / 64 && w < 3; w++) {")
    ],
}
