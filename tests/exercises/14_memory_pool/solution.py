"""A solution of 14_memory_pool."""

from gcsim import u8


def capacity(size):
    return max(64, 1 << (size - 1).bit_length())


class MemoryPool:
    def __init__(self, heap, limit):
        self.heap, self.limit = heap, limit
        self.waiting = {}
        self.hits = self.misses = self.refused = self.bytes = 0

    def get(self, size):
        cap = capacity(size)
        bucket = self.waiting.get(cap)
        if bucket:
            self.hits += 1
            self.bytes -= cap
            return bucket.pop().reslice(0, size)
        self.misses += 1
        return self.heap.new_slice(u8, size, cap)

    def put(self, buffer):
        if not self.fits(buffer) or self.shares(buffer):
            self.refused += 1
            return False
        self.waiting.setdefault(buffer.cap, []).append(buffer)
        self.bytes += buffer.cap
        return True

    def fits(self, buffer):
        known = 0 < buffer.cap <= 65_536 and capacity(buffer.cap) == buffer.cap
        return known and self.bytes + buffer.cap <= self.limit

    def shares(self, buffer):
        begin, end = buffer.address, buffer.address + buffer.cap
        return any(
            other.address < end and begin < other.address + other.cap
            for bucket in self.waiting.values()
            for other in bucket
        )

    def stats(self):
        names = ("hits", "misses", "refused", "bytes")
        return {name: getattr(self, name) for name in names}
