"""A solution of 24_finalizers."""


def reach(pointers, starts):
    seen, waiting = set(), list(starts)
    while waiting:
        i = waiting.pop()
        if i is not None and i not in seen:
            seen.add(i)
            waiting += pointers[i]
    return seen


def predict(pointers, roots, hooks, collections):
    roots, hooks, there, done = set(roots), dict(hooks), set(range(len(pointers))), []
    for _ in range(collections):
        finalizers = [i for i, hook in hooks.items() if hook != "cleanup"]
        alive = reach(pointers, roots.union(*(pointers[i] for i in finalizers)))
        ready = set(finalizers) - alive
        freed = there - alive - ready
        cleaned = {i for i in freed if hooks.get(i) == "cleanup"}
        for i in ready:
            if hooks[i] == "saves":
                roots.add(i)
            if hooks[i] != "again":
                del hooks[i]
        there -= freed
        done.append((sorted(ready | cleaned), sorted(freed)))
    return done


class Files:
    def __init__(self, heap, make, release):
        self.heap, self.make = heap, make
        self.release = release
        self.cleanups = {}

    def open(self, fd):
        file = self.make(fd)
        self.cleanups[fd] = self.heap.add_cleanup(file, self.forget, fd)
        return file

    def forget(self, fd):
        del self.cleanups[fd]
        self.release(fd)

    def close(self, file):
        fd = file.handle.fd
        if fd >= 0:
            file.handle.fd = -1
            self.cleanups[fd].stop()
            self.forget(fd)
