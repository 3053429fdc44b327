"""A project that works, and allocates too much. README.md says what it may use; optimise it."""

from typing import Any

import gcsim
from gcsim import i64, ptr, slice_, string


@gcsim.struct
class Record:
    host: string
    status: string
    bytes: string


@gcsim.struct
class State:
    records: slice_[ptr[Record]]


def start(heap: gcsim.Heap) -> Any:
    """What is kept between calls: an object of the heap."""
    return heap.new(State, records=heap.new_slice(ptr[Record]))


def add(heap: gcsim.Heap, state: Any, line: gcsim.Slice) -> None:
    """Takes in one line of the log."""
    copy = heap.to_bytes(bytes(line))
    words = heap.new_slice(string)
    for word in bytes(copy).decode().split():
        words = words.append(word)
    record = heap.new(Record, host=words[0], status=words[1], bytes=words[2])
    state.records = state.records.append(record)


def report(heap: gcsim.Heap, state: Any) -> Any:
    """The report as text in the heap: a slice of bytes, or a Builder."""
    groups = heap.new_map(string, slice_[ptr[Record]])
    for record in state.records:
        known = groups.get(record.host) or heap.new_slice(ptr[Record])
        groups[record.host] = known.append(record)
    text = heap.to_bytes("")
    for host in sorted(groups):
        sizes = heap.new_slice(i64)
        errors = 0
        for record in groups[host]:
            sizes = sizes.append(0 if record.bytes == "-" else int(record.bytes))
            errors += int(record.status) >= 500
        line = f"{host} {len(sizes)} {errors} {sum(sizes)} {max(sizes)}\n"
        text = heap.to_bytes(bytes(text) + line.encode())
    return text
