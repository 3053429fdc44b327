"""Replaying what sync.Pool of Go gave, and what it allocated, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gcsim import _core
from gcsim._errors import DumpFormatError
from gcsim._pools import Pool
from gcsim._struct import struct
from gcsim._types import i64

if TYPE_CHECKING:
    from gcsim._conform import Conformance
    from gcsim._events import Events


@struct
class _Item:
    id: i64
    rest: i64  # so that it is no tiny object


_TYPES = {"sync.poolLocal", "sync.poolChainElt", "sync.eface"}


class _Replay:
    """One sequence of the file: a pool in a heap of its own, with one processor."""

    def __init__(self, has_new: bool) -> None:
        self.heap = _core.Heap(procs=1, gogc=None)
        self.pool = Pool(self.heap, self._new if has_new else None)

    def _item(self, number: int) -> Any:
        return self.heap.new(_Item, id=number)

    def _new(self) -> Any:
        return self._item(-1 - self.pool.made)

    def do(self, op: str, arg: str) -> tuple[str, str]:
        """The columns `result` and `allocs`."""
        value = self._item(int(arg)) if op == "put" else None
        with self.heap.record(kinds=("alloc", "alloc type", "alloc request")) as record:
            if op == "put":
                self.pool.put(value)
            elif op == "get":
                value = self.pool.get()
            elif op == "gc":
                self.heap.collect()
            else:
                raise DumpFormatError(f"there is no operation {op!r} of a pool: new, put, get, gc")
        result = "" if op != "get" else "nil" if value is None else str(value.id)
        return result, " ".join(self._allocated(record))

    def _allocated(self, record: Events) -> Iterator[str]:
        """Its objects as type:request:slot, but for New's own and the list of all pools."""
        name, request = "", 0
        for event in record:
            if event.kind == "alloc type":
                name = record.types[event.arg]
            elif event.kind == "alloc request":
                request = event.arg
            elif name in _TYPES:
                yield f"{name}:{request}:{event.arg}"


def replay_pool(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """pool.csv: one processor; a sequence begins with `new`: its arg is 1 if the pool has a New."""
    pool: _Replay | None = None
    for row in rows:
        where = f"sequence {row['seq']} step {row['step']} {row['op']} {row['arg']}".rstrip()
        ours = ("", "")
        if row["op"] == "new":
            if pool:
                pool.heap.close()
            pool = _Replay(bool(int(row["arg"])))
        elif pool is None:
            raise DumpFormatError(f"{where}: a sequence begins with new")
        else:
            ours = pool.do(row["op"], row["arg"])
        result.check(where, ours, (row["result"], row["allocs"]))
    if pool:
        pool.heap.close()
