"""Read a heap dump and name the leak. README.md says how; replace each todo(...)."""

from typing import Protocol

from gcsim.learn import todo


class Dump(Protocol):
    """What was read from a dump."""

    sizes: dict[int, int]  #: bytes of each object, by its address
    pointers: dict[int, list[int]]  #: where its pointers lead, by its address; no nil among them
    roots: list[tuple[str, int]]  #: names, and the addresses that they hold


def retained(dump: Dump, address: int) -> int:
    """The bytes that would be free if that object were gone."""
    todo("count what it retains")


def path(dump: Dump, address: int) -> tuple[str, list[int]] | None:
    """A shortest way to an object: the name of a root, and the objects from there to it, itself
    included. None: it is not alive."""
    todo("find a way to it")


def leak(before: Dump, after: Dump) -> int:
    """The address of the object that holds what was leaked between two dumps of one program."""
    todo("find the holder")
