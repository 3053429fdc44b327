"""Profiles: read, shown as pprof shows them, compared, written so that Go's tool opens them."""

from __future__ import annotations

import gzip
import io
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import go_pprof

import gcsim
from gcsim._flame import _DARK, _LIGHT
from gcsim._pprof import (
    Binary,
    Label,
    Location,
    Profile,
    Sample,
    SampleType,
    StackFrame,
    percent_text,
    value_text,
)
from gcsim._pprof_wire import _bytes, _number, _packed, _varint

HERE = Path(__file__).parent
FOLDERS = [HERE / "data" / "pprof", HERE.parent.parent / "shared" / "data" / "pprof"]
PROFILES = [path for folder in FOLDERS for path in sorted(folder.glob("*.pb.gz"))]
TABLES = [path for folder in FOLDERS for path in sorted(folder.glob("*.top.txt"))]
TEXTS = [path for folder in FOLDERS for path in sorted(folder.glob("*.debug1.txt.gz"))]
HEAP = HERE / "data" / "pprof" / "leaks-default.heap.pb.gz"


def name(path: Path) -> str:
    return f"{path.parent.parent.parent.name}-{path.name}"


def rows(text: str) -> list[str]:
    """What follows the header, whose lines differ: file, build, time."""
    lines = text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("Showing")) :]


# --- tables ---


@pytest.mark.parametrize("table", TABLES, ids=name)
def test_top_equals_what_go_tool_pprof_printed(table: Path) -> None:
    """The heap tables were made with -edgefraction=0, goroutines with -cum, all with 60 rows."""
    program, kind = table.name.split(".")[:2]
    gos = table.read_text(encoding="utf-8")
    shown = re.search(r"^Type: (\w+)$", gos, re.MULTILINE)
    assert shown
    top = gcsim.read_pprof(table.with_name(f"{program}.{kind}.pb.gz")).top(
        60, shown[1], cum=kind.startswith("goroutine"), edge_fraction=0 if kind == "heap" else 0.001
    )
    assert rows(str(top)) == rows(gos)
    assert len(top.rows) > 5 and top.rows[0].cum > 0


def frame(function: str, line: int = 0) -> StackFrame:
    return StackFrame(function, "a.go", line)


def profile(*stacks: tuple[int, str], unit: str = "count") -> Profile:
    """Stacks as "leaf<caller<caller"; "a+b" is a inlined into b."""
    return Profile(
        (SampleType("events", unit),),
        tuple(
            Sample(
                (value,),
                tuple(Location(tuple(map(frame, part.split("+")))) for part in text.split("<")),
            )
            for value, text in stacks
        ),
    )


def test_a_function_that_calls_itself_counts_once() -> None:
    top = profile((3, "f<g<f<main"), (4, "g<main"), (-7, "h<main")).top()
    assert [(r.name, r.flat, r.cum) for r in top.rows] == [
        ("h", -7, -7),
        ("g", 4, 7),
        ("f", 3, 3),
    ]  # what adds up to nothing is not shown
    assert top.total == 14


def test_order_and_inlining() -> None:
    p = profile((5, "f+g<main"), (5, "h<f<main"), (1, "x<main"), (9, "x<f+g<main"))
    top = p.top()
    assert [r.name for r in top.rows] == ["x", "f", "h", "g", "main"]
    assert {r.name: r.inline for r in top.rows}["f"] == "(partial-inline)"
    assert {r.name: r.inline for r in p.top(3).rows} == {"x": "", "f": "", "h": ""}
    assert [r.name for r in p.top(2, cum=True).rows] == ["main", "f"]
    both = profile((1, "f<g"), (1, "f+g"))  # of the same caller
    assert both.top().rows[0].inline == "" == profile((1, "f+g"), (1, "f<g")).top().rows[0].inline
    assert profile((1, "f+g")).top().rows[0].inline == "(inline)"
    assert p.top(0).rows == () and p.top(-1).rows == ()


def test_a_location_without_symbols_is_its_address() -> None:
    here = Location((), 0x1234, Binary(file="/bin/prog"))
    p = Profile((SampleType("n", ""),), (Sample((1,), (here, Location(()))),))
    assert [r.name for r in p.top().rows] == ["0000000000001234 [prog]", "<unknown>"]


def test_units_andpercent_text_as_pprof_writes_them() -> None:
    assert value_text(1536, "bytes", "minimum") == "1.50kB"
    assert value_text(-(3 << 20), "bytes", "kB") == "-3072kB"
    assert value_text(1500, "nanoseconds", "minimum") == "1.50us"
    assert value_text(0, "bytes", "minimum") == "0" and value_text(7, "count", "minimum") == "7"
    assert value_text(7, "goats", "minimum") == "7"
    assert [percent_text(n, 10000) for n in (0, 1, 123, 9996, 10005)] == [
        "    0%",
        " 0.01%",
        " 1.23%",
        "  100%",
        "  100%",
    ]
    assert percent_text(5, 0) == "    0%"


def test_tree() -> None:
    tree = profile((3, "f<g<main"), (4, "g<main"), (1, "f<main")).tree()
    assert [(depth, node.name, node.flat, node.cum) for depth, node in tree.walk()] == [
        (0, "all", 0, 8),
        (1, "main", 0, 8),
        (2, "g", 4, 7),
        (3, "f", 3, 3),
        (2, "f", 1, 1),
    ]
    assert str(tree).splitlines()[2] == "         7 87.50%     g"
    assert len(tree.text(0.5).splitlines()) == 3
    deep = profile((1, "<".join(f"f{i}" for i in range(20_000)))).tree()
    assert sum(1 for _ in deep.walk()) == 20_001 and len(deep.text()) < 10_000_000


def test_difference() -> None:
    old, new = profile((3, "f<main"), (4, "g<main")), profile((5, "f<main"), (4, "g<main"))
    assert new - old == profile((2, "f<main"))
    assert [(r.name, r.flat) for r in (old - new).top().rows] == [("f", -2), ("main", 0)]
    assert (new - new).samples == () and "0 samples" in repr(new - new)
    with pytest.raises(gcsim.OptionError, match="no difference"):
        new - profile((1, "f"), unit="bytes")
    with pytest.raises(TypeError):
        new - 1  # type: ignore[operator]


def test_a_sample_type_that_is_not_there() -> None:
    p = gcsim.read_pprof(HEAP)
    with pytest.raises(gcsim.OptionError, match="no 'space'; it has alloc_objects, "):
        p.top(by="space")
    assert replace(p, default_type="alloc_space").top().sample_type.type == "alloc_space"
    with pytest.raises(gcsim.OptionError, match="2 values for 1 types"):
        Profile((SampleType("a", "b"),), (Sample((1, 2), ()),))


def test_shown() -> None:
    p = gcsim.read_pprof(HEAP)
    assert repr(p).startswith("<Profile of alloc_objects, alloc_space, inuse_objects, inuse_space:")
    assert "main.leakMap" in str(p) and "main.leakMap" in p._repr_html_()
    assert repr(p.top(3)) == "<top: 3 of 18 functions by inuse_space>"
    assert "nodes by inuse_space" in repr(p.tree())
    with pytest.raises(AttributeError):
        p.period = 1  # type: ignore[misc]


# --- flame graphs ---


def test_boxes_lie_in_their_callers_and_are_as_wide_as_their_values() -> None:
    graph = profile((3, "f<g<main"), (4, "g<main"), (1, "f<main"), (2, "idle")).tree().flame_graph()
    assert [(b.depth, b.name, b.x, b.width) for b in graph.boxes] == [
        (0, "all", 0, 1),
        (1, "main", 0, 0.8),
        (1, "idle", 0.8, 0.2),
        (2, "g", 0, 0.7),
        (2, "f", 0.7, pytest.approx(0.1)),
        (3, "f", 0, 0.3),
    ]
    assert graph.total == 10 and graph.hidden == 0 and not graph.is_difference
    assert graph.told(graph.boxes[3]) == "g: 7 (70.00%), in itself 4 (40.00%)"
    assert repr(graph) == "<flame graph of events: 6 boxes>"


def test_a_difference_shows_what_grew_and_what_shrank() -> None:
    old, new = profile((9, "f<main"), (4, "g<main")), profile((2, "f<main"), (7, "g<main"))
    graph = (new - old).tree().flame_graph()
    assert graph.is_difference and graph.total == 10
    drawn = {b.name: (b.width, b.cum) for b in graph.boxes}
    assert drawn == {"all": (1, -4), "main": (1, -4), "f": (0.7, -7), "g": (0.3, 3)}
    svg = graph.svg()
    assert svg.count('class="up"') == 1 and svg.count('class="down"') == 3
    assert (new - new).tree().flame_graph().boxes == ()


def test_a_flame_graph_is_a_whole_picture_whatever_the_names(tmp_path: Path) -> None:
    names = [
        "a<b>&\"'",
        "\0\x1b[31m",
        "]]>",
        "</title>",
        "\udc80",
        "\ufffe",
        "π" * 300,
        "$x$ \\frac",
    ]
    frames = tuple(Location((frame(n),)) for n in names)
    p = Profile((SampleType("n", "bytes"),), (Sample((1 << 40,), frames),))
    graph = p.tree().flame_graph()
    for suffix in ("svg", "html"):
        graph.write(tmp_path / f"a.{suffix}")
        assert "http://" not in (tmp_path / f"a.{suffix}").read_text("utf-8").replace(
            "http://www.w3.org/2000/svg", ""
        )
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    width = float(root.attrib["width"])
    rects = root.findall(".//{*}rect")
    assert len(rects) == len(graph.boxes) == 9 and "1TB" in root.attrib["aria-label"]
    for rect in rects:
        x, w = float(rect.attrib["x"]), float(rect.attrib["width"])
        assert x >= 0 and x + w <= width
        assert float(rect.attrib["y"]) + 17 <= float(root.attrib["height"])
    assert len(root.findall(".//{*}title")) == 9
    with pytest.raises(gcsim.OptionError, match="svg"):
        graph.write(tmp_path / "a.pdf")
    pytest.importorskip("matplotlib")
    graph.write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_too_small_or_too_deep_is_counted() -> None:
    p = profile((1, "tiny"), (100_000, "<".join(f"f{i}" for i in range(1000))))
    graph = p.tree().flame_graph()
    assert len(graph.boxes) == 256 and graph.hidden == 1002 - 256
    assert f"{1002 - 256} boxes" in graph.title()


def test_labels_can_be_read_on_every_box() -> None:
    """Contrast as WCAG 2 defines it: black on light boxes, white on dark ones."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert all((luminance(c) + 0.05) / 0.05 >= 7 for c in _LIGHT.values())
    assert all(1.05 / (luminance(c) + 0.05) >= 7 for c in _DARK.values())


# --- files ---


@pytest.mark.parametrize("path", PROFILES, ids=name)
def test_what_is_written_is_read_again(path: Path, tmp_path: Path) -> None:
    p = gcsim.read_pprof(path)
    assert gcsim.read_pprof(p.to_bytes()) == p == gcsim.read_pprof(p.to_bytes(compress=False))
    out = tmp_path / "a.pb.gz"
    p.write(out)
    buffer = io.BytesIO()
    p.write(buffer, compress=False)
    buffer.seek(0)
    assert gcsim.read_pprof(out) == p == gcsim.read_pprof(str(out)) == gcsim.read_pprof(buffer)
    assert out.read_bytes() == p.to_bytes() and os.listdir(tmp_path) == ["a.pb.gz"]


def test_what_go_wrote_is_all_there() -> None:
    p = gcsim.read_pprof(HEAP)
    raw = gzip.decompress(HEAP.read_bytes())
    assert p.period_type == ("space", "bytes") and p.period == 512 << 10
    assert p.time_ns // 10**18 == 1 and p.sample_types[3] == ("inuse_space", "bytes")
    assert {label.key for s in p.samples for label in s.labels} == {"bytes"}
    first = p.binaries[0]
    assert (first.file, first.start, first.has_functions) == ("leaks", 0x400000, True)
    assert len(first.build_id) == 40 and first.build_id.encode() in raw
    assert any(len(location.frames) > 1 for s in p.samples for location in s.stack)
    leaf = p.samples[0].stack[0].frames[0]
    assert leaf.file.endswith(".go") and leaf.line > 0 and leaf.start_line > 0


@pytest.mark.parametrize("path", PROFILES[:3], ids=name)
def test_go_tool_pprof_opens_what_is_written(path: Path, tmp_path: Path) -> None:
    """It says the same of Go's file and of ours; our table is the one that it prints."""
    ours, plain = tmp_path / "ours.pb.gz", tmp_path / "ours.pb"
    p = gcsim.read_pprof(path)
    p.write(ours)
    p.write(plain, compress=False)
    for option in ("-top", "-tags", "-traces", "-raw", "-peek=main"):
        said = go_pprof(option, path)
        assert len(said.splitlines()) > 5 or option == "-tags"
        assert go_pprof(option, ours) == said == go_pprof(option, plain)
    for sample_type in p.sample_types:
        table = go_pprof("-top", "-nodefraction=0", f"-sample_index={sample_type.type}", ours)
        assert rows(table) == rows(str(p.top(80, sample_type.type)))


def test_go_tool_pprof_shows_the_difference_that_is_written(tmp_path: Path) -> None:
    p = gcsim.read_pprof(HEAP)
    most = max(range(len(p.samples)), key=lambda i: p.samples[i].values[3])
    grown = replace(p.samples[most], values=tuple(3 * v for v in p.samples[most].values))
    new = replace(p, samples=(*p.samples[:most], grown, *p.samples[most + 1 :]))
    for profile, file in ((p, "old"), (new, "new"), (new - p, "difference")):
        profile.write(tmp_path / file)
    by_go = go_pprof("-top", "-nodefraction=0", f"-diff_base={tmp_path / 'old'}", tmp_path / "new")
    written = go_pprof("-top", "-nodefraction=0", tmp_path / "difference")

    def counted(text: str) -> list[tuple[str, str, str]]:
        return [(r.split()[5], r.split()[0], r.split()[3]) for r in rows(text)[2:]]

    assert counted(by_go) == counted(written) and len(counted(written)) > 3
    assert rows(str((new - p).top())) == rows(written)


def test_a_hand_made_profile_with_everything_in_it(tmp_path: Path) -> None:
    binary = Binary(0x1000, 0x2000, 0x10, "prog", "abc", True, False, True, True)
    stack = (Location((StackFrame("f", "ä.py", 7, 3, "_f", 2),), 0x1001, binary, True),)
    labels = (Label("who", "mé"), Label("bytes", -48, "bytes"), Label("bytes", 1 << 40))
    p = Profile(
        (SampleType("n", "count"), SampleType("b", "bytes")),
        (Sample((-(1 << 63), (1 << 63) - 1), stack, labels), Sample((0, 0), ())),
        (binary, Binary(file="other")),
        SampleType("space", "bytes"),
        -5,
        1_700_000_000_000_000_000,
        10**9,
        ("first", "", "second"),
        "n",
        "drop.*",
        "keep",
        "https://example.org",
    )
    assert gcsim.read_pprof(p.to_bytes()) == p
    assert gcsim.read_pprof(p.to_bytes(compress=False)) == p
    p.write(tmp_path / "made")
    assert "f ä.py:7:2" in go_pprof("-raw", tmp_path / "made")
    with pytest.raises(gcsim.RangeError, match="64 bits"):
        replace(p, period=1 << 64).to_bytes()
    with pytest.raises(gcsim.RangeError):
        replace(p, samples=(Sample((0, 1 << 64), ()),)).to_bytes()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pb.gz"
    p = gcsim.read_pprof(HEAP)
    p.write(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        (p - p).write(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.pb.gz"]
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space"):
            p.write("/dev/full")
        with pytest.raises(OSError, match="No space"), open("/dev/full", "wb", 0) as file:
            p.write(file)


# --- text ---

TEXT_DATA = gzip.decompress(TEXTS[0].read_bytes())


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_the_text_of_a_profile_says_what_the_binary_one_does(path: Path) -> None:
    """They were taken one after the other, so allocations of the first are in the second."""
    pytest.importorskip("gcsim.lowlevel")
    text = gcsim.read_pprof(path)
    binary = gcsim.read_pprof(path.with_name(path.name.replace(".debug1.txt.gz", ".pb.gz")))
    assert text.sample_types == binary.sample_types and text.period == binary.period
    assert gcsim.read_pprof(text.to_bytes()) == text
    by = binary.default_type or binary.sample_types[-1].type
    theirs = {row.name: row for row in binary.top(by=by).rows}
    ours = {row.name: row for row in text.top(by=by).rows}
    shared = [n for n in ours if n.startswith("main.leak")]
    assert len(shared) >= 1 and all(ours[n].cum == theirs[n].cum for n in shared)


def test_text_without_symbols_with_labels_and_with_statistics() -> None:
    data = (
        b'mutex profile: total 5\n3 @ 0x1 0x2\n# labels: {"a":"b"}\n#\t0x1\n\n2 @ 0x9 0xa\n\n\n'
        b"# runtime.MemStats\n# Alloc = 1\n"
    )
    p = gcsim.read_pprof(data)
    assert p.sample_types == (("mutex", "count"),)
    assert [(s.values, [loc.address for loc in s.stack]) for s in p.samples] == [
        ((3,), [1]),
        ((2,), [9, 10]),
    ]


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"heap profile: 1: 2 [3: 4] @ heap/2\nwhat\n", 35),
        (b"heap profile: 1: 2 [3: 4] @ heap/2\n1: 2 [3: 4] @ 0x1\n#what\n", 53),
        (b"heap profile: 1: 2 [3: 4] @ heap/2\n1: 2 [3: 4] @ 0x1\n#\t0x1", 58),
        (b"heap profile: 1: 2 [3: 4] @ heap/2\n1 @ 0x1\n\n", 35),
        (b"goroutine profile: total 3\n3 @ 0x1\n#\t0x1\tf+0x1\n", 35),
        (b"goroutine profile: total 3\n3 @ 0x1\n#\t0x1\tf\ta:1\n", 35),
        (b"goroutine profile: total 3\n3 @ 0x1\n#\t0x1\tf+0x1\ta:b\n", 35),
        (b"goroutine profile: total 3\n3 @ 0x1\n\t\t\n", 35),
        (b"goroutine profile: total 3\n3 @ 0x1\n#\t0x1" + b"\tf+0x1" * 100_000, 35),
        (b"goroutine profile: total 3\n" + b"9" * 40 + b" @ 0x1\n\n", 27),
    ],
)
def test_damaged_text_says_at_which_byte(data: bytes, offset: int) -> None:
    with pytest.raises(gcsim.ProfileFormatError) as caught:
        gcsim.read_pprof(data)
    assert caught.value.offset == offset


@settings(deadline=None)
@given(st.integers(0, 3000), st.binary(max_size=20))
def test_changed_text_never_does_worse_than_an_error(at: int, junk: bytes) -> None:
    try:
        p = gcsim.read_pprof(TEXT_DATA[:at] + junk + TEXT_DATA[at + len(junk) :])
    except gcsim.ProfileFormatError as error:
        assert 0 <= error.offset <= len(TEXT_DATA) + 20
    else:
        assert str(p)


# --- bad input ---

RAW = gzip.decompress(HEAP.read_bytes())
STRINGS = _bytes(6, b"") + _bytes(6, b"n") + _bytes(6, b"count")
TYPE = _bytes(1, _number(1, 1) + _number(2, 2))


@pytest.mark.parametrize(
    ("data", "offset", "what"),
    [
        (b"", 0, "no type of samples"),
        (b"\x0a", 1, "cut off"),
        (b"\x0a\x05abc", 0, "a field of 5 bytes where 3 are left"),
        (b"\xff" * 11, 0, "more than 64 bits"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", 1, "more than 64 bits"),
        (b"\x0b", 0, "kind 3"),
        (b"\x00\x00", 0, "without a number"),
        (_bytes(6, b"n"), 0, "first string"),
        (STRINGS + _bytes(1, _number(1, 9)), len(STRINGS), "string 9 of 3"),
        (_number(1, 5), 0, "where a message belongs"),
        (_number(6, 5), 0, "where a text belongs"),
        (STRINGS + TYPE + _bytes(12, b"x"), len(STRINGS + TYPE), "where a number belongs"),
        (STRINGS + TYPE + _bytes(2, b""), len(STRINGS + TYPE), "0 values for 1 types"),
        (
            STRINGS + TYPE + _bytes(2, _packed(2, [5]) + _packed(1, [1])),
            len(STRINGS + TYPE) + 7,
            "no location 1",
        ),
        (STRINGS + TYPE + _bytes(4, _number(3, 1)), len(STRINGS + TYPE), "0 is not allowed"),
        (STRINGS + TYPE + _bytes(4, _number(1, 1)) * 2, len(STRINGS + TYPE) + 4, "1 is taken"),
        (STRINGS + TYPE + _bytes(4, _number(1, 1) + _number(2, 8)), 18, "no mapping 8"),
        (
            STRINGS + TYPE + _bytes(4, _number(1, 1) + _bytes(4, _number(1, 7))),
            len(STRINGS + TYPE) + 4,
            "no function 7",
        ),
    ],
)
def test_damage_says_at_which_byte(data: bytes, offset: int, what: str) -> None:
    with pytest.raises(gcsim.ProfileFormatError, match=f"byte {offset}: .*{what}") as caught:
        gcsim.read_pprof(data)
    assert caught.value.offset == offset and isinstance(caught.value, ValueError)
    with pytest.raises(gcsim.ProfileFormatError, match=what):
        gcsim.read_pprof(gzip.compress(data))


def test_damaged_and_enormous_files(tmp_path: Path) -> None:
    whole = HEAP.read_bytes()
    for broken in (whole[:-100], whole[:2], whole[:200] + bytes(50) + whole[250:], whole[:-8]):
        with pytest.raises(gcsim.ProfileFormatError, match="gzip"):
            gcsim.read_pprof(broken)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(100 << 20)))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(gcsim.ProfileFormatError, match="more than max_bytes=16777216") as caught:
        gcsim.read_pprof(bomb)
    assert str(bomb) in str(caught.value)
    with pytest.raises(gcsim.ProfileFormatError, match="max_bytes=100,"):
        gcsim.read_pprof(HEAP, max_bytes=100)
    assert gcsim.read_pprof(HEAP, max_bytes=len(RAW)) == gcsim.read_pprof(HEAP)
    with pytest.raises(FileNotFoundError):
        gcsim.read_pprof(tmp_path / "none")
    with pytest.raises(gcsim.ProfileFormatError):
        gcsim.read_pprof(HERE / "test_pprof.py")


def test_every_truncation_is_an_error_or_a_shorter_profile() -> None:
    for size in range(0, len(RAW), 7):
        try:
            p = gcsim.read_pprof(RAW[:size])
        except gcsim.ProfileFormatError as error:
            assert 0 <= error.offset <= size
        else:  # cut between two fields: what is left is whole
            assert len(p.samples) <= 12 and str(p.top())


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(RAW) - 1), st.binary(min_size=1, max_size=6)), max_size=4)
)
def test_changed_bytes_never_do_worse_than_an_error(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(RAW)
    for at, new in changes:
        data[at : at + len(new)] = new
    try:
        p = gcsim.read_pprof(bytes(data))
    except gcsim.ProfileFormatError as error:
        assert 0 <= error.offset <= len(data)
        return
    assert str(p) and str(p.tree())
    assert gcsim.read_pprof(p.to_bytes()).samples == p.samples


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        gcsim.read_pprof(data)
    except gcsim.ProfileFormatError as error:
        assert 0 <= error.offset <= len(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
I64 = st.integers(-(1 << 63), (1 << 63) - 1)
FRAMES = st.builds(StackFrame, TEXT, TEXT, I64, st.integers(0, 9), TEXT, st.integers(0, 9))
BINARIES = [Binary(1, 2, 3, "a", "b"), Binary(has_inline_frames=True)]
LOCATIONS = st.builds(
    Location,
    st.lists(FRAMES, max_size=3).map(tuple),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([None, *BINARIES]),
    st.booleans(),
)
LABELS = st.one_of(
    st.builds(Label, TEXT, TEXT.filter(bool), st.just("")), st.builds(Label, TEXT, I64, TEXT)
)
SAMPLES = st.builds(
    Sample,
    st.tuples(I64, I64),
    st.lists(LOCATIONS, max_size=4).map(tuple),
    st.lists(LABELS, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(st.lists(SAMPLES, max_size=4), st.lists(TEXT, max_size=3), I64)
def test_any_profile_is_written_and_read_again(
    samples: list[Sample], comments: list[str], period: int
) -> None:
    types = (SampleType("a", "b"), SampleType("c", "bytes"))
    p = Profile(types, tuple(samples), tuple(BINARIES), types[0], period, comments=tuple(comments))
    assert gcsim.read_pprof(p.to_bytes()) == p
    sums = Counter[str]()
    for sample in p.samples:
        names = [f.function for f, _ in sample.frames()]
        if names:
            sums[names[0]] += sample.values[0]
    top = {row.name: row.flat for row in p.top(by="a").rows if row.flat}
    assert top == {key: value for key, value in sums.items() if value}
    assert (p - p).samples == () and str(p) and str(p.tree())


def test_numbers_that_are_not_packed_are_read() -> None:
    sample = _number(2, 5) + _varint(2 << 3) + b"\x00" + _number(1, 3)
    data = STRINGS + TYPE * 2 + _bytes(2, sample) + _bytes(4, _number(1, 3)) + _number(99, 1)
    p = gcsim.read_pprof(data)
    assert p.samples[0].values == (5, 0) and len(p.samples[0].stack) == 1
