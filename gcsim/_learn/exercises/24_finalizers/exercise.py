"""Finalizer traps. README.md says how; replace todo(...) and repair Files."""

from collections.abc import Callable
from typing import Any

from gcsim.learn import todo


def predict(
    pointers: list[list[int | None]], roots: list[int], hooks: dict[int, str], collections: int
) -> list[tuple[list[int], list[int]]]:
    """What so many collections do, one after the other: (whose hook ran, who was freed) of each.

    hooks: "finalizer", "saves", "again" or "cleanup" by object. Both lists in ascending order.
    """
    todo("say what each collection runs and frees")


class Files:
    """Files over descriptors, which are released when nobody can use them any more."""

    def __init__(
        self, heap: Any, make: Callable[[int], Any], release: Callable[[int], None]
    ) -> None:
        """make(fd): a file in the heap, with .handle.fd. release(fd) gives a descriptor back."""
        self.heap, self.make, self.release = heap, make, release

    def open(self, fd: int) -> Any:
        """A file of that descriptor."""
        file = self.make(fd)
        self.heap.set_finalizer(file, self.close)
        return file

    def close(self, file: Any) -> None:
        """Releases its descriptor at once. Closing it once more does nothing."""
        self.release(file.handle.fd)
