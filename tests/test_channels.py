"""Channels, select, timers and locks of goroutines that are data; and the search for leaked ones."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any, Literal

import pytest

import gcsim
from gcsim import Channel, Mutex, Receive, RWMutex, Send, Timer, WaitGroup, array, i64, ptr, string

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "pprof"


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


def goroutines(heap: gcsim.Heap, n: int) -> list[gcsim.Goroutine]:
    return [heap.goroutine(f"g{i}") for i in range(n)]


# ---- channels ----


def test_a_value_goes_from_who_sends_to_who_receives(heap: gcsim.Heap) -> None:
    a, b = goroutines(heap, 2)
    ch = heap.make_chan(ptr[Node])
    assert a.receive(ch) is None and a.blocked and a.wait_reason == "chan receive"
    assert b.send(ch, heap.new(Node, n=7)) is True
    heap.collect()
    got = a.result
    assert isinstance(got, gcsim.Received) and got.ok and got.value.n == 7 and not a.blocked

    assert a.send(ch, heap.new(Node, n=8)) is False and a.wait_reason == "chan send"
    heap.collect()
    got = b.receive(ch)
    assert got is not None and got.value.n == 8 and a.result is True
    assert heap.verify()


def test_a_buffer_holds_values_of_any_type(heap: gcsim.Heap) -> None:
    a, b = goroutines(heap, 2)
    for kind, values in (
        (i64, [1, 2, 3]),
        (string, ["x" * 50, "", "ä"]),
        (Node, [heap.new(Node, n=i) for i in range(3)]),
        (gcsim.u8, [0, 255, 7]),
    ):
        ch = heap.make_chan(kind, 3)
        assert all(a.send(ch, value) for value in values)
        assert not a.send(ch, values[0])
        heap.collect()
        got = [b.receive(ch) for _ in range(4)]
        want = [*values, values[0]]
        if kind is Node:
            assert [g.value.n for g in got if g] == [w.n for w in want]
        else:
            assert [g.value for g in got if g] == want
        assert a.result is True


def test_closing_wakes_all_who_wait(heap: gcsim.Heap) -> None:
    a, b, c = goroutines(heap, 3)
    ch = heap.make_chan(string)
    assert a.receive(ch) is None and b.select(Receive(ch), Receive(None)) is None
    c.close(ch)
    assert a.result == ("", False) and b.result == (0, "", False)
    assert a.receive(ch) == ("", False)
    with pytest.raises(gcsim.PanicError, match="send on closed channel"):
        a.send(ch, "x")
    with pytest.raises(gcsim.PanicError, match="close of closed channel"):
        a.close(ch)
    with pytest.raises(gcsim.PanicError, match="close of nil channel"):
        a.close(None)
    other = heap.make_chan(i64)
    assert not a.send(other, 1)
    c.close(other)
    with pytest.raises(gcsim.PanicError, match="send on closed channel"):
        _ = a.result


def test_select_takes_what_can_go_on(heap: gcsim.Heap) -> None:
    a, b = goroutines(heap, 2)
    x, y = heap.make_chan(i64, 1), heap.make_chan(i64)
    assert a.select(Receive(x), Send(y, 1), default=True) == (-1, None, False)
    assert b.send(x, 5)
    assert a.select(Receive(x), Send(y, 1)) == (0, 5, True)
    assert a.select(Receive(x), Send(y, 1)) is None and a.wait_reason == "select"
    assert b.receive(y) == (1, True)
    assert a.result == (1, None, True)
    assert b.send(x, 6) and len(heap.goroutines()) == 2  # its other case is in no queue any more
    assert a.select() is None and a.wait_reason == "select (no cases)"
    a.end()

    counts = [0, 0, 0]
    ready = [heap.make_chan(i64) for _ in counts]
    for ch in ready:
        b.close(ch)
    for _ in range(300):
        got = b.select(*map(Receive, ready))
        assert got is not None
        counts[got.case] += 1
    assert min(counts) > 60


def test_who_is_blocked_does_nothing_else(heap: gcsim.Heap) -> None:
    a, b = goroutines(heap, 2)
    fr = a.push("main.f", node=ptr[Node])
    fr.node = heap.new(Node, n=3)
    assert a.receive(None) is None and a.wait_reason == "chan receive (nil chan)"
    ch = heap.make_chan(i64)
    for act in (
        lambda: a.send(ch, 1),
        lambda: a.receive(ch),
        lambda: a.select(),
        lambda: a.push("x"),
        lambda: a.pop(),
        lambda: setattr(fr, "node", None),
        lambda: a.close(ch),
        lambda: a.sleep(1),
        lambda: a.lock(heap.new(Mutex)),
        lambda: a.result,
    ):
        with pytest.raises(gcsim.StateError, match="blocked"):
            act()
    assert fr.node.n == 3 and a.frames[0].node.n == 3
    a.end()
    assert not a.blocked and heap.verify()

    assert b.receive(ch) is None
    b.end()  # leaves the queue
    assert not goroutines(heap, 1)[0].send(ch, 1) and heap.verify()


def test_a_channel_of_arrays(heap: gcsim.Heap) -> None:
    (a,) = goroutines(heap, 1)
    ch = heap.make_chan(array[i64, Literal[3]], 2)
    pointers = heap.make_chan(array[ptr[Node], Literal[2]], 1)
    node = heap.new(Node)
    assert a.send(ch, (1, 2, 3)) and a.send(pointers, (node, None))
    del node
    heap.collect()
    received = a.receive(ch)
    assert received is not None and list(received.value) == [1, 2, 3]
    received = a.receive(pointers)
    assert received is not None and isinstance(received.value[0], Node)
    assert received.value[1] is None and heap.verify()


def test_bad_channels_are_refused(heap: gcsim.Heap) -> None:
    (a,) = goroutines(heap, 1)
    ch: Any = heap.make_chan(i64)
    for bad in (-1, 2**62):
        with pytest.raises(gcsim.RangeError):
            heap.make_chan(i64, bad)
    with pytest.raises(gcsim.RangeError):
        heap.make_chan(array[i64, Literal[70000]])
    with pytest.raises(gcsim.ConversionError):
        a.send(ch, "x")
    with pytest.raises(gcsim.ConversionError):
        a.receive(heap.new(Node))  # type: ignore[arg-type]
    with pytest.raises(gcsim.StateError, match="make_chan"):
        a.receive(heap.new(Channel))
    with pytest.raises(gcsim.FieldError, match="runtime's own"):
        ch.count = 3
    with pytest.raises(gcsim.FieldError, match="runtime's own"):
        heap.new(Mutex, locked=1)
    with gcsim.Heap() as other, pytest.raises(gcsim.WrongHeapError):
        a.receive(other.make_chan(i64))
    many = [Receive(ch)] * 65
    with pytest.raises(gcsim.RangeError, match="64 cases"):
        a.select(*many)
    with pytest.raises(gcsim.ConversionError, match=r"gcsim\.Send or gcsim\.Receive"):
        a.select((ch, 1))  # type: ignore[arg-type]
    copies = heap.new_slice(Channel, 2)
    copies[0] = ch
    with pytest.raises(gcsim.StateError, match="copy"):
        a.receive(copies[0])
    assert not a.blocked and heap.verify()


# ---- locks ----


def test_locks_are_go_s(heap: gcsim.Heap) -> None:
    a, b, c = goroutines(heap, 3)
    mu = heap.new(Mutex)
    assert a.lock(mu) and not b.lock(mu) and b.wait_reason == "sync.Mutex.Lock"
    assert a.unlock(mu) and not b.blocked and not a.lock(mu)
    assert b.unlock(mu) and not a.blocked and a.unlock(mu)
    with pytest.raises(gcsim.PanicError, match="unlock of unlocked mutex"):
        a.unlock(mu)
    rw = heap.new(RWMutex)
    assert a.rlock(rw) and b.rlock(rw) and not c.lock(rw)
    assert c.wait_reason == "sync.RWMutex.Lock"
    assert a.runlock(rw) and b.runlock(rw) and not c.blocked and c.unlock(rw)
    wg = heap.new(WaitGroup)
    a.add(wg, 2)
    assert not c.wait(wg) and c.wait_reason == "sync.WaitGroup.Wait"
    a.done(wg)
    b.done(wg)
    assert not c.blocked and c.wait(wg)
    with pytest.raises(gcsim.PanicError, match="negative WaitGroup counter"):
        a.done(wg)
    cond = heap.cond(mu)
    assert a.lock(mu) and not a.wait(cond) and a.wait_reason == "sync.Cond.Wait"
    assert b.lock(mu) and b.broadcast(cond) and a.wait_reason == "sync.Mutex.Lock"
    assert b.unlock(mu) and not a.blocked and a.unlock(mu)
    assert heap.verify()


# ---- time ----


def test_timers_fire_as_the_clock_goes_on(heap: gcsim.Heap) -> None:
    (a,) = goroutines(heap, 1)
    tick = heap.ticker(1)
    ch = heap.timer_channel(tick)
    assert a.receive(ch) is None and heap.advance(0.5) == 0 and heap.advance(0.5) == 1
    assert a.result == (1_000_000_000, True) and heap.clock == 1
    heap.advance(3)
    assert a.receive(ch) == (2_000_000_000, True) and a.receive(ch) is None
    heap.advance(1)
    assert a.result == (5_000_000_000, True)
    assert heap.stop(tick) and not heap.stop(tick) and not heap.reset(tick, 2)
    assert a.receive(ch) is None and heap.advance(2) == 1
    assert not a.sleep(3) and a.wait_reason == "sleep"
    heap.advance(2)
    assert a.blocked
    heap.advance(1)
    assert not a.blocked and heap.verify()
    with pytest.raises(gcsim.PanicError):
        heap.ticker(0)
    with pytest.raises(gcsim.RangeError):
        heap.timer(-1)
    with pytest.raises(gcsim.ConversionError):
        heap.timer("1s")


def test_a_ticker_that_nobody_refers_to_is_collected(heap: gcsim.Heap) -> None:
    heap.advance(1)
    heap.collect()
    before = heap.memstats().heap_objects
    tick: Timer | None = heap.ticker(1)
    heap.collect()
    assert heap.memstats().heap_objects > before
    tick = None
    heap.collect()
    assert tick is None and heap.memstats().heap_objects == before


# ---- leaks ----


def test_who_waits_for_what_nobody_can_reach_is_leaked(heap: gcsim.Heap) -> None:
    a, b, c = goroutines(heap, 3)
    ch: Any = heap.make_chan(ptr[Node])
    fr = a.push("main.request", ch=ptr[Channel], buffer=ptr[Node])
    fr.ch, fr.buffer = ch, heap.new(Node, n=5)
    a.push("main.waitForReply")
    assert a.receive(ch) is None and b.receive(ch) is None
    c.select()
    heap.collect(goroutine_leaks=True)  # `ch` is a root
    assert [g.name for g in heap.leaked_goroutines()] == ["g2"]
    ch = None
    heap.collect()
    assert not a.leaked
    heap.collect(goroutine_leaks=True)
    assert heap.leaked_goroutines() == [
        (a.id, "g0", "chan receive", ("main.waitForReply", "main.request")),
        (b.id, "g1", "chan receive", ()),
        (c.id, "g2", "select (no cases)", ()),
    ]
    assert fr.buffer.n == 5 and a.leaked and heap.verify()  # its memory is kept, as in Go
    ch = fr.ch  # who can look into a stack can wake it
    (other,) = goroutines(heap, 1)
    assert other.send(ch, None) and not a.leaked and not a.blocked
    heap.collect(goroutine_leaks=True)
    assert [g.id for g in heap.leaked_goroutines()] == [c.id]


@gcsim.struct
class Request:
    reply: ptr[Channel]
    body: array[gcsim.u8, Literal[8192]]


@gcsim.struct
class State:
    state: array[gcsim.u8, Literal[4096]]


@gcsim.struct
class Buffer:
    data: array[gcsim.u8, Literal[16384]]


def leaks(heap: gcsim.Heap, scale: int) -> None:
    """The goroutines of the program whose profiles are ``leaks-*.pb.gz``, with what they hold."""
    main = heap.goroutine("main.main")

    def go(frame: str, **slots: Any) -> tuple[gcsim.Goroutine, Any]:
        g = heap.goroutine(frame)
        return g, g.push(frame, **slots)

    for _ in range(20 * scale):  # whoever made the request gave up; no reply will ever come
        g, fr = go("main.waitForReply", request=ptr[Request])
        fr.request = heap.new(Request, reply=heap.make_chan(i64))
        g.receive(fr.request.reply)
    for _ in range(10 * scale):  # for range ticker.C, of a ticker that is never stopped
        g, fr = go("main.tickLoop", ticker=ptr[Timer], state=ptr[State])
        fr.ticker, fr.state = heap.ticker(3600), heap.new(State)
        g.receive(heap.timer_channel(fr.ticker))
    heap.globals["main.mu"] = heap.new(Mutex)  # locked by someone who returned without unlocking it
    main.lock(heap.globals["main.mu"])
    for _ in range(10 * scale):
        g, fr = go("main.waitForLock", table=ptr[State])
        fr.table = heap.new(State)
        g.lock(heap.globals["main.mu"])
    for _ in range(8 * scale):  # two channels that only this goroutine has
        g, fr = go(
            "main.leakSelect.func1", done=ptr[Channel], work=ptr[Channel], buffer=ptr[Buffer]
        )
        fr.done, fr.work, fr.buffer = heap.make_chan(i64), heap.make_chan(i64), heap.new(Buffer)
        g.select(Receive(fr.done), Receive(fr.work))


def profile_counts(name: str) -> dict[str, int]:
    """Goroutines by the program's own function, from a profile in Go's text form."""
    text = gzip.decompress((DATA / f"{name}.debug1.txt.gz").read_bytes()).decode()
    counts: dict[str, int] = {}
    for block in text.split("\n\n"):
        number = re.search(r"^(\d+) @", block, re.M)
        function = re.findall(r"^#\s+\S+\s+(main\.(?!main)[\w.]+)\+", block, re.M)
        if number and function:
            counts[function[-1]] = int(number[1])
    return counts


@pytest.mark.parametrize(("recording", "scale"), [("leaks-rate1", 1), ("leaks-default", 4)])
def test_leaks_are_classified_as_go_s_profile_does(
    heap: gcsim.Heap, recording: str, scale: int
) -> None:
    if not DATA.is_dir():
        pytest.skip("the recordings are not here")
    leaks(heap, scale)
    blocked = [g for g in heap.goroutines() if g.blocked]
    everyone: dict[str, int] = {}
    for g in blocked:
        everyone[g.name] = everyone.get(g.name, 0) + 1
    assert everyone == profile_counts(f"{recording}.goroutine")

    heap.collect(goroutine_leaks=True)
    found: dict[str, int] = {}
    for leak in heap.leaked_goroutines():
        found[leak.frames[0]] = found.get(leak.frames[0], 0) + 1
    assert found == profile_counts(f"{recording}.goroutineleak")
    assert sum(found.values()) == 28 * scale and len(blocked) == 48 * scale

    # Why the others are not: the clock reaches the tickers that somebody waits for, so they can fire ...
    for g in blocked:
        if g.name == "main.tickLoop":
            assert not g.leaked
    assert heap.advance(3600) == 10 * scale
    assert not any(g.blocked for g in blocked if g.name == "main.tickLoop")
    # ... and a global reaches the mutex, so that anybody may still unlock it. Without the global they are leaked too.
    waiting = [g for g in blocked if g.name == "main.waitForLock"]
    assert all(g.blocked and not g.leaked for g in waiting)
    del heap.globals["main.mu"]
    heap.collect(goroutine_leaks=True)
    assert all(g.leaked and g.wait_reason == "sync.Mutex.Lock" for g in waiting)
    assert heap.verify()


def test_a_search_leaves_the_same_heap_in_both_instantiations() -> None:
    seen = []
    for mode in ("threads", "steps"):
        with gcsim.Heap(mode=mode, seed=3) as heap:
            leaks(heap, 1)
            heap.collect(goroutine_leaks=True)
            seen.append((heap.leaked_goroutines(), heap.memstats().heap_objects))
    assert seen[0] == seen[1]


def test_what_a_blocked_goroutine_waits_for_is_a_root_of_snapshots_and_graphs() -> None:
    with gcsim.Heap() as heap:
        g = heap.goroutine("main")
        assert not g.send(heap.make_chan(ptr[Node]), heap.new(Node, n=1))
        snapshot = heap.snapshot()
        roots = {snapshot.why_alive(i).paths[0].root for i in range(len(snapshot))}
        assert roots == {f"what goroutine {g.id} (main) waits for"}
        assert heap.graph().obj_reach.all()
