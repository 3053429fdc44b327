"""What exercise.py has to pass. The random logs are other ones each time."""

import io
import random
from dataclasses import dataclass
from math import isclose

import pytest

import gcsim
from gcsim import ptr, u8
from gcsim.learn import exact, smallest

PAUSE_MS, CPU = 5.0, 0.12


def cycle_line(number, at, percent, clock, cpu, heap, goal, procs=2):
    """A line as Go 1.18 to 1.26 print it (mgc.go:gcMarkTermination)."""
    return (
        f"gc {number} @{at}s {percent}%: {clock} ms clock, {cpu} ms cpu, {heap} MB, {goal} MB goal,"
        f" 0 MB stacks, 0 MB globals, {procs} P"
    )


# Of a service that was recorded with Go 1.26; the last one is made up.
FIRST = cycle_line(1, "0.016", 7, "1.4+11+0.073", "2.8+0.055/1.2/1.3+0.14", "3->4->3", 4)
SECOND = cycle_line(2, "0.062", 12, "0.18+21+3.7", "0.36+0/13/3.4+7.4", "6->7->6", 7)
THIRD = cycle_line(3, "0.180", 12, "1.5+36+5.6", "3.1+3.4/17/0+11", "11->12->9", 12)
FIFTH = cycle_line(5, "0.722", 8, "2.0+109+10", "4.1+0/59/15+21", "22->24->15", 26)
FORCED = cycle_line(6, "0.722", 8, "0.012+0.13+0.008", "0.024+0/0.1/0.1+0.016", "9->9->8", 18)
FORCED += " (forced)"
OTHER = [
    "pacer: assist ratio=2.9081217447916665 (scan 0 MB in 1->2 MB) workers=0+0.25",
    "scav 0 KiB work (bg), 0 KiB work (eager), 1648 KiB now, 94% util",
    "GC forced",
    "gc 3 of 7 jobs done",
    "listening on :8080",
    "",
    SECOND[:40],
    SECOND[:-2],
    SECOND + " and more",
]


def close(found, want, what):
    """As exact(), but a number that is not whole may be a little off."""
    if isinstance(want, float):
        number = type(found) in (int, float)
        if not number or not isclose(found, want, rel_tol=5e-4, abs_tol=1e-6):
            raise AssertionError(f"{what}: expected about {want:g}, found {found!r}")
    elif isinstance(want, (tuple, list)):
        assert type(found) is type(want) and len(found) == len(want), (
            f"{what}: expected {want!r}, found {found!r}"
        )
        for i, (a, b) in enumerate(zip(found, want, strict=True)):
            close(a, b, f"{what}[{i}]")
    elif isinstance(want, dict):
        assert type(found) is dict, f"{what}: expected a dict, found {found!r}"
        exact(sorted(map(str, found)), sorted(want), f"{what}: its keys")
        for key, value in want.items():
            close(found[key], value, f"{what}[{key!r}]")
    else:
        exact(found, want, what)


def told(number, stops, heap, cpu, alerts=(), forced=False):
    names = ("number", "forced", "stops_ms", "heap_mb", "cpu", "alerts")
    return dict(zip(names, (number, forced, stops, heap, cpu, list(alerts)), strict=True))


def test_lines_that_go_printed(exercise):
    """On a server these lines are all there is, hours later and without a debugger."""
    monitor = exercise.Monitor(PAUSE_MS, CPU)
    for text, want in (
        (FIRST, told(1, (1.4, 0.073), (3, 4, 3), 0.073666)),
        (SECOND + "\n", told(2, (0.18, 3.7), (6, 7, 6), 0.177718)),
        (THIRD, told(3, (1.5, 5.6), (11, 12, 9), 0.126633, ["pause"])),
        (FIFTH, told(5, (2.0, 10.0), (22, 24, 15), None, ["pause"])),  # where is the fourth?
        (FORCED, told(6, (0.012, 0.008), (9, 9, 8), None, forced=True)),  # no time went by
    ):
        close(monitor.line(text), want, f"line({text!r})")
    want = {"cycles": 5, "forced": 1, "lost": 1, "stop_ms": 24.473, "worst_stop_ms": 10.0}
    want |= {"mean_stop_ms": 4.8946, "peak_mb": 24, "alerts": [(3, "pause"), (5, "pause")]}
    close(monitor.report(), want, "report()")


def test_lines_that_are_no_cycle(exercise):
    """The program writes to the same standard error, and may be killed in the midst of a line."""
    monitor = exercise.Monitor(PAUSE_MS, CPU)
    for text in OTHER:
        exact(monitor.line(text), None, f"line({text!r})")
    want = {"cycles": 0, "forced": 0, "lost": 0, "stop_ms": 0.0, "worst_stop_ms": 0.0}
    want |= {"mean_stop_ms": 0.0, "peak_mb": 0, "alerts": []}
    close(monitor.report(), want, "report() before the first cycle")


# ---- any log ----


@dataclass(frozen=True)
class Event:
    """A cycle: which part of the CPU it is to take, and the rest of its line."""

    what: str  # "cycle", "lost", "torn" or "no time": it seems to end before the one before it
    cpu: float
    gap: int  # ms from the end of the cycle before
    stops: tuple[float, float]
    mark: int
    idle: float  # of the CPU, too
    heap: tuple[int, int, int]
    forced: bool
    percent: int
    before: str  # another line, before it


@dataclass(frozen=True)
class Log:
    """What a program prints, and what a monitor with these limits has to say to each line."""

    events: tuple[Event, ...]
    procs: int
    pause_ms: float
    cpu: float

    def smaller(self):
        for i in range(len(self.events)):
            yield Log(
                (*self.events[:i], *self.events[i + 1 :]), self.procs, self.pause_ms, self.cpu
            )

    def lines(self):
        """(text, answer) of each line, and the report."""
        start, ended, known, busy, lines, seen = 0, 0.0, True, 0, [], []
        for number, e in enumerate(self.events, 1):
            stop1, stop2 = e.stops
            no_time = e.what == "no time" and ended > 0
            if no_time:
                stop1, mark, stop2 = 0.001, 0.001, 0.001
            else:
                mark, start = e.mark, int(ended) + e.gap
            clock, before = stop1 + mark + stop2, ended
            ended = start + clock
            # Workers in the background do what is left of the cycle's part.
            work = e.cpu * (ended - before) * self.procs - (stop1 + stop2) * self.procs
            work = max(work, 0.0)
            cpu = f"{stop1 * self.procs:g}+{work / 4:.4f}/{work * 3 / 4:.4f}/"
            cpu += f"{e.idle * clock * self.procs:.3f}+{stop2 * self.procs:g}"
            times = f"{stop1:g}+{mark:g}+{stop2:g}"
            heap = "->".join(map(str, e.heap))
            at = f"{start / 1000:.3f}"
            text = cycle_line(number, at, e.percent, times, cpu, heap, e.heap[1], self.procs)
            if e.before:
                lines.append((e.before, None))
            if e.what in ("lost", "torn"):
                known, busy = False, 0
                if e.what == "torn":
                    lines.append((text[: len(text) * e.percent // 100], None))
                continue
            share = e.cpu if known and not no_time else None
            busy = busy + 1 if share and share > self.cpu else 0
            alerts = ["pause"] * (max(stop1, stop2) > self.pause_ms) + ["cpu"] * (busy > 2)
            forced = " (forced)" if e.forced else ""
            answer = told(number, (stop1, stop2), e.heap, share, alerts, e.forced)
            lines.append((text + forced, answer))
            seen.append(answer)
            known = True
        return lines, seen

    def report(self, seen):
        stops = [ms for answer in seen for ms in answer["stops_ms"]]
        return {
            "cycles": len(seen),
            "forced": sum(answer["forced"] for answer in seen),
            "lost": (seen[-1]["number"] if seen else 0) - len(seen),
            "stop_ms": float(sum(stops)),
            "worst_stop_ms": float(max(stops, default=0)),
            "mean_stop_ms": sum(stops) / max(len(seen), 1),
            "peak_mb": max((mb for answer in seen for mb in answer["heap_mb"]), default=0),
            "alerts": [(answer["number"], a) for answer in seen for a in answer["alerts"]],
        }


def random_log(dice):
    procs, limit = dice.choice([1, 2, 4, 8]), dice.choice([0.2, 0.3, 0.4])
    events, first = [], dice.randrange(2)
    for part in range(first, first + 7):  # quiet and busy ones take turns
        for _ in range(1 + dice.randrange(5)):
            heap = tuple(dice.randrange(1, 400) for _ in range(3))
            events.append(
                Event(
                    dice.choice(["cycle"] * 9 + ["lost", "torn", "no time"]),
                    dice.uniform(limit + 0.02, 0.6)
                    if part % 2
                    else dice.uniform(0.12, limit - 0.02),
                    dice.randrange(400, 2000),
                    tuple(dice.choice([0.012, 0.34, 1.5, 4.0, 7.0, 12.0, 17.0]) for _ in range(2)),
                    dice.randrange(10, 90),
                    dice.uniform(0.3, 0.7),
                    heap,
                    dice.random() < 0.2,
                    dice.randrange(1, 99),
                    dice.choice(OTHER + [""] * 20),
                )
            )
    return Log(tuple(events), procs, 10.0, limit)


def wrong(exercise, log):
    """What is wrong with what a monitor says to a log; None: nothing."""
    monitor, shown = exercise.Monitor(log.pause_ms, log.cpu), []
    lines, seen = log.lines()
    try:
        for text, answer in lines:
            shown.append(text)
            close(monitor.line(text), answer, "line() of the last one")
        close(monitor.report(), log.report(seen), "report()")
    except AssertionError as error:
        made = f"Monitor(pause_ms={log.pause_ms:g}, cpu={log.cpu:g})"
        return "\n  ".join([str(error).split("\nassert")[0], made, *shown[-6:]])
    return None


@pytest.mark.parametrize("cycles", ["bbbb", "bbqbbb", "bb-bbbb", "bb.bbb", "qqbbqbqbb"])
def test_when_to_wake_somebody(exercise, cycles):
    """GOGC too low, or a limit too near: the sign is a collector that stays busy."""
    what = {"b": ("cycle", 0.5), "q": ("cycle", 0.1), "-": ("lost", 0.5), ".": ("no time", 0.5)}
    events = [
        Event(*what[c], 600, (7.0, 4.0), 30, 0.5, (30 + i, 40, 20), False, 25, "")
        for i, c in enumerate(cycles)
    ]
    if problem := wrong(exercise, Log(tuple(events), 2, 10.0, 0.3)):
        pytest.fail(f"{problem}\n(b: busy, q: quiet, -: its line is lost, .: no time)")


@pytest.mark.gc_seeds(12)
def test_any_log(exercise, seed):
    """An alert that comes too often is switched off; one that does not come is worse."""
    log = random_log(random.Random(seed))
    if wrong(exercise, log):
        pytest.fail(wrong(exercise, smallest(log, lambda tried: wrong(exercise, tried))))


# ---- a real heap ----


@pytest.mark.gc_seeds(4)
def test_a_real_heap(exercise, seed):
    """What the lines say is what the heap did: each cycle once, none left out."""
    dice, trace = random.Random(seed), io.StringIO()
    monitor, read, polled = exercise.Monitor(PAUSE_MS, CPU), 0, []
    with gcsim.Heap(
        mode="virtual", procs=1 + seed % 3, seed=seed, gogc=dice.choice([50, 100, 200])
    ) as heap:
        heap.gctrace(trace)
        kept = []
        for _ in range(8):
            for _ in range(dice.randrange(20, 400)):
                heap.new_slice(u8, dice.randrange(8_000, 60_000))
                if len(kept) < 100:
                    kept.append(heap.new_slice(ptr[gcsim.i64], 3_000))
            if dice.random() < 0.4:
                heap.collect()
            now = heap.memstats()
            found = exercise.new_pauses(len(polled), now.num_gc, list(now.pause_ns))
            want = [c.pause_ns for c in heap.cycles if c.number > len(polled)]
            exact(found, want, f"new_pauses({len(polled)}, {now.num_gc}, PauseNs)")
            polled += found
            lines = trace.getvalue().splitlines()
            for text, cycle in zip(lines[read:], heap.cycles[read:], strict=True):
                check_cycle(monitor.line(text), cycle, text)
            read = len(lines)
        kept.clear()
        cycles = heap.cycles
    assert sum(polled) == now.pause_total_ns, "PauseTotalNs is another than that of the pauses"
    report = monitor.report()
    forced = sum(c.trigger == "forced" for c in cycles)
    peak = max(max(c.heap_live, c.heap_end) for c in cycles) >> 20
    want = {"cycles": now.num_gc, "forced": forced, "lost": 0, "peak_mb": peak}
    exact({name: report[name] for name in want}, want, "report()")


def check_cycle(answer, cycle, text):
    """What a monitor says to a line, beside the cycle itself. The line's times are cut."""
    assert type(answer) is dict, f"line({text!r}): expected a dict, found {answer!r}"
    what = f"line({text!r})"
    exact(answer["number"], cycle.number, f"{what}: number")
    exact(answer["forced"], cycle.trigger == "forced", f"{what}: forced")
    sizes = tuple(size >> 20 for size in (cycle.heap_live, cycle.heap_end, cycle.heap_marked))
    exact(answer["heap_mb"], sizes, f"{what}: heap_mb")
    for found, ns in zip(answer["stops_ms"], (cycle.pause1_ns, cycle.pause2_ns), strict=True):
        assert 0.9 * ns / 1e6 - 0.001 <= found <= ns / 1e6 + 1e-9, (
            f"{what}: a stop of {ns} ns, found {found!r} ms"
        )


@pytest.mark.gc_seeds(3)
def test_a_ring_that_went_round(exercise, seed):
    """PauseNs keeps 256: who looks every minute at a busy program misses some, and no others."""
    dice = random.Random(seed)
    for last in (1, dice.randrange(2, 256), 256, 257, dice.randrange(258, 2000)):
        pauses = [dice.randrange(1_000, 9_000_000) for _ in range(last)]
        ring = [0] * 256
        for i, pause in enumerate(pauses):
            ring[i % 256] = pause
        for seen in sorted({0, last // 2, max(last - 256, 0), max(last - 255, 0), last - 1, last}):
            want = pauses[max(seen, last - 256) :]
            found = exercise.new_pauses(seen, last, list(ring))
            what = f"new_pauses({seen}, {last}, PauseNs)"
            if type(found) is not list or len(found) != len(want):
                pytest.fail(f"{what}: expected {len(want)} pauses, found {found!r:.60}")
            for i, pause in enumerate(want):
                exact(found[i], pause, f"{what}[{i}] of {len(want)}")
