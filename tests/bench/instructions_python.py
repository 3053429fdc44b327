"""Operations of the Python face for instructions.py, which counts what happens inside of `measured`.

    python instructions_python.py MEASURED.so WHAT COUNT [WHAT COUNT]...

COUNT is the number of loops over UNROLL statements, or of nodes.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from python_ops import STATEMENTS, UNROLL, Node, Number

import gcsim


@gcsim.struct
class Tree:
    left: gcsim.ptr["Tree"]
    right: gcsim.ptr["Tree"]


def statement_loop(text: str, names: dict[str, Any]) -> Callable[[int], None]:
    lines = "".join(f"        {text}\n" for _ in range(UNROLL))
    exec(f"def loop(n):\n    for _ in range(n):\n{lines}", names)
    loop: Callable[[int], None] = names["loop"]
    return loop


def statements(heap: gcsim.Heap, text: str) -> Callable[[int], None]:
    node, other = heap.new(Node, n=1), heap.new(Node, n=2)
    node.next = other
    names = {"heap": heap, "node": node, "other": other, "Number": Number}
    loop = statement_loop(text, names)
    loop(100)  # CPython has specialised its bytecode by then
    return loop


def tree(heap: gcsim.Heap, n: int) -> object:
    """A tree of n nodes, made one by one from the leaves up."""
    new = heap.new

    def make(n: int) -> Tree | None:
        return new(Tree, left=make(n // 2), right=make(n - 1 - n // 2)) if n else None

    return make(n)


def linked(heap: gcsim.Heap, n: int, links: array[int]) -> gcsim.Batch[Node]:
    return heap.build(Node, n, links={"next": links})


def nodes(heap: gcsim.Heap, what: str, n: int) -> Callable[[], object]:
    if what == "tree":
        tree(heap, 1000)
        return partial(tree, heap, n)
    links = array("i", [*range(1, n), -1])
    linked(heap, 10, array("i", [*range(1, 10), -1]))
    return partial(linked, heap, n, links)


def main() -> None:
    library, *words = sys.argv[1:]
    measure = ctypes.PyDLL(library).measure
    measure.argtypes = (ctypes.py_object, ctypes.c_void_p)
    measure.restype = ctypes.py_object
    call = ctypes.cast(ctypes.pythonapi.PyObject_CallNoArgs, ctypes.c_void_p)
    gc.disable()
    for what, count in zip(words[::2], map(int, words[1::2]), strict=True):
        with gcsim.Heap(gogc=None, procs=1) as heap:
            if what in ("tree", "build"):
                work = nodes(heap, what, count)
            else:
                work = partial(statements(heap, STATEMENTS.get(what, "pass")), count)
            result = measure(work, call)
            cycles = heap.cycles
            del result, work
        if cycles:
            sys.exit(f"{what}: a collection ran where only the operation is counted")


if __name__ == "__main__":
    main()
