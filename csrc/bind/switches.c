// The debug switches of a heap, written as in GODEBUG: Heap(debug="gccheckmark=1,clobberfree=1").
#include "bind/bind.h"

enum { SWITCHES = 8 };

// Go's names (runtime/extern.go), then our own.
static const struct {
    const char *name;
    size_t offset; // in struct heap_switches
    uint64_t most;
} switches[SWITCHES] = {
    {"clobberfree", offsetof(struct heap_switches, clobber_free), 1},
    {"efence", offsetof(struct heap_switches, efence), 1},
    {"gccheckmark", offsetof(struct heap_switches, check_mark), 1},
    {"gcstoptheworld", offsetof(struct heap_switches, stop_the_world), 2},
    {"sbrk", offsetof(struct heap_switches, sbrk), 1},
    {"verifyphases", offsetof(struct heap_switches, verify_phases), 1},
    {"stressbytes", offsetof(struct heap_switches, stress_bytes), INT64_MAX},
    {"barrierbuffer", offsetof(struct heap_switches, shade_entries), 512},
};

static uint64_t *switch_at(struct heap_switches *s, int i)
{
    return (uint64_t *)(void *)((char *)s + switches[i].offset);
}

static int switch_unknown(struct bind_state *state, const char *name)
{
    char known[256] = "";
    for (int i = 0; i < SWITCHES; i++) {
        strcat(known, i ? ", " : "");
        strcat(known, switches[i].name);
    }
    bind_raise(state, ERR_OPTION, "debug: '%s' is no switch; known are %s", name, known);
    return -1;
}

// One "name=value", without blanks around it.
static int switch_set(struct bind_state *state, struct heap_switches *s, char *item)
{
    char *value = strchr(item, '='), *end;
    if (!value || !value[1]) {
        bind_raise(state, ERR_CONVERSION,
                   "debug: '%s' is not name=value; write, for example, \"gccheckmark=1\"", item);
        return -1;
    }
    *value++ = 0;
    int i = 0;
    while (i < SWITCHES && strcmp(switches[i].name, item))
        i++;
    if (i == SWITCHES)
        return switch_unknown(state, item);
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    if (*end || errno || *value == '-' || v > switches[i].most) {
        bind_raise(state, ERR_RANGE, "debug: %s='%s' is not between 0 and %llu", item, value,
                   (unsigned long long)switches[i].most);
        return -1;
    }
    *switch_at(s, i) = v;
    return 0;
}

BIND int switches_from_python(struct bind_state *state, PyObject *debug, struct heap_switches *s)
{
    if (!debug || debug == Py_None)
        return 0;
    const char *text = PyUnicode_Check(debug) ? PyUnicode_AsUTF8(debug) : NULL;
    if (!text || strlen(text) > 1000) {
        PyErr_Clear();
        bind_raise(state, ERR_CONVERSION,
                   "debug= takes a str such as \"gccheckmark=1,clobberfree=1\", not %R", debug);
        return -1;
    }
    char copy[1001], *rest = copy, *item;
    strcpy(copy, text);
    while ((item = strsep(&rest, ","))) {
        item += strspn(item, " \t\n");
        for (size_t n = strlen(item); n && strchr(" \t\n", item[n - 1]); n--)
            item[n - 1] = 0;
        if (*item && switch_set(state, s, item) < 0)
            return -1;
    }
    return 0;
}

BIND PyObject *switches_text(const struct heap_switches *s)
{
    static const struct heap_switches none = HEAP_SWITCHES_DEFAULT;
    char text[512] = "";
    for (int i = 0; i < SWITCHES; i++) {
        uint64_t value = *switch_at((struct heap_switches *)(uintptr_t)s, i);
        size_t n = strlen(text);
        if (value != *switch_at((struct heap_switches *)(uintptr_t)&none, i))
            snprintf(text + n, sizeof text - n, "%s%s=%llu", n ? "," : "", switches[i].name,
                     (unsigned long long)value);
    }
    return PyUnicode_FromString(text);
}
