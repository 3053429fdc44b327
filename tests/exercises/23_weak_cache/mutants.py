"""Mistakes that the tests of 23_weak_cache must notice: edits of solution.py, or whole files."""

GET = "        weak = self.entries.get(key)\n"
CLEANUP = "            self.heap.add_cleanup(value, self.forget, key, weak)\n"
MUTANTS = {
    "empty body": "class Cache:\n    def __init__(self, heap, load): self.entries = {}\n    def get(self, key): pass\n",
    "holds its values": [
        (
            "            self.entries[key] = weak\n",
            "            self.entries[key] = lambda: value\n",
        )
    ],
    "holds them beside": [
        (CLEANUP, CLEANUP + "            self.kept = getattr(self, 'kept', []) + [value]\n")
    ],
    "holds the last one": [
        ("        return value\n", "        self.last = value\n        return value\n")
    ],
    "holds them by its cleanups": [
        ("self.forget, key, weak)", "lambda held: self.forget(key, weak), [value])")
    ],
    "loads each time": [("        if value is None:\n", "        if True:\n")],
    "never forgets": [(CLEANUP, "")],
    "forgets whatever is there": [("if self.entries.get(key) == weak:", "if key in self.entries:")],
    "forgets what is dead": [
        (
            "if self.entries.get(key) == weak:",
            "if key in self.entries and self.entries[key]() is None:",
        ),
        ("        if value is None:\n", "        if weak is None:\n"),
    ],
    "gives what is dead": [("        if value is None:\n", "        if weak is None:\n")],
    "forgets all": [("            del self.entries[key]\n", "            self.entries.clear()\n")],
    "forgets with the next question": [
        (CLEANUP, ""),
        (
            GET,
            "        for k in [k for k, w in self.entries.items() if w() is None]:\n            del self.entries[k]\n"
            + GET,
        ),
    ],
    "a finalizer": [
        (CLEANUP, "            self.heap.set_finalizer(value, lambda _: self.forget(key, weak))\n")
    ],
    "a cleanup for each question": [
        (CLEANUP, ""),
        ("        return value\n", CLEANUP[4:] + "        return value\n"),
    ],
    "collects": [(GET, "        self.heap.collect()\n" + GET)],
    "eight at most": [
        (
            GET,
            "        if len(self.entries) >= 8:\n            self.entries.pop(next(iter(self.entries)))\n"
            + GET,
        )
    ],
    "an entry before it is loaded": [
        (
            "            value = self.load(key)\n",
            "            self.entries[key] = lambda: None\n            value = self.load(key)\n",
        )
    ],
    "a new object is never forgotten": [
        (
            "        if value is None:\n",
            "        fresh = weak is None\n        if value is None:\n",
        ),
        (CLEANUP, "            if fresh:\n    " + CLEANUP),
    ],
}
