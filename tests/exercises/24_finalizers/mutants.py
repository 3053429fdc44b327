"""Mistakes that the tests of 24_finalizers must notice: edits of solution.py, or whole files."""

FREED = "        freed = there - alive - ready\n"
SEARCH = "roots.union(*(pointers[i] for i in finalizers))"
ADD = "        self.cleanups[fd] = self.heap.add_cleanup(file, self.forget, fd)\n"
MUTANTS = {
    "empty body": "def predict(*args): pass\nclass Files:\n    def __init__(self, *args): pass\n    def open(self, fd): pass\n    def close(self, file): pass\n",
    "nothing ever happens": [
        ("        done.append(", "        done.append(([], [])) if done else done.append(")
    ],
    "a destructor": [(FREED, "        freed = there - alive\n")],
    "what it points to dies first": [
        (SEARCH, "roots"),
        (FREED, "        freed = there - alive - ready\n        there -= ready\n"),
    ],
    "all finalizers at once": [
        (
            FREED,
            "        found = reach(pointers, roots)\n        ready = set(finalizers) - found\n        freed = there - alive - ready\n",
        )
    ],
    "it keeps itself": [(SEARCH, "roots | set(finalizers)")],
    "cycles get theirs": [
        (
            FREED,
            "        ready = {i for i in finalizers if i not in reach(pointers, roots.union(*(pointers[j] for j in finalizers if j != i)))}\n"
            + FREED,
        )
    ],
    "one pointer of it": [
        ("(pointers[i] for i in finalizers)", "(pointers[i][:1] for i in finalizers)")
    ],
    "cleanups are finalizers": [(' if hook != "cleanup"]', "]")],
    "cleanups a collection later": [
        (
            "        done.append((sorted(ready | cleaned)",
            "        late = [*done[-1][1]] if done else []\n        cleaned = {i for i in late if hooks.get(i) == 'cleanup'}\n        done.append((sorted(ready | cleaned)",
        )
    ],
    "nothing is saved": [("                roots.add(i)\n", "                pass\n")],
    "saved without what it points to": [
        ("roots.add(i)", "saved.add(i)"),
        (
            "        ready = set(finalizers) - alive\n",
            "        alive |= saved\n        ready = set(finalizers) - alive\n",
        ),
        (
            "done = set(roots), dict(hooks), set(range(len(pointers))), []",
            "done, saved = set(roots), dict(hooks), set(range(len(pointers))), [], set()",
        ),
    ],
    "again only once": [('if hooks[i] != "again":', "if True:")],
    "freed again and again": [("        there -= freed\n", "")],
    "one collection less": [("range(collections)", "range(collections - 1)")],
    "files as handed out": [
        (ADD, "        self.heap.set_finalizer(file, self.close)\n"),
        (
            "            self.cleanups[fd].stop()\n            self.forget(fd)\n",
            "            self.release(fd)\n",
        ),
    ],
    "a cleanup of the handle": [("add_cleanup(file, self", "add_cleanup(file.handle, self")],
    "a cleanup that is not stopped": [("            self.cleanups[fd].stop()\n", "")],
    "closed twice": [
        (
            "        if fd >= 0:\n            file.handle.fd = -1\n",
            "        if fd in self.cleanups:\n",
        )
    ],
    "closed by the collector alone": [
        (
            "            self.cleanups[fd].stop()\n            self.forget(fd)\n",
            "            pass\n",
        )
    ],
    "close gives nothing back": [
        ("            self.forget(fd)\n", "            del self.cleanups[fd]\n")
    ],
    "holds its files": [(ADD, ADD + "        self.files = getattr(self, 'files', []) + [file]\n")],
    "a finalizer and a cleanup": [
        (ADD, ADD + "        self.heap.set_finalizer(file, lambda file: None)\n")
    ],
}
