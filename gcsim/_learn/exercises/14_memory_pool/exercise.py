"""Design a memory pool. README.md says how; replace each todo(...).

A new buffer is heap.new_slice(gcsim.u8, length, capacity).
"""

import gcsim
from gcsim.learn import todo


def capacity(size: int) -> int:
    """The capacity of the buffers that serve `size` bytes, 1 to 65,536."""
    todo("choose the capacities")


class MemoryPool:
    """Buffers of several sizes, used again. It keeps `limit` bytes at most."""

    def __init__(self, heap: gcsim.Heap, limit: int) -> None:
        todo("begin with an empty pool")

    def get(self, size: int) -> gcsim.Slice:
        """A []byte of `size` bytes: one that was put, or a new one."""
        todo("give a buffer out")

    def put(self, buffer: gcsim.Slice) -> bool:
        """Takes a buffer back. False: it was refused."""
        todo("take a buffer back")

    def stats(self) -> dict[str, int]:
        """How often get hit and missed and put refused, and the bytes that are kept now."""
        todo("say what happened")
