"""Mistakes that the tests of 21_allocator must notice: edits of solution.c, or whole files."""

HEAD = """\
#include <stddef.h>
#include <stdint.h>
#include <string.h>
static char *at, *end;
void arena_init(void *arena, size_t bytes) { at = arena; end = at + bytes; }
"""
USABLE = "size_t arena_usable(const void *p) { (void)p; return 16; }\n"
BUMP = """
void *arena_alloc(size_t bytes)
{
    if (bytes > (size_t)(end - at) - 32) return NULL;
    size_t *p = (size_t *)at;
    at += (bytes + 31) / 16 * 16;
    p[0] = (bytes + 15) / 16 * 16;
    return p + 2;
}
size_t arena_usable(const void *p) { return ((const size_t *)p)[-2]; }
"""
NOTHING = "void arena_release(void *p) { (void)p; }\n"
ADDRESS = "void *arena_share(void *p, size_t offset) { return (char *)p + offset; }\n"
COPY = """
void *arena_share(void *p, size_t offset)
{
    void *copy = arena_alloc(16);
    return copy ? memcpy(copy, (char *)p + offset, 1) : NULL;
}
"""

MUTANTS = {
    "empty bodies": HEAD
    + "void *arena_alloc(size_t n) { (void)n; return NULL; }\n"
    + USABLE
    + "void *arena_share(void *p, size_t n) { (void)p, (void)n; return NULL; }\n"
    + NOTHING,
    "one place for all": HEAD
    + "void *arena_alloc(size_t n) { return n > 4096 ? NULL : at; }\n"
    + "size_t arena_usable(const void *p) { (void)p; return 4096; }\n"
    + ADDRESS
    + NOTHING,
    "enough for the visible trace: nothing comes back": HEAD + BUMP + ADDRESS + NOTHING,
    "a hand-over by copy": HEAD + BUMP + COPY + NOTHING,
    "malloc in disguise": HEAD
    + "#include <stdlib.h>\n"
    + "void *arena_alloc(size_t n) { return n > (size_t)(end - at) ? NULL : malloc(n); }\n"
    + USABLE
    + ADDRESS
    + "void arena_release(void *p) { free(p); }\n",
    "an arena of its own": HEAD.replace("at = arena; end", "(void)arena; at = own; end").replace(
        "static char", "_Alignas(16) static char own[1 << 20];\nstatic char"
    )
    + BUMP
    + ADDRESS
    + NOTHING,
    "free with the first owner": [("if (--s->owners[i])\n        return;", "s->owners[i]--;")],
    "a large one is free with the first owner": [("if (--s->live == 0)\n", "")],
    "a new owner is not counted": [("s->owners[(size_t)((char *)p - s->base) / s->size]++;", ";")],
    "a new owner of a large one is not counted": [("        s->live++;", "        ;")],
    "the view is the whole buffer": [("return (char *)p + offset;", "return p;")],
    "the view's address comes back to the list": [
        ("(void **)(s->base + i * s->size)", "(i * s->size == 0 ? (void **)s->base : p)")
    ],
    "only addresses in a first page are known": [
        (
            "&spans[spans[(size_t)((const char *)p - pages) / PAGE].first]",
            "&spans[(size_t)((const char *)p - pages) / PAGE]",
        )
    ],
    "classes one too small": [("((uint32_t)(class & 3) + 1)", "(uint32_t)(class & 3)")],
    "small ones off by one": [("16 * (uint32_t)(class + 1)", "16 * (uint32_t)class + 15")],
    "no multiple of 16": [("s->base += rounded(s->slots, 16);", "s->base += s->slots;")],
    "owners lie in the first buffer": [("s->base += rounded(s->slots, 16);", "")],
    "one slot too many": [
        ("        s->slots--;", "        break;"),
        ("PAGE / (size + 1)", "PAGE / size + 1"),
    ],
    "usable tells too much": [("return span_of(p)->size;", "return span_of(p)->size + 16;")],
    "SIZE_MAX overflows": [("if (bytes > (size_t)npages * PAGE)\n        return NULL;", "")],
    "no look whether there was room": [
        (
            "    if (!s)\n        return NULL;\n    s->size = s->pages * PAGE;",
            "    s->size = s->pages * PAGE;",
        )
    ],
    "empty spans stay with their class": [("s->live == 0 && (s->next || s->before)", "0")],
    "free neighbours are not joined": [
        ("while (i + s->pages < npages && !spans[i + s->pages].size)", "while (0)")
    ],
    "a full span stays in its list": [
        ("    if (++s->live == s->slots)\n        unlist(s, class);", "    s->live++;")
    ],
    "the arena before is remembered": [("with_room[i] = NULL;", ";")],
    "the arena is taken for zeroed": [
        (
            "*s = (struct span){.first = i, .pages = n, .base = pages + (size_t)i * PAGE};",
            "s->first = i, s->pages = n, s->base = pages + (size_t)i * PAGE;",
        )
    ],
    "the last page is behind the end": [("    npages -= taken;", "")],
}
