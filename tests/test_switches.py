"""The debug switches of a heap: what each does, and what a wrong one says. What is fatal happens in another process."""

import signal
import subprocess
import sys
from textwrap import dedent

import pytest

import gcsim
from gcsim import array, i64, ptr, u8

SWITCHES = (
    "clobberfree",
    "efence",
    "gccheckmark",
    "gcstoptheworld",
    "sbrk",
    "verifyphases",
    "stressbytes",
    "barrierbuffer",
)


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


PROLOGUE = """
import ctypes, sys
import gcsim
from gcsim import array, i64, ptr, u8

@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64

def word(address):
    return ctypes.c_uint64.from_address(address)
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = PROLOGUE + dedent(program)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )


# --- how they are written


def test_heap_debug_says_which_switches_are_on() -> None:
    with gcsim.Heap() as heap:
        assert heap.debug == ""
    with gcsim.Heap(debug=None) as heap:
        assert heap.debug == ""
    with gcsim.Heap(debug=" gccheckmark=1, clobberfree=1,\n stressbytes=65536,, ") as heap:
        assert heap.debug == "clobberfree=1,gccheckmark=1,stressbytes=65536"


def test_options_of_their_own_are_switches_too_and_debug_wins() -> None:
    with gcsim.Heap(clobber_free=True, gcstoptheworld=1, barrier_buffer=2) as heap:
        assert heap.debug == "clobberfree=1,gcstoptheworld=1,barrierbuffer=2"
    with gcsim.Heap(gcstoptheworld=1, debug="gcstoptheworld=2,gcstoptheworld=0") as heap:
        assert heap.debug == ""


def test_every_switch_is_taken(mode: str) -> None:
    for name in SWITCHES:
        with gcsim.Heap(mode=mode, debug=f"{name}=1", reserve="64MiB") as heap:
            assert heap.debug == f"{name}=1"
            root = heap.new(Node, n=1)
            root.next = heap.new(Node, n=2)
            heap.new(Node)
            heap.collect()
            assert root.next.n == 2
            assert heap.verify()


def test_an_unknown_switch_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(gcsim.OptionError, match="'gccheckmrk' is no switch") as caught:
        gcsim.Heap(debug="clobberfree=1,gccheckmrk=1")
    for name in SWITCHES:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("debug", "error"),
    [
        ("sbrk", gcsim.ConversionError),
        ("sbrk=", gcsim.ConversionError),
        ("=1", gcsim.OptionError),
        (1, gcsim.ConversionError),
        (b"sbrk=1", gcsim.ConversionError),
        ("\udc80", gcsim.ConversionError),
        ("sbrk=1," * 1000, gcsim.ConversionError),
        ("sbrk=2", gcsim.RangeError),
        ("sbrk=-1", gcsim.RangeError),
        ("sbrk=on", gcsim.RangeError),
        ("gcstoptheworld=3", gcsim.RangeError),
        ("barrierbuffer=513", gcsim.RangeError),
        ("stressbytes=99999999999999999999", gcsim.RangeError),
    ],
)
def test_what_is_no_switch_is_refused(debug: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="debug"):
        gcsim.Heap(debug=debug)  # type: ignore[arg-type]


# --- what they do

HIDE = """
    # While marking is on: a pointer goes from an object that is not yet marked to one that is black, behind the barrier's back.
    heap = gcsim.Heap(mode="steps", gogc=None, events=1 << 14, debug=sys.argv[1])
    last = heap.new(Node, n=1)
    last.next = heap.new(Node, n=2)
    victim, holder = gcsim.address(last.next), gcsim.address(last)
    nodes = last
    for n in range(60_000):
        nodes = heap.new(Node, next=nodes, n=n)
    heap.globals["list"] = nodes
    del last, nodes
    heap.collect()
    heap.gc_percent = 10

    def seen(what):
        return [e.kind for e in heap.events()].count(what)

    starts = seen("mark start")
    while seen("mark start") == starts:
        thief = heap.new(array[u8, 8192])
    thief = heap.new(Node)
    word(gcsim.address(thief)).value, word(holder).value = victim, 0
    ends = seen("cycle end")
    while seen("cycle end") == ends:
        heap.new(array[u8, 8192])
    heap.collect()
    print("unnoticed")
"""


def test_gccheckmark_names_an_object_that_was_hidden_from_the_marker() -> None:
    found = run(HIDE, "gccheckmark=1")
    assert found.returncode == -signal.SIGABRT, found.stdout + found.stderr
    assert "broken invariant: checkmark found an unmarked object" in found.stderr
    assert "slot 1 of the span" in found.stderr
    assert "the pointer to it lies at offset 0 of slot" in found.stderr


def test_verifyphases_finds_a_dangling_pointer_before_a_collection() -> None:
    program = """
        heap = gcsim.Heap(debug=sys.argv[1])
        node = heap.new(Node)
        lost = gcsim.address(heap.new(array[u8, 1 << 20]))
        heap.collect()
        word(gcsim.address(node)).value = lost
        heap.collect()
        print("unnoticed")
    """
    found = run(program, "verifyphases=1")
    assert found.returncode == -signal.SIGABRT, found.stdout + found.stderr
    assert "at the edge of a cycle" in found.stderr
    assert "rule 49" in found.stderr
    if gcsim.build_info()["mode"] == "release":
        assert run(program, "").stdout == "unnoticed\n"


def test_clobberfree_fills_what_is_freed() -> None:
    program = """
        heap = gcsim.Heap(debug=sys.argv[1])
        keep = heap.new(Node)
        lost = gcsim.address(heap.new(Node, n=7)) + 8
        heap.collect()
        print(f"{word(lost).value:x}")
    """
    assert run(program, "clobberfree=1").stdout == "deadbeefdeadbeef\n"
    if gcsim.build_info()["mode"] == "release":
        assert run(program, "clobberfree=0").stdout == "7\n"


def test_efence_lets_nobody_touch_what_is_freed() -> None:
    program = """
        heap = gcsim.Heap(debug=sys.argv[1])
        first, second = heap.new(Node, n=7), heap.new(Node, n=8)
        print(abs(gcsim.address(first) - gcsim.address(second)) >= 8192, flush=True)
        lost = gcsim.address(first)
        del first
        heap.collect()
        assert heap.verify()
        again = [heap.new(Node) for _ in range(100)]
        assert lost not in map(gcsim.address, again)
        word(lost).value
        print("unnoticed")
    """
    found = run(program, "efence=1")
    assert found.stdout == "True\n", found.stderr
    assert found.returncode in (
        -signal.SIGSEGV,
        -signal.SIGABRT,
    )  # a sanitizer reports, then aborts


def test_efence_shows_what_is_fenced_off(mode: str) -> None:
    with gcsim.Heap(mode=mode, debug="efence=1") as heap:
        keep = [heap.new(Node, n=n) for n in range(20)]
        lost = [heap.weak(heap.new(Node)) for _ in range(10)]
        heap.collect()
        assert all(weak() is None for weak in lost)
        assert sum(span.purpose == "fence" for span in heap.spans()) == 10
        assert [node.n for node in keep] == list(range(20))
        assert sum(1 for _ in heap.objects()) == 20
        m = heap.memstats()
        assert m.heap_inuse == 30 * 8192  # for good, as in Go
        assert heap.verify()


def test_a_dump_is_not_loaded_with_efence() -> None:
    from importlib.resources import files

    dump = gcsim.open_go_dump(files("gcsim") / "data" / "leaks.graph.npz")
    with pytest.raises(gcsim.OptionError, match="efence=1"):
        dump.load(debug="efence=1")


def test_sbrk_frees_nothing(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=1, debug="sbrk=1,verifyphases=1") as heap:
        lost = [heap.weak(heap.new(Node, n=n)) for n in range(1000)]
        for _ in range(6):
            heap.new(array[u8, 4 << 20])
        assert heap.memstats().num_gc == 0
        cycle = heap.collect()
        assert cycle.freed_objects == 0
        assert all(weak() is not None and weak().n == n for n, weak in enumerate(lost))
        assert heap.memstats().frees == 0
        assert heap.verify()


def test_stressbytes_collects_after_so_much() -> None:
    cycles = {}
    for debug in ("", "stressbytes=65536"):
        with gcsim.Heap(gogc=100, debug="gcstoptheworld=1," + debug) as heap:
            for _ in range(128):
                heap.new(array[u8, 16384])
            cycles[debug] = heap.memstats().num_gc
    assert cycles[""] == 0  # 2 MiB; the first goal is 4
    assert 30 <= cycles["stressbytes=65536"] <= 36


def test_gcstoptheworld_is_in_the_record() -> None:
    with gcsim.Heap(debug="gcstoptheworld=2") as heap:
        assert heap.collect().stopped
    with gcsim.Heap() as heap:
        assert not heap.collect().stopped
