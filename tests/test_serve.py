"""Heaps over HTTP: pprof's paths, Prometheus' metrics, and clients that do not behave."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import math
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from needs import go_pprof, missing, program

import gcsim
from gcsim import _serve, _serve_http, _serve_live, _serve_metrics, _serve_pprof
from gcsim._metrics import _METRICS, Histogram
from gcsim._pprof import Profile

HERE = Path(__file__).parent
RECORDED = HERE / "data" / "pprof" / "leaks-default.heap.pb.gz"
PROFILES = "debug/pprof/"


@gcsim.struct
class Node:
    next: gcsim.ptr["Node"]
    n: gcsim.i64


@pytest.fixture
def heap() -> Iterator[gcsim.Heap]:
    with gcsim.Heap(procs=2) as made:
        yield made
        if not made.closed:
            assert made.verify()


@pytest.fixture
def server(heap: gcsim.Heap) -> Iterator[_serve.Server]:
    with gcsim.serve(heap) as made:
        yield made


class Got:
    """What came back."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()
        self.text = self.body.decode("utf-8", "replace")


def ask(
    server: _serve.Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> Got:
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    try:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, f"/{path}", body, named)
        return Got(connection.getresponse())
    finally:
        connection.close()


def raw(server: _serve.Server, data: bytes) -> bytes:
    """The answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(data)
        with contextlib.suppress(OSError):  # the server may have had enough
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return held


def rows(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("Showing")) :]


def test_a_heap_serves_itself(heap: gcsim.Heap) -> None:
    with heap.serve() as server:
        assert list(server.heaps.items()) == [("heap", heap)]
        assert ask(server, "metrics").status == 200
        with pytest.raises(gcsim.AddressError):
            heap.serve(server.port)
        port = server.port
    with heap.serve(port, "localhost") as server:
        assert server.url == f"http://localhost:{port}/"
    with pytest.raises(gcsim.OptionError):
        heap.serve(host="0.0.0.0")
    with pytest.raises(TypeError):
        heap.serve(gate=80)  # type: ignore[call-arg]
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        heap.serve()


def test_stepped_and_virtual_heaps_are_served() -> None:
    with (
        gcsim.Heap(mode="steps") as stepped,
        gcsim.Heap(mode="virtual") as virtual,
        gcsim.serve({"stepped": stepped, "virtual": virtual}) as server,
    ):
        kept = [stepped.new(Node) for _ in range(10)]
        cycle = stepped.begin_cycle()
        for _ in range(20):
            cycle.step()
            for name in ("stepped", "virtual"):
                got = ask(server, f"live.json?spans=1&heap={name}")
                assert got.status == 200, got.text
        assert 'heap="stepped"' in ask(server, "metrics").text
        cycle.back()
        assert ask(server, "live.json?spans=1").status == 200
        cycle.finish()
        assert json.loads(ask(server, "live.json").text)["cycles"][-1]["number"] == 1
        assert stepped.verify() and virtual.verify() and len(kept) == 10


# ---- /debug/pprof/ ----


class Taken:
    """In place of heap.profile: a recorded profile, and one that has grown each time."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.first = gcsim.read_pprof(RECORDED)

    def __call__(self, heap: gcsim.Heap, kind: str, gc: bool = False) -> Profile:
        self.asked.append((kind, gc))
        times = len(self.asked)
        grown = [replace(s, values=tuple(v * times for v in s.values)) for s in self.first.samples]
        return replace(self.first, samples=tuple(grown))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    made = Taken()
    monkeypatch.setattr(_serve_pprof, "take", made)
    return made


def test_go_tool_pprof_reads_the_url(server: _serve.Server, taken: Taken, tmp_path: Path) -> None:
    by_url = go_pprof("-top", f"{server.url}{PROFILES}heap")
    assert rows(by_url) == rows(go_pprof("-top", str(RECORDED)))
    assert taken.asked == [("heap", False)]


def test_go_tool_pprof_reads_what_seconds_add(server: _serve.Server, taken: Taken) -> None:
    began = time.monotonic()
    by_url = go_pprof("-top", "-seconds", "1", f"{server.url}{PROFILES}allocs")
    assert time.monotonic() - began >= 1
    assert taken.asked == [("allocs", False)] * 2
    assert rows(by_url) == rows(go_pprof("-top", str(RECORDED)))  # twice as much less once
    assert re.search(r"^Time: .*", by_url, re.MULTILINE) or "Duration: 1" in by_url


def test_a_delta_says_when_and_how_long(server: _serve.Server, taken: Taken) -> None:
    got = ask(server, f"{PROFILES}heap?seconds=1")
    assert got.headers["Content-Disposition"] == 'attachment; filename="heap-delta"'
    delta = gcsim.read_pprof(got.body)
    assert 1e9 <= delta.duration_ns < 30e9
    assert abs(delta.time_ns - time.time_ns()) < 60e9
    assert delta.total("inuse_space") == taken.first.total("inuse_space")


def test_gc_is_for_the_heap_profile(
    server: _serve.Server, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[tuple[str, bool]] = []

    def text(heap: gcsim.Heap, kind: str, gc: bool = False) -> bytes:
        texts.append((kind, gc))
        return b"as Go writes it"

    monkeypatch.setattr(_serve_pprof, "text", text)
    got = ask(server, f"{PROFILES}heap?gc=1&debug=1")
    assert got.text == "as Go writes it"
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    ask(server, f"{PROFILES}goroutine?debug=2")
    ask(server, f"{PROFILES}heap?gc=1")
    ask(server, f"{PROFILES}allocs?gc=1")
    ask(server, f"{PROFILES}heap?gc=0&debug=0")
    ask(server, f"{PROFILES}heap?gc=yes")
    assert texts == [("heap", True), ("goroutine", False)]
    assert taken.asked == [("heap", True), ("allocs", False), ("heap", False), ("heap", False)]


def test_profiles_are_of_the_heap() -> None:
    with gcsim.Heap(mem_profile_rate=1) as heap, gcsim.serve(heap) as server:
        kept = [heap.new(Node) for _ in range(1000)]
        read = gcsim.read_pprof(ask(server, f"{PROFILES}heap?gc=1").body)
        assert heap.cycles and read.total("inuse_objects") == len(kept)
        again = gcsim.read_pprof(ask(server, f"{PROFILES}heap?debug=1").body)
        assert again.total("inuse_objects") == len(kept)
        assert again.total("inuse_space") == read.total("inuse_space")
        assert "test_serve.py" in str(read.samples[0].stack)
        top = go_pprof("-top", "-sample_index=alloc_objects", f"{server.url}{PROFILES}allocs")
        assert "1000 total" in top
        text = go_pprof(
            "-top", "-sample_index=inuse_objects", f"{server.url}{PROFILES}heap?debug=1"
        )
        assert "1000 total" in text

        def more() -> None:
            kept.extend(heap.new(Node) for _ in range(500))
            heap.collect()  # profiles are as of the last one

        threading.Timer(0.5, more).start()
        delta = gcsim.read_pprof(ask(server, f"{PROFILES}allocs?seconds=3").body)
        assert delta.total("alloc_objects") == delta.total("inuse_objects") == 500
        heap.goroutine("main")
        goroutines = gcsim.read_pprof(ask(server, f"{PROFILES}goroutine").body)
        assert goroutines.total() == 1
        leaks = ask(server, f"{PROFILES}goroutineleak")
        assert leaks.status == 200 and gcsim.read_pprof(leaks.body).total() == 0


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("profile", 501, "processor"),
        ("trace?seconds=1", 501, "trace"),
        ("block", 501, "waiting"),
        ("mutex", 501, "locks"),
        ("threadcreate", 501, "threads"),
        ("sharks", 404, "Unknown profile"),
        ("heap/", 404, "Unknown profile"),
        ("heap?seconds=0", 400, "integer from 1"),
        ("heap?seconds=-3", 400, "integer from 1"),
        ("heap?seconds=1.5", 400, "integer from 1"),
        ("heap?seconds=", 400, "integer from 1"),
        ("heap?seconds=99999", 400, "integer from 1"),
        ("heap?seconds=1&debug=1", 400, "do not go together"),
        ("heap?heap=other", 404, "there is no heap 'other'; there are: heap"),
    ],
)
def test_what_is_not_there_is_said(
    server: _serve.Server, taken: Taken, path: str, status: int, words: str
) -> None:
    got = ask(server, PROFILES + path)
    assert got.status == status and words in got.text
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert taken.asked == []


def test_pprofs_tool_prints_the_words(server: _serve.Server) -> None:
    go = program("go")
    command = [go, "tool", "pprof", "-top", f"{server.url}{PROFILES}mutex"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "no profile of locks is kept" in done.stderr


def test_index_cmdline_and_symbol(server: _serve.Server, taken: Taken) -> None:
    got = ask(server, PROFILES)
    assert got.status == 200 and got.headers["Content-Type"].startswith("text/html")
    for name in ("allocs", "goroutine", "goroutineleak", "heap", "cmdline"):
        assert re.search(rf'href="{name}[?"]', got.text)
    assert f'<td class="n">{len(taken.first.samples)}</td>' in got.text
    assert ask(server, PROFILES.rstrip("/")).headers["Location"] == f"/{PROFILES}"
    assert ask(server, f"{PROFILES}cmdline").text.split("\0") == sys.orig_argv
    for method in ("GET", "POST"):  # pprof posts addresses to it
        got = ask(server, f"{PROFILES}symbol", method, b"0x10+0x20")
        assert (got.status, got.text) == (200, "num_symbols: 0\n")


# ---- /metrics ----


def families(server: _serve.Server) -> dict[str, Any]:
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        missing("prometheus-client")
    got = ask(server, "metrics")
    assert got.status == 200
    assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    read = list(text_string_to_metric_families(got.text))
    assert all(family.documentation and family.type != "unknown" for family in read)
    # The parser takes "_total" away from counters.
    named = {f.name + ("_total" if f.type == "counter" else ""): f for f in read}
    assert len(named) == len(read)  # each name once
    return named


def value(family: Any, name: str | None = None, **labels: str) -> float:
    [found] = [
        s.value
        for s in family.samples
        if s.name == (name or s.name) and labels.items() <= s.labels.items()
    ]
    return float(found)


def test_metrics_are_those_of_the_heap(heap: gcsim.Heap, server: _serve.Server) -> None:
    kept = [heap.new(Node) for _ in range(5000)]
    for _ in range(3):
        heap.collect()
    read, sample, stats = families(server), heap.metrics.read(), heap.memstats()
    for name in _METRICS:
        if isinstance(sample[name], Histogram):
            continue
        family = read[_serve_metrics.prometheus_name(name)]
        if not name.startswith("/cpu/"):
            assert value(family) == float(sample[name]), name
    assert value(read["go_gc_cycles_total_gc_cycles_total"]) == 3
    # MemStats see what mutators have in their caches; runtime/metrics do not, as in Go.
    assert value(read["go_memstats_heap_sys_bytes"]) == stats.heap_sys
    assert value(read["go_memstats_next_gc_bytes"]) == stats.next_gc
    assert value(read["go_memstats_stack_inuse_bytes"]) == stats.stack_inuse
    assert value(read["go_memstats_sys_bytes"]) == sample["/memory/classes/total:bytes"]
    assert value(read["go_memstats_last_gc_time_seconds"]) == pytest.approx(
        stats.last_gc / 1e9, abs=1
    )
    pauses = read["go_gc_duration_seconds"]
    assert pauses.type == "summary"
    of_heap = heap.gc_stats()
    for i, ns in enumerate(of_heap.quantiles(5)):
        assert value(pauses, quantile=f"{i / 4:g}") == pytest.approx(ns / 1e9)
    assert value(pauses, "go_gc_duration_seconds_count") == 3
    for collections in (0, 5, 300):  # of 300 the heap does not remember all
        for _ in range(collections):
            heap.collect()
        total = value(families(server)["go_gc_duration_seconds"], "go_gc_duration_seconds_sum")
        assert total == heap.gc_stats().pause_total / 1e9
    assert len(kept) == 5000


# Names that dashboards of Go programs ask for (client_golang's collector, its defaults).
USUAL = """
    go_gc_duration_seconds go_goroutines go_threads go_gc_gogc_percent go_gc_gomemlimit_bytes
    go_sched_gomaxprocs_threads go_memstats_alloc_bytes go_memstats_alloc_bytes_total go_memstats_buck_hash_sys_bytes
    go_memstats_frees_total go_memstats_gc_sys_bytes go_memstats_heap_alloc_bytes
    go_memstats_heap_idle_bytes go_memstats_heap_inuse_bytes go_memstats_heap_objects
    go_memstats_heap_released_bytes go_memstats_heap_sys_bytes go_memstats_last_gc_time_seconds
    go_memstats_mallocs_total go_memstats_mcache_inuse_bytes go_memstats_mcache_sys_bytes
    go_memstats_mspan_inuse_bytes go_memstats_mspan_sys_bytes go_memstats_next_gc_bytes
    go_memstats_other_sys_bytes go_memstats_stack_inuse_bytes go_memstats_stack_sys_bytes
    go_memstats_sys_bytes
"""


def test_the_usual_names_are_there(server: _serve.Server) -> None:
    read = families(server)
    assert set(USUAL.split()) <= set(read)


def test_counters_are_the_cumulative_metrics_of_go(server: _serve.Server) -> None:
    go = program("go")
    root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True).stdout
    source = Path(root.strip(), "src/runtime/metrics/description.go").read_text()
    blocks = re.findall(r'Name: +"([^"]+)",(.*?)\n\t}', source, re.DOTALL)
    cumulative = {name for name, rest in blocks if re.search(r"Cumulative: +true", rest)}
    assert len(cumulative) > 20
    read, compared = families(server), 0
    for name, _ in blocks:
        if name in _METRICS:
            histogram = "-by-size:" in name or "/pauses" in name
            made = _serve_metrics.prometheus_name(name, histogram=histogram)
            expected = "histogram" if histogram else "counter" if name in cumulative else "gauge"
            assert read[made].type == expected, name
            compared += 1
    assert compared == len(_METRICS)


def test_histograms_add_up(heap: gcsim.Heap, server: _serve.Server) -> None:
    kept = [heap.new(Node) for _ in range(1000)]
    large = heap.new(gcsim.array[gcsim.u8, 100_000])
    for _ in range(5):
        heap.collect()
    read, sample = families(server), heap.metrics.read()
    for name, histogram in sample.items():
        if not isinstance(histogram, Histogram):
            continue
        family = read[_serve_metrics.prometheus_name(name, histogram=True)]
        assert family.type == "histogram"
        buckets = [
            (float(s.labels["le"]), s.value) for s in family.samples if s.name.endswith("_bucket")
        ]
        assert buckets[-1] == (math.inf, histogram.total)
        assert value(family, f"{family.name}_count") == histogram.total
        for edge, so_far in buckets[:-1]:
            assert math.nextafter(edge, math.inf) in histogram.buckets  # where the next one begins
            ends = zip(histogram.buckets[1:], histogram.counts, strict=True)
            assert so_far == sum(n for high, n in ends if high <= math.nextafter(edge, math.inf))
    allocated = read["go_gc_heap_allocs_by_size_bytes"]
    assert value(allocated, f"{allocated.name}_sum") == sample["/gc/heap/allocs:bytes"]
    pauses = read["go_gc_pauses_seconds"]
    stops = sample["/gc/pauses:seconds"]
    least = sum(n * max(low, 0) for low, n in zip(stops.buckets, stops.counts, strict=False))
    assert value(pauses, f"{pauses.name}_sum") == least > 0
    assert len(kept) == 1000 and large


ODD = 'a "quoted" \\ name, {braces}=1'


def test_several_heaps_under_their_names() -> None:
    with gcsim.Heap(gogc=50) as first, gcsim.Heap(gogc=400) as second:
        with gcsim.serve(heaps={"a": first, ODD: second}) as server:
            read = families(server)
            percent = read["go_gc_gogc_percent"]
            assert value(percent, heap="a") == 50 and value(percent, heap=ODD) == 400
            told = json.loads(ask(server, f"live.json?heap={quote(ODD, safe='')}").text)
            assert told["heap"] == ODD and told["heaps"] == ["a", ODD]
            assert told["frames"][-1]["metrics"]["/gc/gogc:percent"] == 400
            index = ask(server, f"{PROFILES}?heap={quote(ODD, safe='')}").text
            assert "a &quot;quoted&quot;" in index and '<a href="?heap=a">a</a>' in index
            with gcsim.Heap(gogc=77) as third:
                server.add("c", third)
                assert list(server.heaps) == ["a", ODD, "c"]
                assert value(families(server)["go_gc_gogc_percent"], heap="c") == 77
                with pytest.raises(gcsim.OptionError, match="already"):
                    server.add("c", first)
            assert list(server.heaps) == ["a", ODD]  # a closed heap is served no more
            assert ask(server, "live.json?heap=c").status == 404
            second.close()
            assert ask(server, PROFILES).status == 200
            assert not server.closed
        assert not first.closed
        assert repr(server) == "<gcsim.Server, closed>"
        with pytest.raises(gcsim.StateError):
            server.add("late", first)


# ---- requests that are none ----


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("..", 400),
        ("debug/pprof/../../etc/passwd", 400),
        ("%2e%2e/%2e%2e/etc/passwd", 400),
        ("debug/pprof/%2e%2e%2f%2e%2e%2fetc/passwd", 400),
        ("debug/pprof/..%5c..%5cetc", 400),
        ("%00", 400),
        ("%ff%fe", 400),
        ("live.html", 404),
        ("data/live.html", 404),
        ("metrics/", 404),
        ("favicon.ico", 404),
        ("live.json?after=x", 400),
        ("live.json?after=-1", 400),
        ("live.json?cycle=1e9", 400),
        ("live.json?after=" + "9" * 400, 400),
        ("?" + "&".join(f"a{i}=1" for i in range(100)), 400),
    ],
)
def test_paths_that_lead_nowhere(server: _serve.Server, path: str, status: int) -> None:
    assert ask(server, path).status == status
    assert ask(server, "metrics").status == 200


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"GET http://example.org/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 421"),
        (b"GET /metrics HTTP/1.1\r\nHost: [::1\r\n\r\n", b"HTTP/1.1 421"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"HTTP/1.1 414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"HTTP/1.1 431"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505 "),  # whose version is not known gets no header
        (b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"HTTP/1.1 501"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b""),
        (b"\r\n\r\n", b""),
        (b"", b""),
    ],
)
def test_what_is_no_request(server: _serve.Server, data: bytes, begins: bytes) -> None:
    assert raw(server, data).startswith(begins)
    assert ask(server, "metrics").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_is_answered(server: _serve.Server, method: str) -> None:
    got = ask(server, "metrics", method, b"GET / HTTP/1.1\r\n\r\n")
    assert got.status == 405 and got.headers["Allow"] == "GET, HEAD"
    assert got.headers["Connection"] == "close"  # or the body would be the next request
    head = ask(server, "metrics", "HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 1000


def test_a_body_is_not_the_next_request(server: _serve.Server) -> None:
    smuggled = b"GET /debug/pprof/cmdline HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(smuggled)}\r\n\r\n"
    assert raw(server, head.encode() + smuggled).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
        ("127.8.8.8", 200),
        ("example.org", 421),
        ("127.0.0.1.example.org", 421),
        ("localhost.example.org:80", 421),
        ("192.0.2.1", 421),
        ("0.0.0.0", 421),
        ("a@127.0.0.1.example.org", 421),
        ("", 421),
    ],
)
def test_names_made_to_lead_here_are_refused(server: _serve.Server, host: str, status: int) -> None:
    got = ask(server, "metrics", Host=host)
    assert got.status == status
    assert (b"go_memstats" in got.body) == (status == 200)


def test_pages_of_other_sites_are_refused(server: _serve.Server) -> None:
    for site, mode, status in [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),  # a link that somebody follows
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ]:
        got = ask(server, "metrics", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
        assert got.status == status, (site, mode)


def test_every_answer_says_how_it_may_be_used(server: _serve.Server) -> None:
    for path in ("", "metrics", "live.json", "nothing", PROFILES, f"{PROFILES}mutex"):
        headers = ask(server, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
    policy = ask(server, "").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy


def test_a_bug_is_told_and_serving_goes_on(
    server: _serve.Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(server: _serve.Server, request: _serve_http.Request) -> _serve_http.Answer:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(_serve._PATHS, "/metrics", broken)
    assert ask(server, "metrics").status == 500
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert ask(server, "live.json").status == 200


# ---- clients that hang ----


def test_clients_that_hang_cost_nobody_else_anything(
    server: _serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("127.0.0.1", server.port)
    hanging = [socket.create_connection(where) for _ in range(3 * _serve.CLIENTS)]
    try:
        for client in hanging[::2]:
            client.sendall(b"GET /metrics HTT")
        for _ in range(20):
            assert ask(server, "metrics").status == 200
        ours = [t for t in threading.enumerate() if t.name == "gcsim client"]
        assert len(ours) <= _serve.CLIENTS + 2
    finally:
        for client in hanging:
            client.close()
    assert eventually(lambda: not server._clients)


def test_who_sends_a_byte_now_and_then_is_dropped(
    heap: gcsim.Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_serve_http, "PATIENCE", 1.0)
    with gcsim.serve(heap) as server, socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 20:
                slow.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() - began < 10


def test_who_does_not_read_is_dropped(heap: gcsim.Heap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serve_http, "PATIENCE", 1.0)
    monkeypatch.setattr(_serve_http.Handler, "timeout", 1.0)
    monkeypatch.setitem(_serve._PATHS, "/metrics", lambda *_: _serve_http.Answer(bytes(64 << 20)))
    with gcsim.serve(heap) as server, socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert eventually(lambda: len(server._clients) == 1)
        assert eventually(lambda: not server._clients, 10)
        assert ask(server, "live.json").status == 200


def test_who_goes_away_while_waiting_for_a_delta(server: _serve.Server, taken: Taken) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /debug/pprof/heap?seconds=3000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert eventually(lambda: bool(taken.asked))
    assert eventually(lambda: not server._clients)


def test_all_places_taken_by_work(server: _serve.Server, taken: Taken) -> None:
    line = b"GET /debug/pprof/heap?seconds=3000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    clients = []
    for _ in range(_serve.CLIENTS):
        clients.append(socket.create_connection(("127.0.0.1", server.port)))
        clients[-1].sendall(line)
    assert eventually(lambda: len(taken.asked) == _serve.CLIENTS)
    got = ask(server, "metrics")
    assert got.status == 503 and got.text == "too many connections at one time.\n"
    began = time.monotonic()
    server.close()  # those that wait end at once
    assert time.monotonic() - began < 5
    for client in clients:
        client.close()


def test_a_slow_page_loses_frames_and_is_told(
    heap: gcsim.Heap, server: _serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_serve_live, "PERIOD", 0.0)
    for _ in range(_serve_live.FRAMES + 10):
        told = json.loads(ask(server, "live.json?after=0").text) if _ == 0 else None
        if told:
            assert [f["seq"] for f in told["frames"]] == [1] and told["lost"] == 0
        server._served()[0].live.look(10**9, 10**9, False)
    told = json.loads(ask(server, "live.json?after=1").text)
    assert len(told["frames"]) == _serve_live.FRAMES
    last = told["frames"][-1]["seq"]
    assert told["lost"] == last - 1 - _serve_live.FRAMES > 0


# ---- addresses ----


def test_a_port_in_use(heap: gcsim.Heap, server: _serve.Server) -> None:
    with pytest.raises(gcsim.AddressError, match=f"port {server.port} is in use.*port=0") as caught:
        gcsim.serve(heap, port=server.port)
    assert caught.value.errno == errno.EADDRINUSE and isinstance(caught.value, OSError)
    assert ask(server, "metrics").status == 200
    server.close()
    with gcsim.serve(heap, port=server.port) as again:  # at once
        assert again.port == server.port and ask(again, "metrics").status == 200


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"port": -1}, gcsim.RangeError),
        ({"port": 65536}, gcsim.RangeError),
        ({"port": "80"}, gcsim.ConversionError),
        ({"port": 8.0}, gcsim.ConversionError),
        ({"host": 127}, gcsim.ConversionError),
        ({"host": "0.0.0.0"}, gcsim.OptionError),
        ({"host": ""}, gcsim.OptionError),
        ({"host": "::"}, gcsim.OptionError),
        ({"host": "192.0.2.1"}, gcsim.OptionError),
        ({"host": "localhost.example.org"}, gcsim.OptionError),
    ],
)
def test_addresses_that_are_refused(
    heap: gcsim.Heap, options: dict[str, Any], error: type[Exception]
) -> None:
    before = threading.active_count()
    with pytest.raises(error):
        gcsim.serve(heap, **options)
    assert threading.active_count() == before


def test_an_address_of_another_machine(heap: gcsim.Heap) -> None:
    with (
        pytest.warns(RuntimeWarning, match="nothing asks who they are"),
        pytest.raises(gcsim.AddressError, match="no address of this machine"),
    ):
        gcsim.serve(heap, host="192.0.2.1", allow_remote=True)


def test_other_machines_only_when_asked_and_with_a_warning(heap: gcsim.Heap) -> None:
    with pytest.warns(RuntimeWarning, match="other machines may reach") as told:
        server = gcsim.serve(heap, host="0.0.0.0", allow_remote=True)
    assert told[0].filename == __file__
    with server:
        assert server.url == f"http://127.0.0.1:{server.port}/" and server.host == "0.0.0.0"
        assert ask(server, "metrics", Host="192.0.2.7:80").status == 200  # an address
        assert ask(server, "metrics", Host=socket.gethostname()).status == 200
        assert ask(server, "metrics", Host="rebound.example.org").status == 421
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gcsim.serve(heap, host="localhost").close()


def test_what_is_no_heap(heap: gcsim.Heap) -> None:
    for heaps, error in [
        ({}, gcsim.OptionError),
        ({"a": 1}, gcsim.ConversionError),
        ({1: heap}, gcsim.ConversionError),
        ({"": heap}, gcsim.OptionError),
        ({"a\nb": heap}, gcsim.OptionError),
        ({"a" * 101: heap}, gcsim.OptionError),
        (None, gcsim.ConversionError),
    ]:
        with pytest.raises(error):
            gcsim.serve(heaps)  # type: ignore[arg-type]
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        gcsim.serve(heap)


# ---- ends ----


def test_a_server_ends_with_its_heap() -> None:
    with gcsim.Heap() as heap:
        server = gcsim.serve(heap)
        assert repr(server) == f"<gcsim.Server of 'heap' at {server.url}>"
        assert ask(server, "").status == 200
    assert eventually(lambda: server.closed)
    assert eventually(lambda: not [t for t in threading.enumerate() if "gcsim" in t.name])
    with pytest.raises(OSError):
        ask(server, "metrics")
    server.close()


def test_a_closed_heap_is_gone_for_clients(heap: gcsim.Heap, server: _serve.Server) -> None:
    heap.close()
    try:
        assert ask(server, "live.json").status == 410
    except (OSError, http.client.HTTPException):
        assert server.closed  # it was faster


def test_close_from_several_threads(heap: gcsim.Heap) -> None:
    server = gcsim.serve(heap)
    threads = [threading.Thread(target=server.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert server.closed and not any(thread.is_alive() for thread in threads)


def test_a_forked_child_leaves_the_server_to_its_parent(run_python: Any) -> None:
    run_python(
        """
        import os, socket, urllib.request, warnings
        import gcsim
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks with threads
        heap = gcsim.Heap()
        server = gcsim.serve(heap)
        kept = socket.create_connection(("127.0.0.1", server.port))
        assert urllib.request.urlopen(server.url + "metrics").status == 200
        down, up = os.pipe()
        child = os.fork()
        if child == 0:
            ok = server.closed and repr(server) == "<gcsim.Server, closed>"
            server.close()
            os.write(up, b"y" if ok else b"n")
            import time; time.sleep(60)
        assert os.read(down, 1) == b"y"
        assert urllib.request.urlopen(server.url + "metrics").status == 200
        port = server.port
        server.close()
        with gcsim.serve(heap, port=port) as again:  # the child holds no copy of the socket
            assert urllib.request.urlopen(again.url + "metrics").status == 200
        os.kill(child, 9)
        os.waitpid(child, 0)
        heap.close()
        """
    )


def test_the_program_ends_while_clients_wait(run_python: Any) -> None:
    done = run_python(
        """
        import socket
        import gcsim
        heap = gcsim.Heap()
        server = gcsim.serve(heap)
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        clients[0].sendall(b"GET / HT")
        clients[1].sendall(b"GET /live.json HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
        assert clients[1].recv(12) == b"HTTP/1.1 200"
        print("end")
        """,
        timeout=30,
    )
    assert done.stdout == "end\n" and done.stderr == ""


# ---- what it costs those who allocate ----


@pytest.mark.slow
@pytest.mark.threads
def test_a_thousand_requests_while_a_workload_allocates() -> None:
    def worst_and_mean(heap: gcsim.Heap) -> tuple[int, int]:
        stops = [ns for cycle in heap.cycles for ns in cycle.stops]
        return max(stops), sum(stops) // len(stops)

    def busy(heap: gcsim.Heap, ending: threading.Event, failures: list[Exception]) -> None:
        try:
            while not ending.is_set():
                gcsim.workloads["binary-trees"].run(heap, threads=2, depth=14)
        except Exception as error:
            failures.append(error)

    paths = ["metrics", "live.json", "live.json?spans=1", "", PROFILES, f"{PROFILES}cmdline"]
    told = []
    for about in (False, True):  # requests about another heap cost the machine as much
        with gcsim.Heap(procs=2) as heap, gcsim.Heap() as idle:
            ending, failures = threading.Event(), list[Exception]()
            thread = threading.Thread(target=busy, args=(heap, ending, failures))
            thread.start()
            with gcsim.serve(heap if about else idle) as server:
                answers = [ask(server, paths[i % len(paths)]).status for i in range(1000)]
            ending.set()
            thread.join(120)
            assert not thread.is_alive() and failures == []
            assert answers == [200] * 1000
            assert len(heap.cycles) > 3
            told.append(worst_and_mean(heap))
            assert heap.verify()
    (other_worst, other_mean), (worst, mean) = told
    print(
        f"\nstops of a workload on 2 processors, with 1,000 requests about another heap and about"
        f" its own: longest {other_worst / 1e3:.0f} and {worst / 1e3:.0f} us"
        f" (ratio {worst / other_worst:.2f}), mean {other_mean / 1e3:.0f} and {mean / 1e3:.0f} us"
        f" (ratio {mean / other_mean:.2f})"
    )


# ---- the command ----


def command(*arguments: str) -> list[str]:
    # Whoever runs tests in the background has interrupts ignored, and children inherit that.
    listen = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    program = f"{listen} from gcsim.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", program, "serve", *arguments]


def test_the_command_serves_until_interrupted() -> None:
    started = subprocess.Popen(
        command("binary-trees", "--depth", "10", "--mutators", "2", "--procs", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout
        first, second = started.stdout.readline(), started.stdout.readline()
        url = re.search(r"^binary-trees at (http://127.0.0.1:\d+/) until Ctrl-C$", first)
        assert url and second == f"go tool pprof {url[1]}debug/pprof/heap\n"
        where = urlsplit(url[1])

        def cycles() -> float:
            connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            found = re.search(
                r'^go_gc_cycles_total_gc_cycles_total{heap="binary-trees"} (\d+)', text, re.M
            )
            assert found
            return int(found[1])

        before = cycles()
        assert eventually(lambda: cycles() > before, 60)  # it runs again and again
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
        assert (started.returncode, out, err) == (0, "", "")
    finally:
        started.kill()
        started.wait()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "there is no workload ''"),
        (["sharks"], 2, "there is no workload 'sharks'"),
        (["ring", "--virtual"], 2, "virtual time"),
        (["ring", "--host", "0.0.0.0"], 2, "allow_remote=True"),
        (["ring", "--port", "70000"], 2, "ports are 1 to 65535"),
        (["ring", "--port", "many"], 2, "invalid int value"),
        (["ring", "--memory-limit", "lots"], 2, "lots"),
        (["--list"], 0, ""),
        (["--help"], 0, ""),
    ],
)
def test_exit_statuses(arguments: list[str], status: int, words: str) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    if "--help" in arguments:
        assert "--port" in done.stdout and "Exit status 0 after Ctrl-C" in " ".join(
            done.stdout.split()
        )
    if "--list" in arguments:
        assert "binary-trees" in done.stdout


def test_the_command_says_that_a_port_is_in_use(server: _serve.Server) -> None:
    done = subprocess.run(
        command("ring", "--port", str(server.port)), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "is in use: give another port" in done.stderr
    assert "Traceback" not in done.stderr
