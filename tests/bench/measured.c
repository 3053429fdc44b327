// For tests/bench/instructions_python.py: calls something of Python's, so that callgrind can count what happens inside of `measured`.
// Loaded by ctypes, which hands over CPython's own function for calls: nothing of CPython is needed to build this.

typedef void *call_of(void *callable);

__attribute__((visibility("default"))) void *measure(void *callable, call_of *call);

__attribute__((noinline)) static void *measured(void *callable, call_of *call)
{
    void *result = call(callable);
    __asm__ volatile("" ::: "memory"); // no tail call: the tool watches this function return
    return result;
}

// The tool loses track of who calls in libffi, so `measured` is called from here.
void *measure(void *callable, call_of *call)
{
    void *result = measured(callable, call);
    __asm__ volatile("" ::: "memory");
    return result;
}
