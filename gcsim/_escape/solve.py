"""From a graph to what escapes and what parameters leak (`escape/solve.go`).

From every location the fewest dereferences to all that flows to it (Bellman-Ford, since edges may
be -1); again whenever a location's attributes change, until none does.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from .graph import ALL, CALLS, ESCAPES, MUTATES, PERSISTS, Location
from .tags import RESULTS
from .walk import Batch


class Solver:
    def __init__(self, batch: Batch):
        self.batch, self.tell = batch, batch.tell
        self.todo: deque[Location] = deque()
        self.generation = 0

    def solve(self) -> None:
        batch = self.batch
        for location in (*batch.locations, batch.mutator, batch.callee, batch.heap):
            self.todo.appendleft(location)
            location.queued_all = True
        while self.todo:
            root = self.todo.popleft()
            root.queued_all = False
            self.generation += 1
            self.walk(root)

    def enqueue(self, location: Location) -> None:
        if not location.queued_all:
            location.queued_all = True
            if location.attrs & ESCAPES:
                self.todo.appendleft(location)
            else:
                self.todo.append(location)

    def lose_results(self, root: Location) -> None:
        """Of a literal that somebody unknown calls: its results go anywhere."""
        node: Any = root.node
        if node is not None and node.op == "CLOSURE":
            func = node.func
            if func.state == "planned" and not func.results_lost:
                func.results_lost = True
                for result in func.results:
                    self.enqueue(result.loc)

    def walk(self, root: Location) -> None:
        generation = self.generation
        root.walk, root.derefs, root.dst = generation, 0, None
        if root.attrs & CALLS:
            self.lose_results(root)
        todo = deque((root,))
        while todo:
            at = todo.popleft()
            at.queued_one = 0
            derefs, new = at.derefs, 0
            if derefs < 0:
                derefs = 0
                if self.outlives(root, at):
                    if not at.attrs & ESCAPES:
                        self.tell.found_escape(root, at)
                    new = ALL
                elif root.attrs & PERSISTS:
                    new = PERSISTS
            if derefs == 0:
                new |= root.attrs & (MUTATES | CALLS)
            if at.cls == "param":
                self.parameter(root, at, derefs)
            if new & ~at.attrs:
                at.attrs |= new
                self.enqueue(at)
                if at.attrs & ESCAPES:
                    continue
            for i, edge in enumerate(at.edges):
                src = edge.src
                if src.attrs & ESCAPES:
                    continue
                far = derefs + edge.derefs
                if src.walk != generation or src.derefs > far:
                    src.walk, src.derefs = generation, far
                    src.dst, src.dst_edge = at, i
                    if src.queued_one != generation:
                        src.queued_one = generation
                        todo.append(src)

    def parameter(self, root: Location, at: Location, derefs: int) -> None:
        if self.outlives(root, at):
            if not at.attrs & ESCAPES:
                self.tell.found_leak(root, at, derefs)
            self.leak(root, at, derefs)
        if root.attrs & MUTATES:
            at.leaks.add("mutator", derefs)
        if root.attrs & CALLS:
            at.leaks.add("callee", derefs)

    def leak(self, sink: Location, at: Location, derefs: int) -> None:
        if not sink.attrs & ESCAPES and sink.cls == "result" and sink.func is at.func:
            index = sink.result_index - 1
            if index < RESULTS:
                at.leaks.add_result(index, derefs)
                return
        at.leaks.add("heap", derefs)

    def outlives(self, one: Location, other: Location) -> bool:
        """Whether what `one` holds may live longer than `other` on a stack."""
        if one.attrs & ESCAPES:
            return True
        if one is self.batch.mutator or one is self.batch.callee:
            return False
        if one.func is None or other.func is None:
            return False
        if one.cls == "result":
            inside = other.func.contains(one.func) and not one.func.results_lost
            return not inside
        if one.func is other.func and one.loop_depth < other.loop_depth:
            return True
        return one.func.contains(other.func)
