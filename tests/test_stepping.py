"""A collection step by step, forwards and backwards: heap.begin_cycle()."""

from __future__ import annotations

import gc
import random
import re
import signal
from array import array as buffer
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import i64, ptr, string
from gcsim._points import NUMBERS, POINTS

CSRC = Path(__file__).resolve().parent.parent / "csrc"


@gcsim.struct
class Node:
    next: ptr["Node"]
    other: ptr["Node"]
    n: i64


@gcsim.struct
class Named:
    name: string
    node: ptr[Node]


@pytest.fixture
def heap() -> Iterator[gcsim.Heap]:
    with gcsim.Heap(mode="steps", barrier_buffer=4) as h:
        yield h


def a_list(heap: gcsim.Heap, n: int) -> Any:
    head = None
    for i in range(n):
        head = heap.new(Node, n=i, next=head)
    return head


# --- going forward


def test_steps_lead_through_the_phases_to_the_same_end_as_collect(heap: gcsim.Heap) -> None:
    head = a_list(heap, 6)
    lost = heap.weak(heap.new(Node))
    c = heap.begin_cycle()
    assert (c.step_number, c.phase, c.ended) == (0, "off", False)
    seen = [c.phase]
    while c.step():
        if c.phase != seen[-1]:
            seen.append(c.phase)
    assert seen == ["off", "mark", "mark termination", "sweep", "off"]
    assert c.ended and c.step() == 0 and lost() is None and head.next.n == 4
    cycle = heap.cycles[-1]
    assert (cycle.objects_marked, cycle.freed_objects) == (6, 1)
    assert heap.verify()


def test_colours_change_as_marking_goes_on(heap: gcsim.Heap) -> None:
    head = a_list(heap, 4)
    fr = heap.goroutine("main").push("f", x=ptr[Node])
    fr.x = head
    del head
    gc.collect()
    c = heap.begin_cycle()
    assert len(c.white) == 4 and not c.grey and not c.black
    c.run_until("scan")
    assert c.name_of(fr.x) in c.grey
    c.run_until(lambda c: len(c.black) == 2)
    assert len(c.white) + len(c.grey) + len(c.black) == 4
    c.run_until("mark termination")
    assert not c.grey and not c.queue and len(c.black) == 4
    assert c.finish() > 0 and len(c.white) == 4


def test_run_until_says_how_far_it_went_and_where_there_is_no_way(heap: gcsim.Heap) -> None:
    keep = a_list(heap, 3)
    c = heap.begin_cycle()
    n = c.run_until("mark")
    assert n == c.step_number > 0 and c.phase == "mark"
    n += c.run_until("scan")
    assert c.next[0].point == "scan" and n == c.step_number
    with pytest.raises(gcsim.OptionError, match=r"'scam' is no phase .*world stop"):
        c.run_until("scam")
    with pytest.raises(gcsim.StateError, match="came to no 'callback taken'"):
        c.run_until("callback taken")
    assert c.ended
    with pytest.raises(gcsim.StateError, match="before the predicate was true"):
        c.run_until(lambda c: False)
    assert keep.n == 2


def test_a_predicate_that_raises_leaves_the_cycle_where_it_came_to(heap: gcsim.Heap) -> None:
    a = a_list(heap, 3)
    c = heap.begin_cycle()

    def fails(c: Any) -> bool:
        if c.step_number == 5:
            raise ZeroDivisionError
        return False

    with pytest.raises(ZeroDivisionError):
        c.run_until(fails)
    assert c.step_number == 5
    c.finish()
    assert heap.verify() and a.n == 2


def test_ctrl_c_ends_run_until(heap: gcsim.Heap) -> None:
    chain = buffer("q", [*range(1, 60000), -1])
    batch = heap.build(Node, 60000, links={"next": chain}, roots=[0])
    c = heap.begin_cycle()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            c.run_until("callback taken")
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            c.run_until(lambda c: False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    c.finish()
    assert heap.verify() and len(batch) == 60000


# --- back and forth


def meddle(heap: gcsim.Heap, head: Any, rng: random.Random) -> None:
    what = rng.randrange(4)
    if what == 0:
        head.other = heap.new(Node, n=rng.randrange(100))
    elif what == 1:
        head.n = rng.randrange(1 << 40)
    elif what == 2:
        heap.globals["g" + str(rng.randrange(3))] = head.next
    else:
        head.next.other = head.other


@pytest.mark.parametrize("seed", range(6))
def test_any_walk_leads_through_the_same_states(heap: gcsim.Heap, seed: int) -> None:
    rng = random.Random(seed)
    head = a_list(heap, 30)
    c = heap.begin_cycle(schedule="random", seed=seed)
    states = {0: (c.hash, c.view())}
    while not c.ended:
        if rng.random() < 0.1:
            meddle(heap, head, rng)
        else:
            c.step()
        states[c.step_number] = c.hash, c.view()
    newest = c.step_number
    assert sorted(states) == list(range(newest + 1)) or len(states) > newest / 2
    for _ in range(60):
        k = rng.choice(list(states))
        if rng.random() < 0.3 and k <= c.step_number:
            c.back(c.step_number - k)
        else:
            c.goto(k)
        assert c.step_number == k and c.hash == states[k][0]
        if rng.random() < 0.3:
            assert c.view() == states[k][1]
        if rng.random() < 0.3:
            assert heap.verify() and c.hash == states[k][0] and c.step_number == k
    assert c.steps == newest
    c.goto(newest)
    assert heap.verify()


def test_another_thing_done_in_the_past_is_another_future(heap: gcsim.Heap) -> None:
    head = a_list(heap, 5)
    c = heap.begin_cycle()
    c.step(12)
    hashes = c.hash
    c.step(6)
    c.back(6)
    assert c.steps == 18 and c.hash == hashes
    head.n = 77
    assert c.steps == c.step_number == 13
    with pytest.raises(gcsim.BoundsError, match="0 to 13"):
        c.goto(18)
    c.back()
    assert head.n == 4 and c.hash == hashes
    c.goto(13)
    assert head.n == 77


def test_reading_changes_nothing_that_a_look_sees(heap: gcsim.Heap) -> None:
    head = a_list(heap, 5)
    c = heap.begin_cycle()
    c.step(12)
    at, newest = c.step_number, c.steps
    assert head.n == 4 and c.view().step == at and c.step_number == at and repr(head)
    c.back(5)
    assert head.n == 4 and c.steps == newest


def test_there_is_nothing_before_the_beginning(heap: gcsim.Heap) -> None:
    c = heap.begin_cycle()
    c.step(3)
    with pytest.raises(gcsim.BoundsError, match="cannot go 4 steps back from step 3"):
        c.back(4)
    for k in (-1, 4):
        with pytest.raises(IndexError, match=f"no step {k} to go to: the steps are 0 to 3"):
            c.goto(k)
    with pytest.raises(gcsim.ConversionError):
        c.goto("2")  # type: ignore[arg-type]
    with pytest.raises(gcsim.RangeError):
        c.step(-1)
    assert c.step_number == 3


# --- what Python holds


def test_what_was_made_after_the_step_is_stale(heap: gcsim.Heap) -> None:
    head = a_list(heap, 3)
    main = heap.goroutine("main")
    c = heap.begin_cycle()
    c.step(5)
    k = c.step_number
    made: dict[str, Any] = {
        "ref": heap.new(Named, name="late"),
        "row": heap.new_slice(i64, 3),
        "weak": heap.weak(head),
        "frame": main.push("f", x=ptr[Node]),
        "batch": heap.build(Node, 3),
        "goroutine": heap.goroutine("late"),
        "cleanup": heap.add_cleanup(head, print, "never"),
    }
    heap.globals["g"] = head
    c.step(2)
    c.goto(k)
    for use in (
        lambda: made["ref"].name,
        lambda: setattr(made["ref"], "name", "x"),
        lambda: setattr(head, "next", made["ref"]),
        lambda: heap.weak(made["ref"]),
        lambda: made["row"][0],
        lambda: made["weak"](),
        lambda: made["frame"].x,
        lambda: made["batch"][0],
        lambda: made["goroutine"].push("f"),
        lambda: made["cleanup"].stop(),
    ):
        with pytest.raises(gcsim.StaleReferenceError, match="rewound"):
            print(use())
    assert "rewound" in repr(made["ref"]) and "g" not in heap.globals
    assert all(map(repr, made.values()))
    again = heap.new(Named, name="another")  # the type is made again, in the place of the first
    assert again.name == "another" and again != made["ref"]
    assert c.step() == 1
    made.clear()
    gc.collect()
    c.finish()
    assert heap.verify() and again.name == "another"


def test_the_same_steps_make_it_good_again(heap: gcsim.Heap) -> None:
    head = a_list(heap, 3)
    c = heap.begin_cycle()
    c.step(5)
    k = c.step_number
    ref = heap.new(Named, name="late")
    heap.globals["g"] = "text"
    heap.globals["g"] = head
    c.step(3)
    after = c.step_number
    c.goto(k)
    with pytest.raises(gcsim.StaleReferenceError):
        ref.node = head
    assert "g" not in heap.globals
    c.goto(after)
    assert ref.name == "late" and heap.globals["g"] == head
    c.finish()
    assert heap.verify()


def test_a_dropped_reference_comes_back_as_an_orphan(heap: gcsim.Heap) -> None:
    a = heap.new(Node, n=1)
    c = heap.begin_cycle()
    c.step(4)
    k = c.step_number
    address = gcsim.address(a)
    assert not any(h.orphan for h in heap.handles())
    k = c.step_number
    del a
    c.step(3)
    assert not any(h.orphan for h in heap.handles())
    c.goto(k)
    (orphan,) = [h for h in heap.handles() if h.orphan]
    assert orphan.address == address and "orphan" in repr(orphan)
    assert [r.orphan for r in c.view().roots if r.kind == "handle"].count(True) == 1
    c.finish()
    assert not any(h.orphan for h in heap.handles()) and heap.verify()


def test_finalizers_that_ran_may_run_again(heap: gcsim.Heap) -> None:
    ran: list[int] = []
    heap.set_finalizer(heap.new(Node, n=3), lambda ref: ran.append(ref.n))
    heap.add_cleanup(heap.new(Node), ran.append, 7)
    gc.collect()
    c = heap.begin_cycle()
    k = c.step_number
    c.finish()
    assert heap.pending_finalizers == 2
    for _ in range(3):
        heap.run_finalizers()
        assert sorted(ran) == [3, 7] and heap.pending_finalizers == 0
        ran.clear()
        c.goto(k)
        assert heap.pending_finalizers == 2
        c.finish()
    heap.collect()
    assert heap.verify()


def test_views_of_memory_keep_the_heap_from_being_rewound(heap: gcsim.Heap) -> None:
    row = heap.new_slice(i64, 4)
    c = heap.begin_cycle()
    c.step(3)
    with memoryview(row) as view:
        at = c.step_number
        view[0] = 9
        c.step()
        assert c.step_number >= at + 2  # the write is a step
        with pytest.raises(BufferError, match="cannot rewind"):
            c.back()
        c.step()
    c.goto(at)
    assert row[0] == 0


# --- mutators between steps


def test_a_store_between_steps_goes_through_the_barrier(heap: gcsim.Heap) -> None:
    head = a_list(heap, 3)
    c = heap.begin_cycle()
    c.run_until("scan")
    last = head.next.next
    name = c.name_of(last)
    if name in c.white:
        head.next.next = None
        assert any(name in b.entries for b in c.buffers) or name not in c.white
    c.finish()
    assert heap.verify() and last.n == 0


@pytest.mark.parametrize("k", range(0, 60, 3))
def test_every_call_works_between_any_two_steps(k: int) -> None:
    with gcsim.Heap(mode="steps") as heap:
        head = a_list(heap, 10)
        fr = heap.goroutine("main").push("f", x=ptr[Node])
        c = heap.begin_cycle()
        c.step(k)
        fr.x = heap.new(Node, next=head, n=5)
        assert heap.memstats().num_gc in (0, 1)
        assert heap.verify()
        assert heap.spans() and list(heap.objects()) and heap.metrics.read() is not None
        assert heap.weak(head)() == head
        heap.gc_percent = 50
        heap.collect()
        assert c.ended and heap.verify() and fr.x.n == 5
        c.goto(k)
        assert heap.verify()


def test_closing_in_the_middle(heap: gcsim.Heap) -> None:
    a_list(heap, 3)
    for k in (0, 4, 20):
        h = gcsim.Heap(mode="steps")
        node = h.new(Node)
        c = h.begin_cycle()
        c.step(k)
        late = h.new(Node)
        c.goto(0)
        h.close()
        for use in (c.step, lambda: c.phase, lambda: node.n):  # noqa: B023
            with pytest.raises(gcsim.ClosedHeapError):
                use()
        with pytest.raises(gcsim.StaleReferenceError):
            print(late.n)
        assert repr(c)


# --- beginning


def test_one_cycle_at_a_time(heap: gcsim.Heap) -> None:
    c = heap.begin_cycle()
    with pytest.raises(gcsim.StateError, match="under way already"):
        heap.begin_cycle()
    c.finish()
    for _ in range(40):  # actors' numbers begin anew
        later = heap.begin_cycle()
        assert later.next[0].letter == "a"
        later.finish()
    with pytest.raises(gcsim.StateError, match="another cycle has begun"):
        c.step()
    assert "over" in repr(c)


def test_heaps_with_threads_are_not_stepped() -> None:
    with gcsim.Heap() as heap, pytest.raises(gcsim.StateError, match=r"mode=.steps"):
        heap.begin_cycle()


def test_options_that_are_none(heap: gcsim.Heap) -> None:
    with pytest.raises(gcsim.OptionError, match="'round robin', 'random', 'pct'"):
        heap.begin_cycle(schedule="Random!")
    with pytest.raises(gcsim.ConversionError):
        heap.begin_cycle(schedule=3)  # type: ignore[arg-type]
    with pytest.raises(gcsim.RangeError):
        heap.begin_cycle(seed=-1)
    assert heap.mark == "field"


def test_a_schedule_is_replayed_by_its_text(heap: gcsim.Heap) -> None:
    keep = a_list(heap, 4)
    c = heap.begin_cycle(schedule="random", seed=3)
    c.step(17)
    text = c.schedule
    assert text == "a17"
    c.finish()
    again = heap.begin_cycle(schedule="a4 b")
    assert again.step(4) == 4
    with pytest.raises(gcsim.StateError, match="does not fit"):
        again.step()
    assert again.step(2, actor="a") == 2
    with pytest.raises(gcsim.OptionError, match="not one of a"):
        again.step(actor="b")
    while again.step(100, actor="a") == 100:
        pass
    assert again.ended and keep.n == 3


# --- words


def test_every_step_point_has_words_and_a_function_that_is_there() -> None:
    events = re.findall(r'^EVENT\(\w+, "([^"]+)"', (CSRC / "base/events.def").read_text(), re.M)
    assert [point.name for point in POINTS] == events == list(NUMBERS)
    for point in POINTS:
        file, function = point.function.split(": ")
        defined = rf"^(static|CORE|CORE_INLINE|COLD)\b[^;={{]*\b{function}\([^;]*?\)\n{{"
        assert re.search(defined, (CSRC / file).read_text(), re.M), point
        assert point.words


def test_addresses_are_told_apart_where_objects_are_small_or_have_headers() -> None:
    with gcsim.Heap(mode="steps") as heap:
        words = [heap.new(gcsim.ptr[Node]) for _ in range(8)]  # 8 bytes, side by side
        large = heap.new(gcsim.array[gcsim.ptr[Node], 100])  # its type lies in front
        for ref in words:
            heap.globals[f"w{len(heap.globals)}"] = ref
        heap.globals["large"] = large
        c = heap.begin_cycle()
        names = [c.name_of(ref) for ref in (*words, large)]
        assert len(set(names)) == 9
        targets = {r.name: r.target for r in c.view().roots if r.kind == "global"}
        assert [targets[f"w{i}"] for i in range(8)] == names[:8] and targets["large"] == names[8]
        queued: set[str] = set()
        while c.step():
            queued |= set(c.queue)
        assert queued >= set(names)


def test_next_is_in_words(heap: gcsim.Heap) -> None:
    keep = a_list(heap, 2)
    c = heap.begin_cycle()
    assert c.next[0].next == "begin" and c.next[0].point == ""
    c.run_until("scan")
    name = c.name_of(keep)
    assert c.next[0].next == f"scan {name}" and c.next[0].function == "gc/mark.c: scan"
    c.run_until("scan field")
    assert c.next[0].next == f"look at {name}.next"
    view = c.view()
    assert (view.action, view.actor) == (f"scan {name}", "a") and view.step == c.step_number
    c.finish()
    assert c.next[0].state == "ended" and c.next[0].next == ""
