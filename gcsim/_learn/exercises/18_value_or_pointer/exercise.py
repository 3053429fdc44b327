"""Value or pointer. README.md says how; replace each todo(...)."""

import gcsim
from gcsim.learn import todo


def values(heap: gcsim.Heap, Record: type, rows: list[tuple[int, int]]) -> gcsim.Slice:
    """A slice of records. rows: id and hits of each."""
    todo("build a slice of values")


def pointers(heap: gcsim.Heap, Record: type, rows: list[tuple[int, int]]) -> gcsim.Slice:
    """A slice of pointers to records, each of which is an object of its own."""
    todo("build a slice of pointers")


def block(heap: gcsim.Heap, Record: type, rows: list[tuple[int, int]]) -> gcsim.Slice:
    """A slice of pointers to records that lie side by side in one object."""
    todo("build a slice of pointers into a block")


def watch(heap: gcsim.Heap, Record: type, records: gcsim.Slice, wanted: list[int]) -> gcsim.Slice:
    """A slice of pointers to records[i] for each i that is wanted."""
    todo("share some of the records")


def copies(heap: gcsim.Heap, Record: type, records: gcsim.Slice) -> gcsim.Slice:
    """A slice of values: all records as they are now, to be changed independently."""
    todo("copy all records")


def choose(Record: type, count: int, inserts: int, watched: int, alone: bool, cycles: int) -> str:
    """What is right and costs least: "values", "pointers" or "block"."""
    todo("choose one of the three")
