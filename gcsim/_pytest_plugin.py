"""The pytest plugin: tests that fail when a heap that they make keeps, or allocates, too much.

    @pytest.mark.gc_no_leaks                        # what globals and goroutines keep is a leak
    @pytest.mark.gc_limit(live="4KiB", allocs=100)  # bytes alive after a collection, allocations
    @pytest.mark.gc_limit(cycles=2)                 # collections

Both look at every heap that the test makes, when it is closed or else when the test function has
returned. Of a heap that a fixture made counts what the test function adds. There are fixtures of
the same names, for a part of a test::

    def test_serving(heap, gc_no_leaks, gc_limit):
        gc_no_leaks.repeat(heap, serve)             # is called again and again: nothing may grow
        with gc_limit(heap, allocs=10):
            serve()

Heaps to test with, seeds, schedules and exercises are in ``_pytest_fixtures``.

Pytest loads both files whenever it starts, so nothing is imported before a test asks for it. Of
heaps being made and closed it learns from Python's audit events (``gcsim.Heap`` and
``gcsim.Heap.close``), which it listens to from the first such test on.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from gcsim._core import Heap
    from gcsim._results import Cycle
    from gcsim._snapshot import Snapshot

pytest_plugins = ("gcsim._pytest_fixtures",)

_LIMITS = ("live", "allocs", "bytes", "cycles")
_COUNTED = {"allocs": "allocations were made", "cycles": "collections were run"}
_SHOWN = 5  # suspects in a message


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "gc_no_leaks(allow=0): fail if a gcsim heap that the test makes keeps more bytes alive than"
        " `allow` when it is closed or the test function has returned",
        "gc_limit(live=None, allocs=None, bytes=None, cycles=None): fail if a gcsim heap that the"
        " test makes has more bytes alive, or the test makes more allocations, allocates more bytes"
        " or has more collections, than that",
    ):
        config.addinivalue_line("markers", line)


# ---- what is asked for ----


class _Rules(NamedTuple):
    allow: int | None  # None: leaks are not looked for
    limits: dict[str, int]


def _limits(given: Mapping[str, Any]) -> dict[str, int]:
    from gcsim._core import parse_size

    unknown = sorted(set(given) - set(_LIMITS))
    if unknown or not given:
        wrong = f"not {', '.join(unknown)}" if unknown else "and one of them is needed"
        raise TypeError(f"gc_limit takes live=, allocs=, bytes= and cycles=, {wrong}")
    return {name: parse_size(name, value) for name, value in given.items()}


def _rules(item: pytest.Item) -> _Rules | None:
    leaks, limit = item.get_closest_marker("gc_no_leaks"), item.get_closest_marker("gc_limit")
    wanted = leaks is not None or "gc_no_leaks" in getattr(item, "fixturenames", ())
    if not wanted and limit is None:
        return None
    from gcsim._core import parse_size

    given = leaks.kwargs if leaks else {}
    try:
        if (leaks and leaks.args) or set(given) - {"allow"}:
            raise TypeError('gc_no_leaks takes allow=, such as allow="1KiB", and nothing else')
        if limit and limit.args:
            raise TypeError('gc_limit takes names: gc_limit(live="4KiB", allocs=100)')
        allow = parse_size("allow", given.get("allow", 0)) if wanted else None
        return _Rules(allow, _limits(limit.kwargs) if limit else {})
    except (TypeError, ValueError, OverflowError) as error:
        pytest.fail(f"{item.nodeid}: {error}", pytrace=False)


# ---- one heap ----


@dataclass
class _Before:
    """What counts as there before the test: of a heap that it makes itself nothing."""

    live: int = 0
    objects: int = 0
    mallocs: int = 0
    total_alloc: int = 0
    num_gc: int = 0
    snapshots: dict[bool, Snapshot] = field(default_factory=dict)  # with Python's references?


def _settle(heap: Heap) -> tuple[Cycle, int]:
    """Collects, in Python too: references in its cycles hold objects. Returns the last cycle and
    how many there were, which are none of the test's."""
    import gc

    gc.collect()
    cycle = heap.collect()
    if not heap.pending_finalizers:
        return cycle, 1
    heap.run_finalizers()
    gc.collect()
    return heap.collect(), 2


def _snapshot(heap: Heap, references: bool) -> Snapshot:
    """What the program keeps, or with `references` also what Python does."""
    snapshot = heap.snapshot()
    if references:
        return snapshot
    state = snapshot.__getstate__()
    *columns, targets = state["_columns"]
    names, offsets, targets = (
        state["_root_names"],
        state["_root_off"],
        memoryview(targets).cast("I"),
    )
    kept = [i for i, name in enumerate(names) if not name.startswith("handle")]
    state["_root_names"] = tuple(names[i] for i in kept)
    state["_root_off"] = tuple(offsets[i] for i in kept)
    state["_columns"] = (*columns, array("I", [targets[i] for i in kept]).tobytes())
    alone = object.__new__(type(snapshot))
    alone.__setstate__(state)
    return alone


def _look_before(heap: Heap, leaks: bool) -> _Before:
    (cycle, _), stats = _settle(heap), heap.memstats()
    snapshots = {r: _snapshot(heap, r) for r in (False, True)} if leaks else {}
    return _Before(
        cycle.heap_marked,
        cycle.objects_marked,
        stats.mallocs,
        stats.total_alloc,
        stats.num_gc,
        snapshots,
    )


def _indented(words: str) -> str:
    return "\n".join(f"    {line}" for line in words.splitlines())


def _leaks(heap: Heap, before: _Before, allow: int, closing: bool) -> list[str]:
    """A message if there is a leak. While the heap is being closed, variables of the test function
    are still there, so what Python's references alone keep is none."""
    from gcsim._detectors import compare_snapshots, stuck_goroutines
    from gcsim._results import bytes_text

    now, then = _snapshot(heap, not closing), before.snapshots.get(not closing)
    more = now.reachable_bytes - (then.reachable_bytes if then else 0)
    stuck = stuck_goroutines(heap) or ()
    if more <= allow and not stuck:
        return []
    told: list[str] = []
    if more > allow:
        told = (
            [suspect.why or str(suspect) for suspect in compare_snapshots(now, then, 1).suspects]
            if then
            else [suspect.words for suspect in now.suspects()]
        )
    told += [f"goroutine {g.id} ({g.name}) waits for ever: {g.wait_reason}" for g in stuck]
    rest = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    when = "is closed" if closing else "is left by the test"
    head = (
        f"gc_no_leaks: when {heap!r} {when}, {bytes_text(max(more, 0))} stay alive"
        f"{' that were not before' if then else ''} ({bytes_text(allow)} are allowed)"
    )
    return ["\n".join([head, *map(_indented, told[:_SHOWN] + rest)])]


def _over(heap: Heap, before: _Before, limits: dict[str, int]) -> list[str]:
    """A message for each limit that is exceeded, after a collection."""
    from gcsim._results import bytes_text

    (cycle, ours), stats = _settle(heap), heap.memstats()
    found = {
        "live": cycle.heap_marked - before.live,
        "allocs": stats.mallocs - before.mallocs,
        "bytes": stats.total_alloc - before.total_alloc,
        "cycles": stats.num_gc - before.num_gc - ours,  # one that still ran is there by now
    }
    messages = []
    for name, limit in limits.items():
        if found[name] <= limit:
            continue
        if name in _COUNTED:
            much, most, what = f"{found[name]:,}", f"{limit:,}", _COUNTED[name]
        else:
            much, most = bytes_text(found[name]), bytes_text(limit)
            what = "are alive" if name == "live" else "were allocated"
        lines = [f"gc_limit: in {heap!r} {much} {what}, more than {name}={most}"]
        if name == "live":
            lines += map(_indented, _holders(heap))
        messages.append("\n".join(lines))
    return messages


def _holders(heap: Heap) -> list[str]:
    """Who keeps the most; nothing without NumPy, which snapshots need."""
    try:
        return [s.words for s in heap.snapshot().suspects()[:_SHOWN]]
    except ImportError:
        return ["(install NumPy to be told who keeps them)"]


# ---- one test ----


class _Watch:
    """The heaps of one test. It holds them, so that none is dropped unseen."""

    def __init__(self, rules: _Rules) -> None:
        self.rules = rules
        self.heaps: dict[int, tuple[Heap, _Before]] = {}
        self.problems: list[str] = []
        self.looking = False

    def made(self, heap: Heap) -> None:
        self.heaps[id(heap)] = heap, _Before()

    def begin(self) -> None:
        """The test function comes next: what fixtures left in heaps does not count."""
        for key, (heap, _) in list(self.heaps.items()):
            if heap.closed:
                del self.heaps[key]
            else:
                self.heaps[key] = heap, _look_before(heap, self.rules.allow is not None)
        self.looking = True

    def look(self, heap: Heap, closing: bool) -> None:
        """Once for each heap; what hinders it is a problem, too."""
        _, before = self.heaps.pop(id(heap), (None, None))
        if before is None or not self.looking:
            return
        try:
            self.problems += _over(heap, before, self.rules.limits)
            if self.rules.allow is not None:
                self.problems += _leaks(heap, before, self.rules.allow, closing)
        except Exception as error:
            self.problems.append(f"gc_no_leaks, gc_limit: {heap!r} cannot be looked at: {error}")

    def end(self) -> None:
        for heap, _ in list(self.heaps.values()):
            if not heap.closed:
                self.look(heap, closing=False)
        self.looking = False


_KEY = pytest.StashKey[_Watch]()
_watches: list[_Watch] = []  # of the tests that run: more than one where a test runs pytest
_listening = False


def _listen(event: str, args: tuple[Any, ...]) -> None:
    if event == "gcsim.Heap":
        for watch in _watches[-1:]:
            watch.made(args[0])
    elif event == "gcsim.Heap.close":
        for watch in _watches[-1:]:
            watch.look(args[0], closing=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    global _listening
    rules = _rules(item)
    if rules:
        if not _listening:
            _listening = True
            sys.addaudithook(_listen)
        item.stash[_KEY] = _Watch(rules)
        _watches.append(item.stash[_KEY])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    watch = item.stash.get(_KEY, None)
    if watch is None:
        return (yield)
    watch.begin()
    result = yield
    watch.end()
    if watch.problems:
        pytest.fail("\n".join(watch.problems), pytrace=False)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    watch = item.stash.get(_KEY, None)
    if watch is not None:
        del item.stash[_KEY]
        _watches.remove(watch)


# ---- a part of a test ----


class NoLeaks:
    """What the fixture ``gc_no_leaks`` is."""

    def repeat(
        self,
        heap: Heap,
        work: Callable[[], object],
        *,
        times: int = 20,
        rounds: int = 5,
        threshold: int | str = 1024,
    ) -> None:
        """Fails if what lives grows by `threshold` bytes over so many rounds, in each of which
        ``work()`` is called so many times, after one round that warms up."""
        from gcsim._detectors import LeakDetector

        detector = LeakDetector(heap, threshold, checks=rounds)
        for done in range(rounds + 1):
            for _ in range(times):
                work()
            _settle(heap)
            report = detector.check() if done else None
        if report:
            holders = [_indented(words) for words in _holders(heap)]
            each = f"{report.bytes / (rounds - 1) / times:,.0f} B a call"
            lines = [f"gc_no_leaks.repeat: {each}: {report.words}", *holders]
            pytest.fail("\n".join(lines), pytrace=False)


@pytest.fixture
def gc_no_leaks() -> NoLeaks:
    """As the marker for this test, and ``gc_no_leaks.repeat(heap, work)``."""
    return NoLeaks()


@pytest.fixture
def gc_limit() -> Any:
    """``with gc_limit(heap, live="4KiB", allocs=100, bytes="1MiB", cycles=2):`` fails the test if
    the block adds more to the heap than that."""

    @contextmanager
    def limit(heap: Heap, **limits: int | str) -> Iterator[None]:
        parsed = _limits(limits)
        before = _look_before(heap, leaks=False)
        yield
        if problems := _over(heap, before, parsed):
            pytest.fail("\n".join(problems), pytrace=False)

    return limit
