"""A solution of 23_weak_cache."""


class Cache:
    def __init__(self, heap, load):
        self.heap, self.load = heap, load
        self.entries = {}

    def get(self, key):
        weak = self.entries.get(key)
        value = weak() if weak is not None else None
        if value is None:
            value = self.load(key)
            weak = self.heap.weak(value)
            self.entries[key] = weak
            self.heap.add_cleanup(value, self.forget, key, weak)
        return value

    def forget(self, key, weak):
        if self.entries.get(key) == weak:
            del self.entries[key]
