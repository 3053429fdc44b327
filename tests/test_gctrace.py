"""Logs of gctrace, gcpacertrace and scavtrace: every dialect read, written back, shown."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import program

import gcsim
from gcsim import _gctrace
from gcsim.__main__ import main
from gcsim._gctrace_lines import (
    FORMS,
    MarkStartLine,
    PacerLine,
    RatioLine,
    ScavLine,
    read_line,
    write_line,
)

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data" / "gctrace"
RECORDINGS = sorted(
    [*(HERE / "data" / "pacer").glob("*.log.gz"), *SHARED.glob("*.log.gz")], key=lambda p: p.name
)
DIALECTS = sorted({form.since for form in FORMS}, key=lambda name: int(name.split(".")[1]))

# As printed by programs of each version.
OLD = [
    "gc5(1): 5+1+470+0 us, 30 -> 30 MB, 2709 (2943-234) objects, 45/2/0 sweeps, 0(0) handoff,"
    " 0(0) steal, 0/0/0 yields",
    "scvg1: inuse: 31, idle: 0, sys: 32, released: 0, consumed: 32 (MB)",
    "scvg1: 512 MB released",
    "gc76(1): 2+1+1390+1 us, 1 -> 3 MB, 16397 (1015746-999349) objects, 1436 goroutines, 1436/1/0"
    " sweeps, 0(0) handoff, 0(0) steal, 0/0/0 yields",
    "gc 1 @0.013s 1%: 0.063+0.50+0.033+1.1+0.12 ms clock, 0.063+0.50+0+0.61/0.25/0.81+0.12 ms cpu,"
    " 4->4->2 MB, 5 MB goal, 4 P",
    "pacer: sweep done at heap size 3MB; allocated 0MB of spans; swept 12 pages",
    "GC forced",
    "gc 5 @0.071s 0%: 0.018+0.46+0.071 ms clock, 0.14+0/0.38/0.14+0.56 ms cpu, 29->29->29 MB,"
    " 30 MB goal, 8 P",
    "pacer: sweep done at heap size 29MB; allocated 0MB of spans; swept 3752 pages at"
    " +6.183550e-004 pages/byte",
    "pacer: assist ratio=+1.232155e+000 (scan 1 MB in 70->71 MB) workers=2+0",
    "pacer: H_m_prev=30488736 h_t=+2.334071e-001 H_T=37605024 h_a=+1.409842e+000 H_a=73473040"
    " h_g=+1.000000e+000 H_g=60977472 u_a=+2.500000e-001 u_g=+2.500000e-001 W_a=308200"
    " goalΔ=+7.665929e-001 actualΔ=+1.176435e+000 u_a/u_g=+1.000000e+000",
    "scvg: 0 MB released",
    "scvg: inuse: 16, idle: 47, sys: 63, released: 45, consumed: 18 (MB)",
    "scav 3 8 KiB work, 640 KiB total, 97% util (forced)",
    "pacer: assist ratio=+2.849426e+000 (scan 0 MB in 3->4 MB) workers=2++0.000000e+000",
    "pacer: 25% CPU (25 exp.) for 508392+19144+466850 B work (929394 B exp.) in 3919688 B -> 3944264"
    " B (∆goal -250040, cons/mark +9.995701e-002)[controller reset]",
    "gc 2 @0.073s 0%: 0+0.53+0 ms clock, 0+0/0/0+0 ms cpu, 3->3->0 MB, 4 MB goal, 0 MB stacks, 0 MB"
    " globals, 8 P (forced)",
    "scav 8 KiB work, 640 KiB total, 97% util [controller reset]",
    "scav 0 KiB work (bg), 0 KiB work (eager), 3416 KiB now, 98% util (forced)",
    "gc 3 @1.000s 2% (checking for goroutine leaks): 12+0.099+1.4 ms clock, 24+0/0.10/0+2.8 ms cpu,"
    " 9->10->4 MB, 12 MB goal, 0 MB stacks, 1 MB globals, 2 P (forced)",
    "pacer: assist ratio=1.03541259765625 (scan 0 MB in 3->4 MB) workers=0+0.25",
    "pacer: sweep done at heap size 3MB; allocated 0MB during sweep; swept 1 pages at"
    " +7.500000e-005 pages/byte",
    "pacer: sweep done at heap size 3MB; allocated 0MB during sweep; swept 1 pages at"
    " 7.5e-05 pages/byte",
]


def raw(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_recording_is_read_and_written_back_byte_for_byte(path: Path) -> None:
    text = raw(path)
    trace = gcsim.read_gctrace(path)
    assert trace.other == () and len(trace.lines) == text.count("\n")
    assert trace.text() == trace.text(other=True) == text
    assert trace.dialect == "1.26"
    assert len(trace) == sum(line.startswith("gc ") for line in text.splitlines())


@pytest.mark.parametrize("text", OLD)
def test_a_line_of_every_form_is_read_and_written_back(text: str) -> None:
    line = read_line(text)
    assert line is not None and write_line(line) == text


def test_the_lines_above_are_of_every_form() -> None:
    lines = [*OLD, *raw(RECORDINGS[0]).splitlines()]
    seen = {(type(line), line.since) for line in map(read_line, lines) if line}
    assert seen == {(form.make, form.since) for form in FORMS}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_log_as_another_version_prints_it_is_read_again(dialect: str) -> None:
    trace = gcsim.read_gctrace(RECORDINGS[0])
    again = gcsim.read_gctrace(trace.text(dialect))
    assert again.other == () and len(again) == len(trace)
    assert again.text() == trace.text(dialect)
    assert {line.since for line in again.lines} <= set(DIALECTS[: DIALECTS.index(dialect) + 1])
    stopped = dialect in ("1.3", "1.4")  # for the whole cycle
    for then, now in zip(again, trace, strict=True):
        assert sum(then.stops_ns) == sum(now.stops_ns) + stopped * now.mark_ns
        assert (then.heap_mb[0], then.heap_mb[-1]) == (now.heap_mb[0], now.heap_mb[-1])
        assert then.mark_ns == now.mark_ns
        if not stopped:
            assert sum(then.line.cpu_ns) == sum(now.line.cpu_ns)


def test_what_a_line_says() -> None:
    trace = gcsim.read_gctrace("\n".join(OLD))
    assert [c.number for c in trace] == [5, 76, 1, 5, 2, 3]
    three, four, five, six, today, leaks = trace
    assert (three.stops_ns, three.mark_ns) == ((476_000,), 470_000)
    assert (four.line.goroutines, four.line.objects) == (1436, (16397, 1015746, 999349))
    assert (five.stops_ns, five.mark_ns) == ((63_000, 120_000), 1_633_000)
    assert (six.stops_ns, six.mark_ns) == ((18_000, 71_000), 460_000)
    assert six.timed_out and six.why == "time" and today.why == "forced"
    assert today.pacer is not None and today.pacer.reset and today.ratio is not None
    assert isinstance(today.pacer, PacerLine) and today.pacer.goal == 3944264 + 250040
    assert isinstance(today.ratio, RatioLine) and today.ratio.goal_delta == 0.7665929
    assert isinstance(today.scav, ScavLine) and today.scav.forced
    assert six.swept is not None and six.swept.pages_per_byte == 6.183550e-4
    assert leaks.line.leak_check and not today.line.leak_check
    assert trace.damaged == () and trace.dialect == "1.26"


def test_a_program_s_output_is_kept_aside() -> None:
    text = (
        f"starting\n{OLD[7]}\r\nweb-1 | {OLD[16]}\n\xff\x00 12%\ngc 24 @0.446s 0%: 2019/04/06 mine\n"
        "0.005+107+0.007 ms clock\npacer: is a word\ngc 9 @1.000s\n\nno end"
    )
    trace = gcsim.read_gctrace(text)
    assert [c.number for c in trace] == [5, 2]
    assert [line.number for line in trace.other] == [1, 4, 5, 6, 7, 8, 9, 10]
    assert [line.number for line in trace.damaged] == [5, 8]
    assert trace.text(other=True) == text
    assert trace.text() == f"{OLD[7]}\n{OLD[16]}\n"
    with pytest.raises(gcsim.TraceFormatError, match="line 5: no trace line: 'gc 24") as caught:
        gcsim.read_gctrace(text, strict=True)
    assert caught.value.line == 5 and isinstance(caught.value, ValueError)
    assert "8 other lines, 2 of them damaged (line 5, 8)" in str(trace)


def test_sources(tmp_path: Path) -> None:
    text = OLD[7] + "\n"
    path = tmp_path / "a.log"
    path.write_text(text)
    zipped = tmp_path / "a.gz"
    zipped.write_bytes(gzip.compress(text.encode()))
    with path.open("rb") as binary, path.open() as plain:
        sources: list[Any] = [path, str(path), zipped, text, OLD[7], text.encode(), binary, plain]
        for source in [*sources, zipped.read_bytes(), io.StringIO(text)]:
            assert len(gcsim.read_gctrace(source)) == 1
    out = io.StringIO()
    gcsim.read_gctrace(path).write(out)
    gcsim.read_gctrace(path).write(tmp_path / "b.log", "1.18")
    assert out.getvalue() == text
    assert (tmp_path / "b.log").read_text() == text.replace(
        "goal,", "goal, 0 MB stacks, 0 MB globals,"
    )
    with pytest.raises(FileNotFoundError):
        gcsim.read_gctrace(tmp_path / "none")
    for wrong in ("1.2", "new", ""):
        with pytest.raises(gcsim.OptionError, match="Go version"):
            gcsim.read_gctrace(path).text(wrong)


def test_a_damaged_gzip_file_says_at_which_line(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(("".join(f"{n} {n * n}\n" for n in range(5000))).encode())
    path.write_bytes(whole[:-3000])
    with pytest.raises(gcsim.TraceFormatError, match=r"a\.gz, line \d+: ") as caught:
        gcsim.read_gctrace(path)
    assert 1000 < caught.value.line < 5000
    with pytest.raises(gcsim.TraceFormatError), gzip.open(path) as file:
        list(gcsim.follow_gctrace(file))
    path.write_bytes(whole[:500] + bytes(100) + whole[600:])
    with pytest.raises(gcsim.TraceFormatError):
        gcsim.read_gctrace(path)


def test_a_gzip_bomb_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gctrace, "_MAX_OTHER", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(1 << 22)))
    with pytest.raises(gcsim.TraceFormatError, match="more than 1 MiB"):
        gcsim.read_gctrace(path)


def test_absurd_numbers_are_no_trace() -> None:
    for text in (
        OLD[7].replace("gc 5", f"gc {1 << 64}"),
        OLD[7].replace("8 P", "08 P"),
        OLD[7].replace("0.018", "0.0180"),
        OLD[7].replace("0.46", "9" * 15),
        OLD[20].replace("1.03541259765625", "1e999"),
        "gc " + "9" * 5000 + " @",
        OLD[7] + " ",
        OLD[7].replace("29", "٢٩", 1),
    ):
        assert read_line(text) is None
        trace = gcsim.read_gctrace(text + "\n")
        assert len(trace) == 0 and len(trace.damaged) == 1


def test_the_longest_numbers_fit() -> None:
    most = str((1 << 64) - 1)
    trace = gcsim.read_gctrace(OLD[7].replace("8 P", f"{most} P") + "\n")
    assert trace[0].line.procs == (1 << 64) - 1


BINARY = st.binary(max_size=200)
TORN = st.builds(
    lambda text, cut, junk: text[:cut].encode() + junk,
    st.sampled_from(OLD),
    st.integers(0, 300),
    BINARY,
)


@settings(deadline=None)
@given(st.lists(st.one_of(BINARY, TORN, st.sampled_from([t.encode() for t in OLD])), max_size=8))
def test_any_bytes_are_read_and_given_back(lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    if data[:2] == b"\x1f\x8b":
        return
    trace = gcsim.read_gctrace(data)
    assert trace.text(other=True).encode("utf-8", "surrogateescape") == data
    ends = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    assert len(trace.lines) + len(trace.other) == ends
    assert str(trace) and trace.to_dict()
    followed = list(gcsim.follow_gctrace(io.BytesIO(data)))
    assert [c.line for c in followed] == [c.line for c in trace]
    for dialect in DIALECTS:
        trace.text(dialect)


@settings(deadline=None)
@given(st.floats())
def test_floats_are_written_as_go_does(v: float) -> None:
    """Python's shortest digits, in the shape of strconv's 'g'."""
    text = "pacer: assist ratio={} (scan 0 MB in 3->4 MB) workers=0+0.25"
    line = read_line(text.format("0.5"))
    assert isinstance(line, MarkStartLine)
    written = write_line(replace(line, assist_ratio=v))
    assert written is not None
    shown = written.removeprefix("pacer: assist ratio=").split(" ")[0]
    if math.isfinite(v):
        assert float(shown) == v and "inf" not in shown
        digits = shown.lstrip("-").split("e")[0]
        assert ("e" in shown) == (v != 0 and not 1e-4 <= abs(v) < 1e6)
        assert len(digits.replace(".", "").strip("0")) <= 17 and not digits.endswith(".")
        assert read_line(written) == replace(line, assist_ratio=v)
    else:
        assert shown in ("NaN", "+Inf", "-Inf")


def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    rows = gcsim.read_gctrace("\n".join(OLD)).to_numpy()
    assert rows["number"].tolist() == [5, 76, 1, 5, 2, 3]
    assert rows["stop1_ns"].tolist()[:3] == [476_000, 1_394_000, 63_000]
    assert numpy.isnan(rows["at_s"][0]) and rows["goal_mb"].tolist() == [-1, -1, 5, 30, 4, 12]
    assert rows["marked_mb"].tolist() == [30, 3, 2, 29, 0, 4]
    assert rows["forced"].tolist() == [False] * 4 + [True, True]


def test_totals_and_table() -> None:
    trace = gcsim.read_gctrace("\n".join(OLD[7:]))
    totals = trace.totals
    assert (totals.cycles, totals.forced, totals.cpu_percent) == (3, 2, 2)
    assert totals.worst_stop_ns == 12_000_000
    assert totals.stop_ns == 18_000 + 71_000 + 12_000_000 + 1_400_000
    assert (totals.goal_mb, totals.peak_goal_mb, totals.peak_heap_mb) == (12, 30, 29)
    shown = str(trace).splitlines()
    assert len(shown) == 5 and shown[1].split()[:4] == ["5", "0.071", "s", "29->29->29"]
    assert "worst stop 12 ms, all 13.5 ms; 2 % of the CPU; goal 12 MB (peak 30)" in shown[-1]
    assert repr(trace) == "<gctrace: 3 cycles, worst stop 12 ms>"
    assert "<pre>" in trace._repr_html_()
    assert str(gcsim.read_gctrace("\n")).endswith("0 cycles; 1 other lines")
    with pytest.raises(AttributeError):
        trace.cycles = ()  # type: ignore[misc]


def test_a_pipe_is_followed_cycle_by_cycle() -> None:
    """Each cycle is there before the next line is written."""
    read, write = os.pipe()
    others: list[str] = []
    with os.fdopen(read, encoding="utf-8") as reader, os.fdopen(write, "w") as writer:
        follow = gcsim.follow_gctrace(reader, others.append)
        for text, number in ((OLD[7], 5), (OLD[16], 2)):
            writer.write(f"hello\n{OLD[15]}\n{text}\n")
            writer.flush()
            got: list[gcsim.TraceCycle] = []
            thread = threading.Thread(target=lambda got=got: got.append(next(follow)))
            thread.start()
            thread.join(20)
            assert [c.number for c in got] == [number]
            assert got[0].pacer is not None
        writer.close()
        assert list(follow) == [] and others == ["hello\n"] * 2


def test_gcsim_s_own_lines_are_read() -> None:
    out = io.StringIO()
    with gcsim.Heap(procs=2) as heap, heap.gctrace(out), heap.pacertrace(out), heap.scavtrace(out):
        for _ in range(3):
            heap.new_slice(gcsim.i64, 100_000)
            heap.collect()
        numbers = [cycle.number for cycle in heap.cycles]
    trace = gcsim.read_gctrace(out.getvalue())
    assert trace.other == () and trace.text() == out.getvalue()
    assert [c.number for c in trace] == numbers and trace.totals.forced == 3


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join(["hello", *OLD]) + "\n", encoding="utf-8")
    assert main(["gctrace", str(path)]) == 0
    assert capsys.readouterr().out == str(gcsim.read_gctrace(path)) + "\n"
    assert main(["gctrace", str(path), "--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert read["totals"]["cycles"] == 6 and read["cycles"][5]["why"] == "forced"
    assert read["other_lines"] == 1
    assert main(["gctrace", str(path), "--follow"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 7 and shown.err == "hello\n"
    assert main(["gctrace", str(path), "--follow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["number"] == 5
    assert main(["gctrace", str(path), "--as", "1.6"]) == 0
    assert capsys.readouterr().out == gcsim.read_gctrace(path).text("1.6")
    assert main(["gctrace", str(path), "--as", "tea"]) == 2
    path.write_text("nothing\n")
    for more in ([], ["--follow"], ["--json"]):
        assert main(["gctrace", str(path), *more]) == 2
        assert "no gctrace line" in capsys.readouterr().err
    assert main(["gctrace", str(tmp_path / "none")]) == 2


def test_the_monitor_reads_what_the_installed_go_prints() -> None:
    """The go command is a Go program: it prints its own trace."""
    go = program("go")
    env = os.environ | {"GODEBUG": "gctrace=1,gcpacertrace=1,scavtrace=1", "GOGC": "20"}
    traced = subprocess.Popen(
        [go, "list", "std"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    command = [sys.executable, "-m", "gcsim", "gctrace", "--follow", "--json", "-"]
    with traced:
        done = subprocess.run(
            command,
            stdin=traced.stdout,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=HERE.parent,
        )
    assert done.returncode == 0, done.stderr
    numbers = [json.loads(line)["number"] for line in done.stdout.splitlines()]
    assert numbers and "runtime" in done.stderr.split()
    assert "gc 1 @" not in done.stderr and "pacer:" not in done.stderr
