"""Every operation, counted by an interpreter that knows the number of all references."""

from __future__ import annotations

import leakcheck
import operations
import pytest

import gcsim


@pytest.mark.parametrize("mode", ["threads", "steps"])
@pytest.mark.parametrize("name", operations.ALL)
def test_operations_leave_no_references(mode: str, name: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        operation = operations.ALL[name]
        leakcheck.assert_settles(lambda: operation(heap), leakcheck.python_numbers, 10)


@pytest.mark.parametrize("mode", ["threads", "steps"])
@pytest.mark.parametrize("name", operations.ALL)
def test_a_heap_with_all_that_an_operation_made_leaves_no_references(mode: str, name: str) -> None:
    def work() -> None:
        heap = gcsim.Heap(mode=mode, trace_refs=True)
        kept = operations.ALL[name](heap)
        heap.close()
        del kept

    leakcheck.assert_settles(work, leakcheck.python_numbers, 10)
