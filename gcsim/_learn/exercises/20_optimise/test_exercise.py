"""What exercise.py has to pass. The logs are other ones each time."""

import importlib.util
import random
from collections import deque
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import gcsim
from gcsim.learn import exact

LINES = 5_000


def random_log(seed, lines=LINES):
    """Lines of a log: host, status, bytes."""
    dice = random.Random(seed)
    hosts = [f"10.{dice.randrange(256)}.{dice.randrange(256)}.{i}" for i in range(40 + seed % 30)]
    hosts[0] = "a-host-with-a-long-name.example.org"
    return [
        f"{dice.choice(hosts)} {dice.choice([200, 200, 200, 304, 404, 499, 500, 503])}"
        f" {dice.choice(['-', '0', *[dice.randrange(100_000)] * 6])}"
        for _ in range(lines)
    ]


def said(log):
    """The report, by other means."""
    found = {}
    for line in log:
        host, status, size = line.split()
        size = 0 if size == "-" else int(size)
        n, errors, total, largest = found.get(host, (0, 0, 0, 0))
        found[host] = (n + 1, errors + (int(status) >= 500), total + size, max(largest, size))
    return "".join(f"{host} {' '.join(map(str, found[host]))}\n" for host in sorted(found))


class Run:
    """A log in a heap, read by the project: what that cost, by its functions."""

    def __init__(self, project, heap, log, name="state"):
        self.project, self.heap, self.name = project, heap, name
        self.lines, at = [], 0
        heap.globals[f"log of {name}"] = text = heap.to_bytes("\n".join(log))
        for line in log:
            self.lines.append(text[at : at + len(line)])
            at += len(line) + 1
        self.allocations, self.bytes = {}, {}
        state = self.counted("start", lambda: project.start(heap))
        if not isinstance(state, gcsim.Ref):
            pytest.fail(f"start(...) gave {state!r}, no object of the heap")
        heap.globals[name] = state

    def counted(self, what, call):
        before = self.heap.memstats()
        given = call()
        after = self.heap.memstats()
        self.allocations[what] = after.mallocs - before.mallocs
        self.bytes[what] = after.total_alloc - before.total_alloc
        return given

    def add(self, n):
        """The next n lines. The object is asked for anew: what it is to know lies in the heap."""
        now, self.lines = self.lines[:n], self.lines[n:]
        for line in now:
            self.project.add(self.heap, self.heap.globals[self.name], line)

    def report(self):
        state = self.heap.globals[self.name]
        text = self.counted("report", lambda: self.project.report(self.heap, state))
        if type(text) not in (gcsim.Slice, gcsim.Builder):
            pytest.fail(f"report(...) gave a {type(text).__name__}, no slice of bytes, no Builder")
        self.heap.globals[f"report of {self.name}"] = text  # refuses what lies elsewhere
        return bytes(self.heap.globals[f"report of {self.name}"]).decode()


def the_same(got, want):
    """Fails with the first line that differs."""
    if got != want:
        lines = zip([*got.splitlines(), None], [*want.splitlines(), None], strict=False)
        g, w = next(((g, w) for g, w in lines if g != w), ("", "another end"))
        pytest.fail(f"the report: expected {w or 'its end'!r}, found {g or 'its end'!r}")


def kept_outside(project):
    """How many things the module's own variables, classes and functions hold: there state could
    hide from the heap that counts."""
    seen, waiting = {}, [v for k, v in vars(project).items() if not k.startswith("__")]
    while waiting:
        value = waiting.pop()
        module = getattr(value, "__module__", None)
        if id(value) in seen or isinstance(value, ModuleType) or module not in (None, "exercise"):
            continue
        seen[id(value)] = value
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            waiting += value
        elif isinstance(value, FunctionType):
            waiting += [value.__defaults__, value.__kwdefaults__]
            waiting += [cell.cell_contents for cell in value.__closure__ or ()]
        if isinstance(value, type):
            waiting += [v for k, v in vars(value).items() if not k.startswith("__")]
        elif hasattr(value, "__dict__"):
            waiting.append(vars(value))
    return len(seen)


def new_heap():
    # Collections come early; virtual time: the same in every run.
    return gcsim.Heap(gogc=5, mode="virtual", procs=1, seed=1)


@pytest.mark.parametrize(
    "log",
    [
        ["a 200 10"],
        ["b 200 10", "a 500 20", "b 503 -", "a 499 7"],
        ["a 200 -", "a 304 -"],
        [f"host{i % 20} 200 {i}" for i in range(60)],
        [],
    ],
    ids=["one line", "two hosts", "no bytes", "twenty hosts", "nothing"],
)
def test_small_logs(exercise, log):
    """An optimisation that changes what a program says is a mistake."""
    with new_heap() as heap:
        run = Run(exercise, heap, log)
        run.add(len(log))
        the_same(run.report(), said(log))


@pytest.mark.gc_seeds(4)
def test_two_logs_at_once(exercise, seed):
    """Servers do many things at once: each keeps its own state, and collections come in between."""
    dice, before = random.Random(seed), kept_outside(exercise)
    logs = [random_log(seed + i, 150) for i in range(2)]
    with new_heap() as heap:
        runs = [Run(exercise, heap, log, f"state {i}") for i, log in enumerate(logs)]
        while any(run.lines for run in runs):
            dice.choice(runs).add(dice.randrange(20))
            if dice.random() < 0.1:
                heap.collect()
        for _ in range(2):  # a report changes nothing
            for run, log in zip(runs, logs, strict=True):
                the_same(run.report(), said(log))
        runs[0].lines = [heap.to_bytes("a-new-host 500 1")]
        runs[0].add(1)
        the_same(runs[0].report(), said([*logs[0], "a-new-host 500 1"]))
    exact(
        kept_outside(exercise), before, "things that the module itself keeps, outside of the heap"
    )


def measured(project, log):
    """What a project costs: allocations and bytes by function, and how many collections ran."""
    with new_heap() as heap:
        run = Run(project, heap, log)
        heap.collect()  # the log itself is not to start the first one
        before = len(heap.cycles)
        run.counted("add", lambda: run.add(len(log)))
        text = run.report()
        the_same(text, said(log))
        return run.allocations, run.bytes, len(heap.cycles) - before


def over(project, log):
    """Which budgets are exceeded."""
    allocations, used, cycles = measured(project, log)
    n, r = len({line.split()[0] for line in log}), len(said(log))
    limits = [
        ("allocations", sum(allocations.values()), 4 * n + 20, allocations),
        ("bytes", sum(used.values()), 250 * n + 3 * r + 2_000, used),
        ("collections", cycles, 0, {}),
    ]
    return [
        f"{found:,} {what}, more than the budget of {limit:,} for {n} hosts and {len(log):,} lines"
        + "".join(f"\n    in {name}: {part:,}" for name, part in parts.items())
        for what, found, limit, parts in limits
        if found > limit
    ]


@pytest.mark.gc_seeds(2)
def test_the_budget(exercise, seed):
    """What is not allocated is not collected: the first advice of Go's guide to its collector."""
    if problems := over(exercise, random_log(seed)):
        pytest.fail("\n".join(problems))


def test_more_lines_cost_nothing(exercise):
    """What a program allocates ought to grow with what it keeps, not with what it reads."""
    few, many = (sum(measured(exercise, random_log(7, n))[0].values()) for n in (1_000, 3_000))
    exact(many - few, 0, "allocations that 3,000 lines cost more than 1,000 of the same hosts")


def test_score(exercise, score):
    """Allocations are the figure that tells on the collector and on the clock."""
    spec = importlib.util.spec_from_file_location(
        "handed_out", Path(__file__).with_name("exercise.py")
    )
    handed_out = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handed_out)
    log = random_log(1)
    mine, theirs = measured(exercise, log), measured(handed_out, log)
    for i, (what, unit) in enumerate([("allocations", "objects"), ("bytes", "B")]):
        score(what, sum(mine[i].values()), sum(theirs[i].values()), unit, mine[i])
    score("collections", mine[2], theirs[2], "cycles")
