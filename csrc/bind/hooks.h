// What slice.c, batch.c, goroutine.c and results.c give to the rest of the binding. Included at the end of bind.h.
//
// heap.c puts the HEAP_METHODS lines into Heap's method table and the HEAP_GETSET lines into its getset table; the bodies follow
// in the unit, so only declarations are needed here. module.c calls the *_init functions after Heap and Ref exist.
#pragma once

#define HOOK_FASTCALL(name)                                                                        \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t nargs,                 \
                          PyObject *kwnames)
#define HOOK_NOARGS(name)   static PyObject *name(PyObject *self, PyObject *unused)
#define HOOK_FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

#include "bind/chan_bind.h"
#include "bind/text_bind.h"

// slice.c
HOOK_FASTCALL(heap_py_new_slice);
// map_bind.c
struct map_kind;
static PyObject *map_of_handle(struct heap_object *h, struct type_object *type,
                               gcsim_handle *handle);
static int map_kind_visit(struct map_kind *kind, visitproc visit, void *arg);
static void map_kind_free(struct map_kind *kind);
static int map_types_visit(struct heap_object *h, visitproc visit, void *arg);
static void map_types_free(struct heap_object *h);
static PyObject *heap_py_new_map(PyObject *self, PyObject *args, PyObject *kwargs);
// batch.c
static PyObject *heap_py_build(PyObject *self, PyObject *args, PyObject *kwargs);
// goroutine.c
static PyObject *heap_py_goroutine(PyObject *self, PyObject *name);
HOOK_NOARGS(heap_py_goroutines);
static PyObject *heap_py_end(PyObject *self, PyObject *goroutine);
static PyObject *heap_py_globals(PyObject *self, void *closure);
// results.c
HOOK_NOARGS(heap_py_memstats);
HOOK_NOARGS(heap_py_gc_stats);
HOOK_NOARGS(heap_py_spans);
HOOK_NOARGS(heap_py_objects);
HOOK_NOARGS(heap_py_graph);
static PyObject *heap_py_serve(PyObject *self, PyObject *args, PyObject *kwargs);
static PyObject *heap_py_object_rows(PyObject *self, PyObject *cursor);
static PyObject *heap_py_cycles(PyObject *self, void *closure);
static PyObject *heap_py_cycles_from(PyObject *self, PyObject *number);
// events_bind.c
HOOK_FASTCALL(heap_py_events);
static PyObject *heap_py_record(PyObject *self, PyObject *args, PyObject *kwargs);
static PyObject *heap_py_record_begin(PyObject *self, PyObject *args);
HOOK_NOARGS(heap_py_record_end);
static PyObject *heap_py_site(PyObject *self, PyObject *number);
// tell.c
static PyObject *heap_py_gctrace(PyObject *self, PyObject *file);
static PyObject *heap_py_pacertrace(PyObject *self, PyObject *file);
static PyObject *heap_py_scavtrace(PyObject *self, PyObject *file);
static PyObject *heap_py_trace(PyObject *self, PyObject *args);
HOOK_NOARGS(heap_py_read_metrics);
static PyObject *heap_py_metrics(PyObject *self, void *closure);
// snapshot_bind.c
static PyObject *heap_py_snapshot(PyObject *self, PyObject *args, PyObject *kwargs);
HOOK_NOARGS(heap_py_read_snapshot);
HOOK_NOARGS(heap_py_breakdown);
HOOK_NOARGS(heap_py_fragmentation);
HOOK_NOARGS(heap_py_read_fragmentation);
HOOK_NOARGS(heap_py_read_placement);
HOOK_NOARGS(heap_py_collapse_huge_pages);
HOOK_NOARGS(heap_py_page_nodes);
static PyObject *heap_py_map_file(PyObject *self, PyObject *args);
static PyObject *heap_py_mapped_slice(PyObject *self, PyObject *args);
static PyObject *heap_py_map_file_value(PyObject *self, PyObject *args, PyObject *kwargs);
HOOK_NOARGS(heap_py_unmap_file);
static void mapped_free(struct heap_object *h);
static PyObject *heap_py_page_nodes_raw(PyObject *self, PyObject *args);
static PyObject *heap_py_huge_pages(PyObject *self, void *closure);
static PyObject *heap_py_placement(PyObject *self, void *closure);
// specials.c: run the finalizers and cleanups that are ready, when a method has its result; NULL if one was interrupted.
HOOK_FASTCALL(heap_py_set_finalizer);
HOOK_FASTCALL(heap_py_add_cleanup);
HOOK_NOARGS(heap_py_run_finalizers);
static PyObject *heap_py_pending_finalizers(PyObject *self, void *closure);
BIND_COLD PyObject *heap_run_callbacks_then(struct heap_object *h, PyObject *result);
static inline PyObject *heap_then(struct heap_object *h, PyObject *result)
{
    return BIND_UNLIKELY(h->callbacks_ready) ? heap_run_callbacks_then(h, result) : result;
}
static void heap_callbacks_free(struct heap_object *h);
static int heap_callbacks_traverse(struct heap_object *h, visitproc visit, void *arg);
static int heap_callbacks_clear(struct heap_object *h);
// steps_bind.c
static void steps_end(struct heap_object *h);
static int steps_finish(struct heap_object *h);
static int steps_name(struct heap_object *h, PyObject *ref);
static int64_t steps_verify(struct heap_object *h, gcsim_violation *out, uint64_t room);
static PyObject *heap_py_begin_cycle(PyObject *self, PyObject *args, PyObject *kwargs);
static PyObject *heap_py_steps_begin(PyObject *self, PyObject *args);
static PyObject *heap_py_steps_run(PyObject *self, PyObject *args);
static PyObject *heap_py_steps_by_hand(PyObject *self, PyObject *args);
static PyObject *heap_py_steps_goto(PyObject *self, PyObject *k);
HOOK_NOARGS(heap_py_steps_info);
HOOK_NOARGS(heap_py_steps_hash);
static PyObject *heap_py_steps_log(PyObject *self, PyObject *args);
HOOK_NOARGS(heap_py_steps_actors);
HOOK_NOARGS(heap_py_steps_view);
HOOK_NOARGS(heap_py_steps_token);
HOOK_NOARGS(heap_py_steps_exported);
HOOK_NOARGS(heap_py_orphans);
// profile_bind.c
static int rate_from_python(struct heap_object *h, PyObject *value, int64_t *rate);
static PyObject *heap_py_get_rate(PyObject *self, void *closure);
static int heap_py_set_rate(PyObject *self, PyObject *value, void *closure);
HOOK_NOARGS(heap_py_mem_profile);
HOOK_NOARGS(heap_py_goroutine_stacks);
static PyObject *heap_py_profile(PyObject *self, PyObject *args, PyObject *kwargs);
static PyObject *heap_py_write_pprof(PyObject *self, PyObject *args, PyObject *kwargs);
// load.c
static PyObject *heap_py_dump(PyObject *self, void *closure);

#define HOOKS_HEAP_METHODS                                                                         \
    {"set_finalizer", HOOK_FAST(heap_py_set_finalizer),                                            \
     PyDoc_STR(                                                                                    \
         "set_finalizer($self, ref, fn, /)\n--\n\nCalls fn(ref) once when nothing reaches "        \
         "the object any more, as runtime.SetFinalizer; None clears.\n\n"                          \
         "The object lives on while fn runs, with all that it reaches, and weak "                  \
         "references to it are nil by then. Objects that reach each\nother are done one in "       \
         "a collection, the outer first; in a cycle never. On an object of size zero it "          \
         "does nothing.\nCallbacks run at the end of collect(), of new, new_slice and build "      \
         "now and then, and in run_finalizers(); not at close or exit.\nTheir errors go to "       \
         "sys.unraisablehook; KeyboardInterrupt is raised. A function that closes over a Ref "     \
         "keeps the heap until it is closed.\n"                                                    \
         "Raises StateError if it has a finalizer, ConversionError for a reference inside "        \
         "an object and for a\nfunction that plainly holds the object; ClosedHeapError; "          \
         "ForkedHeapError.")},                                                                     \
        {"add_cleanup", HOOK_FAST(heap_py_add_cleanup),                                            \
         PyDoc_STR("add_cleanup($self, ref, fn, /, *args)\n--\n\nCalls fn(*args) once after the "  \
                   "object is gone, as runtime.AddCleanup: a Cleanup, with stop().\n\n"            \
                   "Any number for one object, also by references inside it. If it has a "         \
                   "finalizer too, that runs first, and the cleanups\nafter a later collection. "  \
                   "The rest is as with set_finalizer.")},                                         \
        {"run_finalizers", heap_py_run_finalizers, METH_NOARGS,                                    \
         PyDoc_STR("run_finalizers($self, /)\n--\n\nRuns the finalizers and cleanups that are "    \
                   "ready, on this thread: how many. Inside of one it runs none.")},               \
        {"new_slice", HOOK_FAST(heap_py_new_slice),                                                \
         PyDoc_STR(                                                                                \
             "new_slice($self, elem, n=0, cap=None, /)\n--\n\nA Slice of n zero elements, as "     \
             "Go's make([]T, n, cap).")},                                                          \
        {"new_map", (PyCFunction)(void (*)(void))heap_py_new_map, METH_VARARGS | METH_KEYWORDS,    \
         PyDoc_STR(                                                                                \
             "new_map($self, key, elem, /, hint=0)\n--\n\nA Map, as Go's make(map[K]V, hint): "    \
             "all "                                                                                \
             "objects are those of Go 1.26.\n\n"                                                   \
             "Above a hint of 8 there is room for so many entries at once; one that is negative "  \
             "or "                                                                                 \
             "absurd counts as 0. Keys are\nwhat Go compares, else TypeDefinitionError. Where "    \
             "iterating begins, and hashes, follow from the heap's seed.\nRaises "                 \
             "ConversionError, "                                                                   \
             "ClosedHeapError, ForkedHeapError, HeapMemoryError.")},                               \
        {"build", (PyCFunction)(void (*)(void))heap_py_build, METH_VARARGS | METH_KEYWORDS,        \
         PyDoc_STR("build($self, type, count, /, *, links=None, roots=(), types=None, "            \
                   "type_of=None, counts=None, progress=None)\n"                                   \
                   "--\n\nA Batch of count objects, linked by index buffers (int32 or int64, one " \
                   "per object, -1 is nil).")},                                                    \
        {"goroutine", heap_py_goroutine, METH_O,                                                   \
         PyDoc_STR("goroutine($self, name, /)\n--\n\nA new goroutine of the calling thread: a "    \
                   "stack of frames with root slots.")},                                           \
        {"goroutines", heap_py_goroutines, METH_NOARGS,                                            \
         PyDoc_STR("goroutines($self, /)\n--\n\nThe goroutines that have not ended, oldest "       \
                   "first, as a tuple.")},                                                         \
        {"end", heap_py_end, METH_O,                                                               \
         PyDoc_STR(                                                                                \
             "end($self, goroutine, /)\n--\n\nEnds a goroutine: its frames are roots no more.")},  \
        {"memstats", heap_py_memstats, METH_NOARGS,                                                \
         PyDoc_STR("memstats($self, /)\n--\n\nruntime.MemStats as an immutable value; stops the "  \
                   "world. Bytes and ns.")},                                                       \
        {"gc_stats", heap_py_gc_stats, METH_NOARGS,                                                \
         PyDoc_STR("gc_stats($self, /)\n--\n\nWhat Go's debug.ReadGCStats tells: pauses, newest "  \
                   "first. ns.")},                                                                 \
        {"spans", heap_py_spans, METH_NOARGS,                                                      \
         PyDoc_STR("spans($self, /)\n--\n\nAll spans in address order, as a tuple of SpanInfo.")}, \
        {"objects", heap_py_objects, METH_NOARGS,                                                  \
         PyDoc_STR("objects($self, /)\n--\n\nIterates over the allocated objects in address "      \
                   "order, as ObjectInfo.")},                                                      \
        {"snapshot", (PyCFunction)(void (*)(void))heap_py_snapshot, METH_VARARGS | METH_KEYWORDS,  \
         PyDoc_STR("snapshot($self, /, *, owners=True)\n--\n\nAn immutable Snapshot: why objects " \
                   "are alive, and who retains what.\n\n"                                          \
                   "The heap is read in one stop (stop_ms). With owners Python is then asked who " \
                   "holds its references,\nwhich names roots and types of objects; it takes "      \
                   "longer the more objects Python has.")},                                        \
        {"breakdown", heap_py_breakdown, METH_NOARGS,                                              \
         PyDoc_STR("breakdown($self, /)\n--\n\nWhere the memory of the heap is: a Breakdown, "     \
                   "whose parts add up to memstats().sys. Stops the world.")},                     \
        {"fragmentation", heap_py_fragmentation, METH_NOARGS,                                      \
         PyDoc_STR(                                                                                \
             "fragmentation($self, /)\n--\n\nHow the heap is cut up: a Fragmentation, "            \
             "counted in one walk while the world is stopped.\n\nFree slots and pages, what "      \
             "single survivors hold, what a perfect compaction would give back; str() is a "       \
             "table,\nplot() a picture. ClosedHeapError; ForkedHeapError; MemoryError.")},         \
        {"_read_fragmentation", heap_py_read_fragmentation, METH_O, NULL},                         \
        {"box", CHAN_FAST(heap_py_box),                                                            \
         PyDoc_STR(                                                                                \
             "box($self, type, value, /)\n--\n\nThe value as Go puts a variable of this type "     \
             "into an interface that escapes: a Box.\n\n"                                          \
             "value is what a field of the type takes, or a reference to a variable of the type. " \
             "An object is made for numbers\nabove 255, for strings and slices that are not "      \
             "empty, for structs and arrays; what is one pointer, one byte\nor has no bytes "      \
             "takes no memory: see gcsim.boxing.\nWith iface as the type the result is what the "  \
             "interface holds: a Box, a reference or None.\n"                                      \
             "Raises ConversionError, RangeError, HeapMemoryError, ClosedHeapError, "              \
             "ForkedHeapError.")},                                                                 \
        {"closure", (PyCFunction)(void (*)(void))heap_py_closure, METH_VARARGS | METH_KEYWORDS,    \
         PyDoc_STR(                                                                                \
             "closure($self, name, types=None, /, **captures)\n--\n\nA func value, a Func: an "    \
             "object of a function and what it has captured, in this order.\n\n"                   \
             "A reference is captured as a pointer, which is how Go captures a variable that is "  \
             "written later, has its\naddress taken, or has more than 128 bytes; all else by "     \
             "value. types: names to types where the default\n(int, float64, string, a pointer) "  \
             "is not meant; with a struct type a reference says what is copied.\n"                 \
             "A method value x.M is closure(\"T.M\", {\"R\": T}, R=x). Without captures there "    \
             "is no object.\n"                                                                     \
             "Raises ConversionError, RangeError, HeapMemoryError, ClosedHeapError, "              \
             "ForkedHeapError.")},                                                                 \
        {"_func", CHAN_FAST(heap_py_func), NULL},                                                  \
        {"collapse_huge_pages", heap_py_collapse_huge_pages, METH_NOARGS,                          \
         PyDoc_STR("collapse_huge_pages($self, /)\n--\n\nMakes huge pages now of the small ones "  \
                   "behind spans, as far as the system does it: the bytes\nthat were made. Stops " \
                   "the world for some at a time; Ctrl-C ends it early. PlacementError: the "      \
                   "system\ndoes not do it here. heap.huge_pages says what there is.")},           \
        {"page_nodes", heap_py_page_nodes, METH_O,                                                 \
         PyDoc_STR("page_nodes($self, where, /)\n--\n\nThe memory node of each of the system's "   \
                   "pages under a Ref, Slice or Array of the heap; None: it has no memory,\n"      \
                   "nobody has touched it yet. PlacementError: the kernel does not tell.")},       \
        {"map_file", (PyCFunction)(void (*)(void))heap_py_map_file_value,                          \
         METH_VARARGS | METH_KEYWORDS,                                                             \
         PyDoc_STR(                                                                                \
             "map_file($self, path, type=None, /, *, offset=0, length=None, "                      \
             "writable=False)\n--\n\n"                                                             \
             "A file's bytes as memory outside the heap, a MappedFile: read as a slice of a "      \
             "pointer-free type (None: bytes),\nnever scanned, pointers into it allowed. "         \
             "path: a path, or an open file's descriptor. What becomes of the file "               \
             "afterwards\ncannot hurt: it is copied, unless it is a memory file whose size "       \
             "is sealed. Raises MappingError, RangeError,\nConversionError, "                      \
             "HeapMemoryError, ClosedHeapError, ForkedHeapError.")},                               \
        {"_map_file", heap_py_map_file, METH_VARARGS, NULL},                                       \
        {"_mapped_slice", heap_py_mapped_slice, METH_VARARGS, NULL},                               \
        {"_unmap_file", heap_py_unmap_file, METH_O, NULL},                                         \
        {"_page_nodes", heap_py_page_nodes_raw, METH_VARARGS, NULL},                               \
        {"_read_placement", heap_py_read_placement, METH_NOARGS, NULL},                            \
        {"_read_snapshot", heap_py_read_snapshot, METH_NOARGS, NULL},                              \
        {"graph", heap_py_graph, METH_NOARGS,                                                      \
         PyDoc_STR(                                                                                \
             "graph($self, /)\n--\n\nObjects, pointers and roots as a HeapGraph (needs NumPy).")}, \
        {"serve", (PyCFunction)(void (*)(void))heap_py_serve, METH_VARARGS | METH_KEYWORDS,        \
         PyDoc_STR(                                                                                \
             "serve($self, port=0, host=\"127.0.0.1\", *, allow_remote=False)\n--\n\nServes "      \
             "the heap over HTTP, as gcsim.serve() does: a Server with a live page, "              \
             "/metrics and /debug/pprof/.")},                                                      \
        {"events", HOOK_FAST(heap_py_events),                                                      \
         PyDoc_STR("events($self, /, *, array=False)\n--\n\nThe kept events, oldest first: Event " \
                   "tuples, or a NumPy array.")},                                                  \
        {"record", (PyCFunction)(void (*)(void))heap_py_record, METH_VARARGS | METH_KEYWORDS,      \
         PyDoc_STR("record($self, /, *, kinds=None, room=65536)\n--\n\nRecords events while a "    \
                   "with block runs: a context manager that gives Events, filled at its end.\n\n"  \
                   "kinds  names of kinds (gcsim.Events.KINDS), one or several; \"all\"; None: "   \
                   "those that do not come with single\n       objects, stores and locks\n"        \
                   "room   records kept of each thread, the newest; 32 bytes each, which stay "    \
                   "with the heap\n\n"                                                             \
                   "Raises ConversionError, RangeError, StateError while another recording runs, " \
                   "MemoryError, ClosedHeapError,\nForkedHeapError.")},                            \
        {"gctrace", heap_py_gctrace, METH_O,                                                       \
         PyDoc_STR("gctrace($self, file, /)\n--\n\nWrites Go's line for each collection that "     \
                   "ends from now on, as GODEBUG=gctrace=1 does.\n\n"                              \
                   "file: a text file, any object with write(str), a file descriptor; None: no "   \
                   "more. The result is a context\nmanager that stops it. What a real UTF-8 file " \
                   "or a descriptor gets is written at once by the thread\nthat ends the cycle; "  \
                   "other files get it when a call of this heap next returns.")},                  \
        {"pacertrace", heap_py_pacertrace, METH_O,                                                 \
         PyDoc_STR("pacertrace($self, file, /)\n--\n\nThe pacer's lines, as "                      \
                   "GODEBUG=gcpacertrace=1: at the start and end of marking, when all is swept. "  \
                   "file: see gctrace.")},                                                         \
        {"scavtrace", heap_py_scavtrace, METH_O,                                                   \
         PyDoc_STR(                                                                                \
             "scavtrace($self, file, /)\n--\n\nThe scavenger's line, as GODEBUG=scavtrace=1, "     \
             "when all is swept. file: see gctrace.")},                                            \
        {"begin_cycle", (PyCFunction)(void (*)(void))heap_py_begin_cycle,                          \
         METH_VARARGS | METH_KEYWORDS,                                                             \
         PyDoc_STR("begin_cycle($self, /, *, schedule='round robin', seed=0, changes=3, "          \
                   "length=1000, locks=False)\n--\n\nA collection to be taken step by step, "      \
                   "forwards and backwards: a SteppedCycle. For mode=\"steps\".")},                \
        {"_steps_begin", heap_py_steps_begin, METH_VARARGS, NULL},                                 \
        {"_steps_run", heap_py_steps_run, METH_VARARGS, NULL},                                     \
        {"_steps_by_hand", heap_py_steps_by_hand, METH_VARARGS, NULL},                             \
        {"_steps_goto", heap_py_steps_goto, METH_O, NULL},                                         \
        {"_steps_info", heap_py_steps_info, METH_NOARGS, NULL},                                    \
        {"_steps_log", heap_py_steps_log, METH_VARARGS, NULL},                                     \
        {"_steps_actors", heap_py_steps_actors, METH_NOARGS, NULL},                                \
        {"_steps_view", heap_py_steps_view, METH_NOARGS, NULL},                                    \
        {"_steps_token", heap_py_steps_token, METH_NOARGS, NULL},                                  \
        {"_steps_exported", heap_py_steps_exported, METH_NOARGS, NULL},                            \
        {"_steps_hash", heap_py_steps_hash, METH_NOARGS, NULL},                                    \
        {"_orphan_addresses", heap_py_orphans, METH_NOARGS, NULL},                                 \
        {"_record_begin", heap_py_record_begin, METH_VARARGS, NULL},                               \
        {"_record_end", heap_py_record_end, METH_NOARGS, NULL},                                    \
        {"_site", heap_py_site, METH_O, NULL},                                                     \
        {"profile", (PyCFunction)(void (*)(void))heap_py_profile, METH_VARARGS | METH_KEYWORDS,    \
         PyDoc_STR("profile($self, /, kind='heap', *, gc=False)\n--\n\nA Profile of this "         \
                   "moment: 'heap' or 'allocs' (samples, scaled to what they stand for),\n"        \
                   "'goroutine', 'goroutineleak'. gc: collect first.")},                           \
        {"write_pprof", (PyCFunction)(void (*)(void))heap_py_write_pprof,                          \
         METH_VARARGS | METH_KEYWORDS,                                                             \
         PyDoc_STR("write_pprof($self, file, /, kind='heap', *, debug=0, gc=False)\n--\n\nWrites " \
                   "profile(kind) so that `go tool pprof` opens it, to a path or a binary file; "  \
                   "debug=1:\nGo's text instead.")},                                               \
        {"_mem_profile", heap_py_mem_profile, METH_NOARGS, NULL},                                  \
        {"_goroutine_stacks", heap_py_goroutine_stacks, METH_NOARGS, NULL}, CHAN_HEAP_METHODS,     \
        TEXT_HEAP_METHODS, {"_trace", heap_py_trace, METH_VARARGS, NULL},                          \
        {"_cycles_from", heap_py_cycles_from, METH_O, NULL},                                       \
        {"_read_metrics", heap_py_read_metrics, METH_NOARGS, NULL},                                \
    {                                                                                              \
        "_object_rows", heap_py_object_rows, METH_O, NULL                                          \
    }

#define HOOKS_HEAP_GETSET                                                                          \
    {"huge_pages", heap_py_huge_pages, NULL,                                                       \
     "Transparent huge pages: what was asked for, what the kernel allows, what there is. A "       \
     "HugePages.",                                                                                 \
     NULL},                                                                                        \
        {"placement", heap_py_placement, NULL,                                                     \
         "Where the heap's pages are: memory nodes, and which mutator allocates where. A "         \
         "Placement.",                                                                             \
         NULL},                                                                                    \
        {"pending_finalizers", heap_py_pending_finalizers, NULL,                                   \
         "Finalizers and cleanups that are set and have not run; of a closed heap, that never "    \
         "will.",                                                                                  \
         NULL},                                                                                    \
        {"mem_profile_rate", heap_py_get_rate, heap_py_set_rate,                                   \
         "Bytes per sample of the heap profile, as runtime.MemProfileRate: 1 is each object, 0 "   \
         "off.\nTakes an int or a text such as \"512KiB\".",                                       \
         NULL},                                                                                    \
        {"_functions", heap_py_functions, NULL, NULL, NULL},                                       \
        {"clock", heap_py_clock, NULL, "The heap's time in seconds: advance lets it go on.",       \
         NULL},                                                                                    \
        {"globals", heap_py_globals, NULL,                                                         \
         "Named global roots: a mutable mapping of str to Ref, Slice, str or None.", NULL},        \
        {"cycles", heap_py_cycles, NULL,                                                           \
         "The last collections (256 are kept), oldest first, as a tuple of Cycle.", NULL},         \
        {"metrics", heap_py_metrics, NULL,                                                         \
         "Numbers by Go's runtime/metrics names, read without a stop: a mapping. See "             \
         "gcsim.Metrics.",                                                                         \
         NULL},                                                                                    \
    {                                                                                              \
        "dump", heap_py_dump, NULL,                                                                \
            "The Go dump that the heap was loaded from, and its objects by number: see "           \
            "open_go_dump.",                                                                       \
            NULL                                                                                   \
    }

// iface_bind.c
static int boxes_init(PyObject *module, struct bind_state *state);
static PyObject *boxes_closure_by_value(PyObject *module, PyObject *args);
static PyObject *boxes_iface_way(PyObject *module, PyObject *args);
CHAN_FASTCALL(PyObject, heap_py_box);
static PyObject *heap_py_functions(PyObject *self, void *closure);
CHAN_FASTCALL(PyObject, heap_py_func);
static PyObject *heap_py_closure(PyObject *self, PyObject *args, PyObject *kwargs);

static int slices_init(PyObject *module, struct bind_state *state);
static int maps_init(PyObject *module, struct bind_state *state);
static int batches_init(PyObject *module, struct bind_state *state);
static int specials_init(PyObject *module, struct bind_state *state);
static int goroutines_init(PyObject *module, struct bind_state *state);

// run_bind.c: workloads that still run in the heap.
static uint32_t runs_left(struct heap_object *h);

// Frees h->roots; heap_dealloc calls it.
static void heap_roots_free(struct heap_object *h);
