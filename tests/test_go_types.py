"""`python -m gcsim heap --exe`: types of the objects of a Go dump, from the DWARF of the program."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import struct
import subprocess
import sys
import zlib
from array import array
from pathlib import Path
from typing import Any

import pytest
from needs import missing, program

import gcsim
from gcsim.__main__ import main
from gcsim._dwarf import Dwarf
from gcsim._heap_page import page
from gcsim._heap_report import HeapReport, report, text

HERE = Path(__file__).parent
PROGRAM = HERE / "data" / "heap" / "types.go"
RAW = HERE / "data" / "heap" / "leaks.dump.gz"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Go program, "types", and of a dump of it."""
    if importlib.util.find_spec("elftools") is None:
        missing("pyelftools")
    folder = tmp_path_factory.mktemp("go")
    command = [program("go"), "build", "-trimpath", "-o", folder / "types", PROGRAM]
    subprocess.run(command, check=True)
    subprocess.run([folder / "types", folder / "types.dump"], check=True)
    return folder


def told(place: Path, exe: str = "types", **options: Any) -> HeapReport:
    dump = place / "types.dump"
    return report(gcsim.open_graph(dump), dump, exe=place / exe, rows=10_000, **options)


@pytest.fixture(scope="module")
def made(place: Path) -> HeapReport:
    return told(place)


def holder(made: HeapReport, root: str) -> int:
    """The object that a global points to."""
    snap = made.snapshot
    (at,) = [i for i, name in enumerate(snap._root_names) if name == root]
    return int(memoryview(snap._columns[3]).cast("I")[at])


# What types.go makes, counted there.
COUNTS = {
    "main.node": 10 + 2 + 2 + 1 + 1 + 1 + 3,
    "main.tree": 15,
    "[]main.item": 1,
    "main.record": 300 + 5,
    "map<string,*main.record>": 1,
    "map<int,*main.record>": 1,
    "map.group[int]*main.record": 1,  # a small map is one group
    "hchan<main.message>": 1,
    "[]main.message": 1,
    "main.square": 2 + 2 + 1,  # in two variables, in an array of interfaces, in a map in it
    "[]interface {}": 2,
    # Other pointers lead to their first fields and say so.
    "main.counter": 3,
    "main.point": 1 + 40,
    "internal/sync.entry[interface {},interface {}]": 40,
    "[]sync.Mutex": 0,
    "main.chunk": 3,
    "main.badge": 2,
    "[]*main.node": 2,
    "map<int,*main.square>": 1,
    "map.group[int]*main.square": 1,
}


def test_objects_are_counted_by_type(made: HeapReport) -> None:
    rows = {row.name: row.objects for row in made.histogram}
    assert {name: rows.get(name, 0) for name in COUNTS} == COUNTS
    # Texts of the trees, items, records, messages and the array of words.
    assert rows["[]uint8"] >= 15 + 20 + 300 + 3 + 4
    tables = rows["table<string,*main.record>"]
    assert 1 <= rows["[]map.group[string]*main.record"] == tables
    assert not [name for name in rows if name.startswith("[]table<")]


def test_what_the_compiler_lays_out_beside_a_variable_is_of_the_variable(made: HeapReport) -> None:
    """A global that points to a composite literal: neither has a symbol that says more."""
    snap = made.snapshot
    for root in ("main.laid.by.first", "main.laid.rows[1].badge"):
        assert snap.type_name(holder(made, root)) == "main.badge"


def test_all_that_a_global_leads_to_has_its_type(made: HeapReport) -> None:
    """No pointer of the program's own types leads to an object without a type, and each object is
    of the type that the pointer's field has."""
    snap = made.snapshot
    leads = {
        ("main.node", "next"): "main.node",
        ("main.tree", "left"): "main.tree",
        ("main.tree", "label"): "[]uint8",
        ("main.record", "key"): "[]uint8",
        ("[]main.item", "[3].next"): "main.node",
        ("[]main.message", "[1].from"): "main.tree",
        ("[]*main.node", "[2]"): "main.node",
        ("map.group[int]*main.record", "slots[2].elem"): "main.record",
        ("hchan<main.message>", "buf"): "[]main.message",
        ("map<string,*main.record>", "dirPtr"): "[]*table<string,*main.record>",
        ("map<int,*main.record>", "dirPtr"): "map.group[int]*main.record",
    }
    seen = set()
    for i in range(len(snap)):
        kind = snap.type_name(i)
        for offset, target in snap.edges(i) if kind and "main." in kind else ():
            name = snap.field(i, offset)
            assert name is not None, (kind, offset)
            if (kind, name) in leads:
                assert snap.type_name(target) == leads[kind, name], (kind, name)
                seen.add((kind, name))
    assert seen == set(leads)


def test_how_sure_types_are(made: HeapReport, place: Path, capsys: Any) -> None:
    assert made.known is not None
    sure = [made.known.sure(i) for i in range(len(made.snapshot))]
    for i, word in enumerate(sure):
        assert (word == "unknown") == (made.snapshot.type_name(i) is None)
    by_type = made.sure_counts
    assert by_type["main.node"] == {"declared": 2, "spread": 18}
    assert by_type["main.tree"] == {"declared": 1, "spread": 14}
    assert by_type["main.record"] == {"spread": 305}
    assert by_type["hchan<main.message>"] == by_type["[]main.item"] == {"declared": 1}
    shares = made.shares
    assert sum(objects for objects, _ in shares.values()) == made.objects
    assert sum(size for _, size in shares.values()) == made.bytes
    assert shares["unknown"][0] < made.objects / 20  # the runtime's own

    dump, exe = str(place / "types.dump"), str(place / "types")
    assert main(["heap", dump, "--exe", exe, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["types"]["sure"] == by_type
    assert said["types"]["objects"] == {word: sure.count(word) for word in shares}
    assert {h["number"]: h["sure"] for h in said["top"]} == {
        h["number"]: sure[h["number"]] for h in said["top"]
    }
    for words in (text(made), page(made)):
        assert "main.record" in words
        assert "disputed: another such field" in words
        assert "that only stacks, closures" in words


def test_paths_have_names_of_fields(made: HeapReport) -> None:
    snap = made.snapshot
    items = holder(made, "main.cache.items")
    (first,) = [to for off, to in snap.edges(items) if snap.field(items, off) == "[3].next"]
    (second,) = [to for _, to in snap.edges(first)]
    words = snap.why_alive(second).words
    assert f"main.cache.items points to object {items} ([]main.item, 896 B)" in words
    assert f"whose [3].next leads to object {first} (main.node, 16 B)" in words
    assert f"whose next leads to object {second} (main.node, 16 B)" in words
    assert {"main.words[0]", "main.words[3]", "main.nested[1].p"} <= set(snap._root_names)
    (suspect,) = [s for s in made.suspects if s.path.root == "main.cache.byName"]
    assert "300 of main.record" in suspect.words
    assert "whose groups.data leads to" in suspect.words


def test_a_pointer_that_says_another_type_is_a_dispute(made: HeapReport) -> None:
    """Two variables that hold one object of 16 bytes as two types: one has it as the type that is
    kept, and the report says that this is disputed."""
    from gcsim._dwarf import GoField, GoType
    from gcsim._elf import changed
    from gcsim._go_types import _marks
    from gcsim._snapshot_types import Types

    text_, number = GoType("scalar", "main.text", 16), GoType("scalar", "main.number", 16)
    first = GoField("as_text", 0, GoType("pointer", "*main.text", 8, elem=text_))
    second = GoField("as_number", 8, GoType("pointer", "*main.number", 8, elem=number))
    both = GoType("struct", "main.both", 16, fields=(first, second))
    types = Types(())
    at = types.number(both)
    types.close()
    snap = changed(
        made.snapshot,
        _columns=(
            array("Q", [16, 16]).tobytes(),
            array("Q", [0, 2, 2]).tobytes(),
            array("I", [1, 1]).tobytes(),
            array("I", [0]).tobytes(),
        ),
        _noscan=b"\0\1",
        _edge_off=array("I", [0, 8]).tobytes(),
        _edge_dst_off=array("I", [0, 0]).tobytes(),
        _type_names=tuple(types.names),
        _types=array("I", [at, types.number(text_)]).tobytes(),
    )
    claimed = array("I", [at, 0xFFFFFFFF])
    assert _marks(snap, types, claimed, types.columns()) == bytes([0, 2])


def test_interfaces_say_what_they_hold(made: HeapReport) -> None:
    snap = made.snapshot
    boxes = holder(made, "main.boxes")
    held = {snap.field(boxes, off): to for off, to in snap.edges(boxes)}
    assert {name: snap.type_name(to) for name, to in held.items()} == {
        "[0]": "main.square",
        "[1]": "main.square",
        "[2]": "main.point",
        "[3]": "map<int,*main.square>",
    }
    for root in ("main.drawn", "main.anyOne"):
        assert snap.type_name(holder(made, root)) == "main.square"
    (node,) = [to for _, to in snap.edges(holder(made, "main.drawn"))]
    assert "main.drawn points to object" in snap.why_alive(node).words
    assert "whose of leads to object" in snap.why_alive(node).words
    assert snap.type_name(holder(made, "main.shared.v")) == "main.node"


def test_a_recorded_graph_has_no_words_of_interfaces(place: Path, made: HeapReport) -> None:
    """Contents of objects do not get into a recording: types in interfaces are unknown then."""
    path = place / "types.npz"
    gcsim.open_graph(place / "types.dump").save_npz(path)
    found = report(gcsim.open_graph(path), path, exe=place / "types", rows=10_000)
    rows = {row.name: row.objects for row in found.histogram}
    assert rows["main.record"] == COUNTS["main.record"]
    assert "main.square" not in rows


@pytest.mark.slow
def test_a_program_that_was_moved(place: Path, made: HeapReport) -> None:
    """A position-independent program runs at other addresses than its binary says."""
    exe = place / "moved"
    command = [program("go"), "build", "-trimpath", "-buildmode=pie", "-o", exe, PROGRAM]
    subprocess.run(command, check=True)
    dump = place / "moved.dump"
    subprocess.run([exe, dump], check=True)
    packed = place / "moved.dump.gz"
    packed.write_bytes(gzip.compress(dump.read_bytes(), 1))
    found = report(gcsim.open_graph(packed), packed, exe=exe, rows=10_000)
    rows = {row.name: row.objects for row in found.histogram}
    assert {name: rows.get(name, 0) for name in COUNTS} == COUNTS


# ---- other binaries ----


def test_without_dwarf_there_are_names_only(place: Path, capsys: Any) -> None:
    command = [program("go"), "build", "-trimpath", "-ldflags=-w", "-o", place / "bare", PROGRAM]
    subprocess.run(command, check=True)
    made = told(place, "bare")
    assert made.known is None
    assert {"main.list", "main.root", "main.inbox"} <= set(made.snapshot._root_names)
    assert "main.record" not in {row.name for row in made.histogram}
    assert any("has no DWARF (built with -ldflags=-w" in said for said in made.unknown)
    assert "types:" not in text(made)
    assert "How sure" not in page(made)


def test_without_the_package_there_are_names_only(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    made = told(place)
    assert made.known is None
    assert "main.list" in made.snapshot._root_names
    assert any("pip install 'gcsim[go]'" in said for said in made.unknown)


def test_a_binary_for_another_machine_is_refused(place: Path, tmp_path: Path, capsys: Any) -> None:
    data = bytearray((place / "types").read_bytes())
    struct.pack_into("<H", data, 18, 183)  # e_machine: EM_AARCH64
    (tmp_path / "arm").write_bytes(data)
    assert main(["heap", str(place / "types.dump"), "--exe", str(tmp_path / "arm")]) == 2
    said = capsys.readouterr().err
    assert "is a program for arm64, the dump is of one for amd64" in said


def test_another_build_is_refused(place: Path, tmp_path: Path, capsys: Any) -> None:
    """What a dump says of the segments of its program tells; what gcsim has written of a dump
    says nothing of them, and is read."""
    more = PROGRAM.read_text() + "\nvar more [64]*node\n\nfunc init() { more[1] = list }\n"
    (tmp_path / "types.go").write_text(more)
    exe = tmp_path / "other"
    subprocess.run([program("go"), "build", "-o", exe, tmp_path / "types.go"], check=True)
    assert main(["heap", str(place / "types.dump"), "--exe", str(exe)]) == 2
    assert "is not the program that was dumped, but another build" in capsys.readouterr().err

    written = tmp_path / "written.dump"
    assert main(["convert", str(place / "types.dump"), str(written)]) == 0
    found = report(gcsim.open_graph(written), written, exe=place / "types", rows=10_000)
    rows = {row.name: row.objects for row in found.histogram}
    assert rows["main.record"] == COUNTS["main.record"]


def debug_info(data: bytes) -> tuple[int, int, int]:
    """Where the section header of .debug_info lies, its bytes in the file, their count."""
    table = struct.unpack_from("<Q", data, 0x28)[0]
    entry, count, names = struct.unpack_from("<HHH", data, 0x3A)
    text_at = struct.unpack_from("<Q", data, table + names * entry + 24)[0]
    for i in range(count):
        name = struct.unpack_from("<I", data, table + i * entry)[0]
        if data[text_at + name :].startswith(b".debug_info\0"):
            return (table + i * entry, *struct.unpack_from("<QQ", data, table + i * entry + 24))
    raise AssertionError("no .debug_info")


def every_type(path: Path) -> int:
    """How many types the variables of a binary lead to."""
    dwarf = Dwarf(path)
    todo = [dwarf.type_at(at) for _, at in dwarf.variables.values()]
    seen = set()
    while todo:
        kind = todo.pop()
        if kind not in seen:
            seen.add(kind)
            todo += [t for t in (kind.elem, *(f.type for f in kind.fields)) if t is not None]
    return len(seen)


def test_what_would_unpack_to_too_much_is_refused(place: Path, tmp_path: Path) -> None:
    data = bytearray((place / "types").read_bytes())
    _, at, _ = debug_info(data)
    struct.pack_into("<Q", data, at + 8, 1 << 40)  # Elf64_Chdr.ch_size
    (tmp_path / "bomb").write_bytes(data)
    with pytest.raises(gcsim.DumpFormatError, match="would unpack to"):
        Dwarf(tmp_path / "bomb")


def unpacked(whole: bytes, info: bytes) -> bytes:
    """The binary with other entries: their section is put behind the file, unpacked."""
    data, (header, _, _) = bytearray(whole), debug_info(whole)
    struct.pack_into("<QQQ", data, header + 8, 0, 0, len(data))  # sh_flags, sh_addr, sh_offset
    struct.pack_into("<Q", data, header + 32, len(info))
    return bytes(data + info)


def test_types_that_cannot_be_are_refused(place: Path, tmp_path: Path) -> None:
    whole = (place / "types").read_bytes()
    _, at, size = debug_info(whole)
    info = zlib.decompress(whole[at + 24 : at + size])
    path = tmp_path / "odd"
    path.write_bytes(unpacked(whole, info))
    assert every_type(path) == every_type(place / "types")

    # main.item {name string; next *node; size [2]int64}: each field by name, offset, type.
    item = info.index(b"main.item\0\x28")  # of 40 bytes
    pair = info.index(b"next\0\x10", item) + 6
    typedef = info.index(b"main.item\0" + struct.pack("<I", item - 1))  # a code is before a name
    itself = bytearray(info)
    itself[pair : pair + 4] = struct.pack("<I", typedef - 1)
    short = bytearray(info)
    short[item + len(b"main.item\0")] = 24
    outside = bytearray(info)
    outside[pair : pair + 4] = b"\xff\xff\xff\x7f"
    for data, why in ((itself, "lies in itself"), (short, "beyond"), (outside, "no entry lies")):
        path.write_bytes(unpacked(whole, bytes(data)))
        with pytest.raises(gcsim.DumpFormatError, match=why):
            every_type(path)
        assert main(["heap", str(place / "types.dump"), "--exe", str(path)]) == 2


def test_damaged_binaries_are_refused_or_read(place: Path, tmp_path: Path) -> None:
    """Bytes of the file, of the unpacked entries, and its length."""
    whole = (place / "types").read_bytes()
    path = tmp_path / "damaged"
    path.write_bytes(whole)
    assert every_type(path) > 300
    header, at, size = debug_info(whole)
    chance = random.Random(7)
    info = zlib.decompress(whole[at + 24 : at + size])
    refused = 0
    for turn in range(60):
        data = bytearray(whole)
        if turn % 3 == 0:
            damaged = bytearray(info)
            for _ in range(20):
                damaged[chance.randrange(len(info))] = chance.randrange(256)
            data = bytearray(unpacked(whole, bytes(damaged)))
        elif turn % 3 == 1:
            for _ in range(6):
                data[
                    chance.randrange(64) if chance.random() < 0.5 else header + chance.randrange(64)
                ] = chance.randrange(256)
        else:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            every_type(path)
        except (gcsim.DumpFormatError, gcsim.NotThereYetError) as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ" + bytes(200), bytes(1000)])
def test_what_is_no_program_is_refused(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_bytes(data)
    assert main(["heap", str(RAW), "--exe", str(tmp_path / "x")]) == 2
    assert "ELF" in capsys.readouterr().err
