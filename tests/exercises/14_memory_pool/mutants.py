"""Mistakes that the tests of 14_memory_pool must notice: edits of solution.py, or whole files."""

STATS = '{"hits": 0, "misses": 0, "refused": 0, "bytes": 0}'

MUTANTS = {
    "empty body": "def capacity(size): pass\n\nclass MemoryPool:\n    def __init__(self, heap, limit): pass\n    def get(self, size): pass\n    def put(self, buffer): pass\n    def stats(self): pass\n",
    "keeps nothing": f"from gcsim import u8\n\ndef capacity(size):\n    return max(64, 1 << (size - 1).bit_length())\n\nclass MemoryPool:\n    def __init__(self, heap, limit):\n        self.heap = heap\n    def get(self, size):\n        return self.heap.new_slice(u8, size, capacity(size))\n    def put(self, buffer):\n        return False\n    def stats(self):\n        return {STATS}\n",
    "gcsim's own pool": f"import gcsim\n\ndef capacity(size):\n    return max(64, gcsim.next_power_of_2(size))\n\nclass MemoryPool(gcsim.MemoryPool):\n    def __init__(self, heap, limit):\n        super().__init__(heap, limit=max(limit, 1))\n    def stats(self):\n        return {STATS}\n",
    "a power of two is doubled": [("(size - 1).bit_length()", "size.bit_length()")],
    "a capacity for each size": [("max(64, 1 << (size - 1).bit_length())", "max(64, size)")],
    "one capacity for all": [("max(64, 1 << (size - 1).bit_length())", "65_536")],
    "foreign ones are taken": [("return known and self.bytes", "return self.bytes")],
    "foreign ones are filed under the next": [
        ("known = 0 < buffer.cap <= 65_536 and capacity(buffer.cap) == buffer.cap", "known = True"),
        (
            "self.waiting.setdefault(buffer.cap, [])",
            "self.waiting.setdefault(capacity(buffer.cap), [])",
        ),
    ],
    "refuses what is shorter than its capacity": [
        ("known = 0 <", "known = len(buffer) == buffer.cap and 0 <")
    ],
    "the length is the last user's": [("bucket.pop().reslice(0, size)", "bucket.pop()")],
    "the whole capacity is given": [
        ("bucket.pop().reslice(0, size)", "bucket.pop().reslice(0, cap)")
    ],
    "it stays in the pool": [("bucket.pop().reslice", "bucket[-1].reslice")],
    "put twice": [(" or self.shares(buffer)", "")],
    "looks at addresses only": [
        (
            "other.address < end and begin < other.address + other.cap",
            "other.address == begin < end",
        )
    ],
    "sharing is looked for in one list": [
        ("for bucket in self.waiting.values()", "for bucket in [self.waiting.get(buffer.cap, [])]")
    ],
    "neighbours are taken for parts": [
        (
            "other.address < end and begin < other.address + other.cap",
            "other.address <= end and begin <= other.address + other.cap",
        )
    ],
    "no limit": [("return known and self.bytes + buffer.cap <= self.limit", "return known")],
    "the limit is not reached": [("buffer.cap <= self.limit", "buffer.cap < self.limit")],
    "one over the limit": [("self.bytes + buffer.cap <= self.limit", "self.bytes <= self.limit")],
    "the limit counts lengths": [
        ("        self.bytes += buffer.cap", "        self.bytes += len(buffer)")
    ],
    "bytes only grow": [("            self.bytes -= cap\n", "")],
    "refused are not counted": [("            self.refused += 1\n", "")],
    "hits and misses exchanged": [
        ("self.hits += 1", "self.other += 1"),
        ("self.misses += 1", "self.hits += 1"),
        ("self.other += 1", "self.misses += 1"),
    ],
    "remembers all it gave out": [
        (
            "        return self.heap.new_slice(u8, size, cap)",
            "        self.seen = [*getattr(self, 'seen', []), self.heap.new_slice(u8, size, cap)]\n        return self.seen[-1]",
        )
    ],
    "serves from the next larger": [
        (
            "        bucket = self.waiting.get(cap)\n",
            "        bucket = self.waiting.get(cap) or self.waiting.get(2 * cap)\n",
        )
    ],
    "an interface with each put": [
        (
            "        self.bytes += buffer.cap",
            "        self.heap.box(u8, 1)\n        self.heap.new_slice(u8, 24)\n        self.bytes += buffer.cap",
        )
    ],
}
