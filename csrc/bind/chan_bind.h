// What chan_bind.c gives to the method tables of Heap and Goroutine.
#pragma once

struct goroutine_object;

// 0 if the calling thread may use it and it is not blocked; `doing` completes "cannot ...".
static PyObject *lib_attribute(const char *name); // of gcsim._goroutines; new reference
static int goroutine_check_runs(struct goroutine_object *g, const char *doing);
static void goroutine_leave_queues(gcsim_mutator *m, gcsim_goroutine *g);

#define CHAN_O(name) static PyObject *name(struct goroutine_object *g, PyObject *what)
#define CHAN_FASTCALL(type, name)                                                                  \
    static PyObject *name(type *self, PyObject *const *args, Py_ssize_t nargs)
#define CHAN_FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL

CHAN_FASTCALL(struct goroutine_object, goroutine_send);
CHAN_O(goroutine_receive);
static PyObject *goroutine_select(struct goroutine_object *g, PyObject *args, PyObject *kwargs);
CHAN_O(goroutine_close);
CHAN_O(goroutine_lock);
CHAN_O(goroutine_unlock);
CHAN_O(goroutine_rlock);
CHAN_O(goroutine_runlock);
CHAN_O(goroutine_wait);
CHAN_O(goroutine_signal);
CHAN_O(goroutine_broadcast);
CHAN_FASTCALL(struct goroutine_object, goroutine_add);
CHAN_O(goroutine_done);
CHAN_O(goroutine_sleep);
static PyObject *goroutine_result(struct goroutine_object *g, void *closure);
static PyObject *goroutine_blocked(struct goroutine_object *g, void *closure);
static PyObject *goroutine_wait_reason(struct goroutine_object *g, void *closure);
static PyObject *goroutine_leaked(struct goroutine_object *g, void *closure);

CHAN_FASTCALL(PyObject, heap_py_make_chan);
static PyObject *heap_py_cond(PyObject *self, PyObject *lock);
static PyObject *heap_py_timer(PyObject *self, PyObject *seconds);
static PyObject *heap_py_ticker(PyObject *self, PyObject *seconds);
static PyObject *heap_py_timer_channel(PyObject *self, PyObject *timer);
static PyObject *heap_py_stop(PyObject *self, PyObject *timer);
CHAN_FASTCALL(PyObject, heap_py_reset);
static PyObject *heap_py_advance(PyObject *self, PyObject *seconds);
static PyObject *heap_py_clock(PyObject *self, void *closure);
static PyObject *heap_py_leaked_goroutines(PyObject *self, PyObject *unused);

#define CHAN_GOROUTINE_METHODS                                                                     \
    {"send", CHAN_FAST(goroutine_send),                                                            \
     PyDoc_STR(                                                                                    \
         "send($self, ch, value, /)\n--\n\n``ch <- value``: True if it was received or lies "      \
         "in the buffer; False: the goroutine is blocked now.\n\nA channel of None is Go's "       \
         "nil channel. Raises PanicError for a closed one; StateError if it is blocked.")},        \
        {"receive", (PyCFunction)goroutine_receive, METH_O,                                        \
         PyDoc_STR("receive($self, ch, /)\n--\n\n``value, ok := <-ch``: a Received, or None: the " \
                   "goroutine is blocked now, and will have it as its result.")},                  \
        {"select", (PyCFunction)(void (*)(void))goroutine_select, METH_VARARGS | METH_KEYWORDS,    \
         PyDoc_STR("select($self, /, *cases, default=False)\n--\n\nOne of the cases (Send, "       \
                   "Receive) that can go on, by chance: a Selected, or None: the goroutine is "    \
                   "blocked now.\n\nWith default=True it never is: the number of the case is -1 "  \
                   "then. At most 64 cases.")},                                                    \
        {"close", (PyCFunction)goroutine_close, METH_O,                                            \
         PyDoc_STR("close($self, ch, /)\n--\n\nCloses a channel: who waits to receive gets the "   \
                   "zero value. PanicError if it is closed, or None.")},                           \
        {"lock", (PyCFunction)goroutine_lock, METH_O,                                              \
         PyDoc_STR("lock($self, mutex, /)\n--\n\nLocks a Mutex, or an RWMutex to write: True, or " \
                   "False: the goroutine is blocked now.")},                                       \
        {"unlock", (PyCFunction)goroutine_unlock, METH_O,                                          \
         PyDoc_STR("unlock($self, mutex, /)\n--\n\nUnlocks it: who has waited longest has it "     \
                   "then. PanicError if it is not locked.")},                                      \
        {"rlock", (PyCFunction)goroutine_rlock, METH_O,                                            \
         PyDoc_STR("rlock($self, mutex, /)\n--\n\nLocks an RWMutex to read: True, or False: the "  \
                   "goroutine is blocked now.")},                                                  \
        {"runlock", (PyCFunction)goroutine_runlock, METH_O,                                        \
         PyDoc_STR("runlock($self, mutex, /)\n--\n\nUndoes one rlock.")},                          \
        {"wait", (PyCFunction)goroutine_wait, METH_O,                                              \
         PyDoc_STR("wait($self, what, /)\n--\n\nWaits for a WaitGroup, or for a Cond, whose "      \
                   "mutex it unlocks: True, or False: the goroutine is blocked now.")},            \
        {"signal", (PyCFunction)goroutine_signal, METH_O,                                          \
         PyDoc_STR("signal($self, cond, /)\n--\n\nWakes who has waited longest for a Cond; it "    \
                   "goes on once it has the mutex.")},                                             \
        {"broadcast", (PyCFunction)goroutine_broadcast, METH_O,                                    \
         PyDoc_STR("broadcast($self, cond, /)\n--\n\nsignal for all who wait.")},                  \
        {"add", CHAN_FAST(goroutine_add),                                                          \
         PyDoc_STR("add($self, group, n, /)\n--\n\nAdds to a WaitGroup's counter, which is not "   \
                   "negative (PanicError); at 0 all who wait go on.")},                            \
        {"done", (PyCFunction)goroutine_done, METH_O,                                              \
         PyDoc_STR("done($self, group, /)\n--\n\nadd(group, -1).")},                               \
    {                                                                                              \
        "sleep", (PyCFunction)goroutine_sleep, METH_O,                                             \
            PyDoc_STR(                                                                             \
                "sleep($self, seconds, /)\n--\n\nBlocks until heap.advance has gone so far: "      \
                "False; True for 0 seconds.")                                                      \
    }

#define CHAN_GOROUTINE_GETSET                                                                      \
    {"blocked", (getter)goroutine_blocked, NULL,                                                   \
     "whether it waits for something: it can neither be given operations nor change its frames",   \
     NULL},                                                                                        \
        {"wait_reason", (getter)goroutine_wait_reason, NULL,                                       \
         "why it is blocked, in Go's words (\"chan receive\", \"select\"); \"\" if it is not",     \
         NULL},                                                                                    \
        {"leaked", (getter)goroutine_leaked, NULL,                                                 \
         "whether collect(goroutine_leaks=True) found, when it ran last, that nothing can wake "   \
         "it",                                                                                     \
         NULL},                                                                                    \
    {                                                                                              \
        "result", (getter)goroutine_result, NULL,                                                  \
            "what the operation gave that it was blocked for last: a Received, a Selected, True; " \
            "None: it has not been blocked since; PanicError: a send on a channel that was "       \
            "closed",                                                                              \
            NULL                                                                                   \
    }

#define CHAN_HEAP_METHODS                                                                          \
    {"make_chan", CHAN_FAST(heap_py_make_chan),                                                    \
     PyDoc_STR("make_chan($self, type, size=0, /)\n--\n\n``make(chan T, size)``: a Channel. "      \
               "RangeError for elements above 65,535 bytes.")},                                    \
        {"cond", heap_py_cond, METH_O,                                                             \
         PyDoc_STR("cond($self, mutex, /)\n--\n\nA Cond with its Mutex, as sync.NewCond.")},       \
        {"timer", heap_py_timer, METH_O,                                                           \
         PyDoc_STR("timer($self, seconds, /)\n--\n\nA Timer that sends the time (ns) on its "      \
                   "channel once, as time.NewTimer of Go 1.23 and later.")},                       \
        {"ticker", heap_py_ticker, METH_O,                                                         \
         PyDoc_STR("ticker($self, seconds, /)\n--\n\nA Timer that sends the time (ns) again and "  \
                   "again. One that nobody refers to is collected.")},                             \
        {"timer_channel", heap_py_timer_channel, METH_O,                                           \
         PyDoc_STR("timer_channel($self, timer, /)\n--\n\nThe Channel of a Timer: its C.")},       \
        {"stop", heap_py_stop, METH_O,                                                             \
         PyDoc_STR("stop($self, timer, /)\n--\n\nStops a Timer: whether it was to fire.")},        \
        {"reset", CHAN_FAST(heap_py_reset),                                                        \
         PyDoc_STR("reset($self, timer, seconds, /)\n--\n\nStarts it anew: whether it was to "     \
                   "fire.")},                                                                      \
        {"advance", heap_py_advance, METH_O,                                                       \
         PyDoc_STR("advance($self, seconds, /)\n--\n\nLets the heap's clock go on, and timers "    \
                   "fire that somebody waits for: how many did.")},                                \
    {                                                                                              \
        "leaked_goroutines", heap_py_leaked_goroutines, METH_NOARGS,                               \
            PyDoc_STR("leaked_goroutines($self, /)\n--\n\nThe goroutines that "                    \
                      "collect(goroutine_leaks=True) found to be leaked, and that are there "      \
                      "still: a list of LeakedGoroutine.")                                         \
    }
