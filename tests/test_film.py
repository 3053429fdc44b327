"""Films of a stepped heap: their words, their shapes, their files."""

from __future__ import annotations

import io
import json
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from made_film import NOTE, lost_object, random_film, random_view

import gcsim
from gcsim._film import Film
from gcsim._scene import MOST_OBJECTS, STYLES, Scene, Shape, fit, text_width
from gcsim._view import View, ViewActor, ViewBuffer, ViewObject, ViewPointer, ViewRoot

Rect = tuple[float, float, float, float]

LOST_IN_WORDS = """\
No write barrier, one mutator, two objects
schedule: b2 a3

step 0, mark: the beginning
  objects: A grey, B white
  pointers: A.next = B, B.next = nil
  roots: global head = A (scanned), goroutine 1: main: a = A (scanned), goroutine 1: main: b = nil (scanned)
  queue: A
  buffers: mutator 1 0 of 2
  next collector (a): scans A, by gc/mark.c: scan
  next mutator 1 (b): b = A.next, by steps/program.c: load

step 1, mark: mutator 1 (b): b = A.next
  by steps/program.c: load
  roots: goroutine 1: main: b = B (scanned, was nil)
  next collector (a): scans A, by gc/mark.c: scan
  next mutator 1 (b): A.next = nil, by gc/barrier.c: store

step 2, mark: mutator 1 (b): A.next = nil
  by gc/barrier.c: store
  pointers: A.next = nil (was B)
  next collector (a): scans A, by gc/mark.c: scan
  next mutator 1 (b): has ended

step 3, mark: collector (a): takes A from the queue
  by gc/mark.c: scan
  colours: A grey being scanned
  queue: empty
  next collector (a): scans A.next: nil, by gc/mark.c: scan
  next mutator 1 (b): has ended

step 4, mark: collector (a): has scanned A
  by gc/mark.c: scan
  colours: A grey to black
  next collector (a): ends marking, by gc/cycle.c: mark_termination
  next mutator 1 (b): has ended

step 5, mark termination: collector (a): ends marking
  by gc/cycle.c: mark_termination
  colours: B white LOST
  next collector (a): has ended
  next mutator 1 (b): has ended
  WRONG: B is lost: local b of mutator 1 reaches it, yet marking has ended without a mark
"""


# ---- the sequence ----


def test_a_film_is_a_sequence_of_views() -> None:
    film = lost_object()
    assert len(film) == 6 and list(film) == list(film.views) and film[-1] is film.views[5]
    assert film[1:3].views == film.views[1:3] and film[1:3].title == film.title
    assert film[1:3].note == "" and film[2:].note == NOTE  # the note is about the end
    assert film.views[3] in film and film.index(film.views[3]) == 3
    assert [v.step for v in reversed(film)] == [5, 4, 3, 2, 1, 0]
    line = repr(film)
    assert "\n" not in line and "6 views, steps 0 to 5" in line and NOTE in line


def test_a_film_is_a_value() -> None:
    film = lost_object()
    assert film == lost_object() and hash(film) == hash(lost_object())
    assert pickle.loads(pickle.dumps(film)) == film
    assert film != film[:5]
    with pytest.raises(FrozenInstanceError):
        film.title = "another"  # type: ignore[misc]


def test_bad_input_says_what_to_do() -> None:
    film = lost_object()
    with pytest.raises(gcsim.OptionError, match="at least one view"):
        Film([])
    with pytest.raises(gcsim.OptionError, match="at least one view"):
        film[3:3]
    with pytest.raises(gcsim.ConversionError, match="not of str"):
        Film(["step 1"])  # type: ignore[list-item]
    with pytest.raises(gcsim.ConversionError, match="title= is a string, not int"):
        Film(film, title=3)  # type: ignore[arg-type]
    with pytest.raises(gcsim.BoundsError, match="view 6 of a film that has 6: 0 to 5"):
        film[6]
    with pytest.raises(gcsim.BoundsError, match="view -7"):
        film.png(step=-7)
    with pytest.raises(gcsim.BoundsError, match="view 9"):
        film.strip(steps=[0, 9])
    with pytest.raises(gcsim.OptionError, match="names no view"):
        film.strip(steps=[])


# ---- words ----


def test_a_film_in_words() -> None:
    assert lost_object().text() == LOST_IN_WORDS == str(lost_object())


def test_words_tell_everything_that_a_view_has() -> None:
    first = random_view(1, 4)
    view = replace(
        first,
        step=9,
        objects=(*first.objects[1:], ViewObject("Z", 640, "Pair", 64, 1, 0, "black")),
        pointers=(ViewPointer("Z", "left", "Node 1"),),
        roots=(ViewRoot("handle", "", "h", "Z", orphan=True),),
        queue=("Node 1", "Z"),
        buffers=(ViewBuffer("mutator 1", ("Z", "Z"), 512),),
        actors=(ViewActor("c", "collector", "waiting", "wait", "", "", "mutator 1 to stop"),),
        action="z = new(Pair)",
        actor="c",
    )
    text = Film([first, view]).text().split("step 9, ")[1]
    for words in (
        "mark: collector (c): z = new(Pair)",
        "Z new, black",
        "Node 0 freed",
        "pointers: Z.left = Node 1",
        "handle h = Z (not scanned, an orphan)",
        "global global 0 gone",
        "queue: Node 1, Z",
        "buffers: mutator 1 2 of 512 [Z Z]",
        "next collector (c): waits for mutator 1 to stop",
    ):
        assert words in text, words


def test_names_cannot_break_out_of_a_line() -> None:
    first = lost_object()[0]
    objects = (replace(first.objects[0], name="A\nstep 7\x1b[31m\u202e"), first.objects[1])
    text = Film([replace(first, objects=objects)], title="t\r\nu").text()
    assert "\x1b" not in text and "\u202e" not in text and "\nstep 7" not in text
    assert text.startswith("t\ufffd\ufffdu\n")


# ---- the layout ----


def objects_of(shapes: list[Shape]) -> list[Rect]:
    kinds = {"object-white", "object-grey", "object-black", "slot-free"}
    return [s.at[:4] for s in shapes if s.style in kinds]  # type: ignore[misc]


def apart(a: Rect, b: Rect) -> bool:
    return a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]


def inside(a: Rect, b: Rect) -> bool:
    return (
        b[0] <= a[0] and b[1] <= a[1] and a[0] + a[2] <= b[0] + b[2] and a[1] + a[3] <= b[1] + b[3]
    )


def text_rect(shape: Shape) -> Rect:
    x, y, anchor = shape.at
    width, size = text_width(shape.text, shape.style), STYLES[shape.style].size
    return x - anchor * width, y - 0.8 * size, width, size


@pytest.mark.parametrize("objects", [1, 2, 5, 16, 17, 40, 64])
@pytest.mark.parametrize("per_span", [1, 3, 12, 64])
def test_nothing_overlaps(objects: int, per_span: int) -> None:
    views = [random_view(7, objects, step, per_span) for step in range(3)]
    for narrow in (False, True):
        scene = Scene(views, "a title that is long enough to meet the phases " * 3, narrow=narrow)
        for step in range(3):
            shapes = scene.shapes(step, panels=not narrow)
            rects = objects_of(shapes)
            assert len(rects) == objects
            spans = [s.at[:4] for s in shapes if s.style == "span"]
            for i, rect in enumerate(rects):
                assert all(apart(rect, other) for other in rects[:i])
                assert any(inside(rect, span) for span in spans)  # type: ignore[arg-type]
            for i, span in enumerate(spans):
                assert all(apart(span, other) for other in spans[:i])  # type: ignore[arg-type]
            bottom = scene.height if not narrow else scene.strip_height
            whole = 0.0, 0.0, scene.width, bottom
            texts = [text_rect(s) for s in shapes if s.kind == "text" and s.text]
            assert all(inside(text, whole) for text in texts)
            for i, text in enumerate(texts):
                assert all(apart(text, other) for other in texts[:i]), (text, step)


def test_objects_keep_their_places_over_a_film() -> None:
    first = random_view(2, 20)
    views = [replace(first, step=i, objects=first.objects[i:]) for i in range(20)]
    scene = Scene(views)
    whole = objects_of(scene.shapes(0))
    for step in range(20):
        shapes = scene.shapes(step)
        assert sorted(objects_of(shapes)) == sorted(whole)
        free = [s for s in shapes if s.style == "slot-free"]
        assert len(free) == step  # a freed object leaves its slot


def test_of_many_objects_those_near_the_change_are_shown() -> None:
    """A list of 500; one store far behind: its object and what it leads to, and how many are left out."""
    names = [f"Node {i}" for i in range(500)]
    objects = tuple(
        ViewObject(name, 16 * i, "Node", 16, i // 512, i, "white") for i, name in enumerate(names)
    )
    links = [ViewPointer(a, "next", b) for a, b in zip(names, [*names[1:], None], strict=True)]
    base = replace(random_view(1, 1), objects=objects, pointers=tuple(links), roots=(), queue=())
    links[400] = ViewPointer("Node 400", "next", "Node 7")
    lost = replace(objects[13], lost=True)
    after = replace(
        base,
        step=1,
        pointers=tuple(links),
        objects=(*objects[:13], lost, *objects[14:]),
    )
    scene = Scene([base, after])
    assert scene.left_out == 500 - MOST_OBJECTS
    shapes = scene.shapes(1)
    assert len(objects_of(shapes)) == MOST_OBJECTS
    shown = {s.text for s in shapes if s.style.startswith("object-white-name")}
    assert {"Node 400", "Node 13", "Node 401", "Node 7", "Node 14"} <= shown
    assert "Node 300" not in shown
    assert f"{500 - MOST_OBJECTS} more objects are not shown" in {s.text for s in shapes}
    strip = scene.shapes(1, panels=False)
    assert any(s.text.startswith("436 more objects are not shown.") for s in strip)
    assert "Node 255 white, and 244 more\n" in Film([base, after]).text()
    still = Scene([replace(base, roots=(ViewRoot("global", "", "g", "Node 90"),))])
    assert "Node 90" in {s.text for s in still.shapes(0)}


# ---- what a picture shows ----


def styles(film: Film, step: int) -> Counter[str]:
    return Counter(s.style for s in Scene(film).shapes(step))


def words(film: Film, step: int) -> set[str]:
    return {s.text for s in Scene(film, film.title).shapes(step) if s.text}


def test_a_picture_tells_the_step() -> None:
    film = lost_object()
    assert {
        "step 2",
        "mutator 1: A.next = nil",
        "gc/barrier.c: store",
        "goroutine 1: main",
        "globals",
        "grey queue: 1 to scan, next one first",
        "0 of 2",
        "moved last, ended",
        "span at page 0: Node, slots of 16 B",
        "scans A",
        film.title,
    } <= words(film, 2)
    assert [s.text for s in Scene(film).shapes(2) if s.style == "phase-now-text"] == ["mark"]
    assert "waits for mutator 1 to stop" in words(random_film(1, 3, 1), 0)


def test_a_filmstrip_tells_queue_and_buffers() -> None:
    view = random_view(1, 2)
    shapes = Scene([view], narrow=True).shapes(0, panels=False)
    (line,) = (s.text for s in shapes if s.text.startswith("queue: "))
    assert "mutator 2: Node 0 (1 of 2)" in line and "mutator 3" not in line
    queue = " ".join(view.queue) or "empty"
    assert line.startswith(f"queue: {queue}   mutator 1: Node 0 Node 1")


def test_a_picture_marks_what_the_step_did() -> None:
    film = lost_object()
    legend = 1
    assert styles(film, 0)["changed"] == 0
    assert [styles(film, i)["pointer-new-head"] - legend for i in range(4)] == [0, 1, 0, 0]
    assert [styles(film, i)["pointer-gone"] - legend for i in range(4)] == [0, 0, 1, 0]
    assert styles(film, 3)["scanning"] == 1 == styles(film, 3)["changed"]


def test_a_lost_object_has_a_cross_and_a_word() -> None:
    film = lost_object()
    assert [styles(film, step)["lost"] for step in range(6)] == [0, 0, 0, 0, 0, 2]
    assert "LOST" in words(film, 5) and NOTE in words(film, 5)
    assert styles(film, 5)["note-icon"] == 1 and styles(film, 4)["note-icon"] == 0
    legend = 1
    assert [styles(film, step)["pointer-risk-head"] - legend for step in range(6)] == [
        0,
        0,
        1,
        1,
        1,
        1,
    ]


def test_pointers_that_may_lose_an_object_stand_out() -> None:
    first = replace(lost_object()[0], roots=())
    legend = 1

    def risks(*objects: ViewObject, phase: Any = "mark") -> int:
        view = replace(first, objects=objects, phase=phase)
        return styles(Film([view]), 0)["pointer-risk-head"] - legend

    grey, white = first.objects
    black = replace(grey, colour="black")
    assert risks(grey, white) == 0
    assert risks(black, white) == 1
    assert risks(black, replace(white, colour="grey")) == 0
    assert risks(black, white, phase="off") == 0  # the colours of the cycle before
    there_and_freed = [first, replace(first, objects=(black,))]
    assert styles(Film(there_and_freed), 1)["pointer-risk-head"] - legend == 1


def test_frames_of_a_recursion_are_told_apart() -> None:
    first = lost_object()[0]
    frames = tuple(ViewRoot("frame", "goroutine 1: walk", "node", t) for t in ("A", "B", None))
    views = [replace(first, roots=frames[:2]), replace(first, step=1, roots=frames)]
    views.append(replace(first, step=2, roots=(frames[0], replace(frames[1], target="A"))))
    film = Film(views)
    rows = [s for s in Scene(film).shapes(1) if s.text == "node"]
    assert len({s.at for s in rows}) == 3
    assert film.text().count("node = B (not scanned)") == 1
    assert "roots: goroutine 1: walk: node = nil" in film.text().split("step 1")[1]
    last = film.text().split("step 2")[1]
    assert "node = A (not scanned, was B)" in last and "frame goroutine 1: walk node gone" in last


def test_colours_are_shapes_and_words_too() -> None:
    def marks(colour: Any) -> list[Shape]:
        film = lost_object()
        objects = tuple(replace(o, colour=colour) for o in film[0].objects)
        shapes = Scene([replace(film[0], objects=objects, pointers=())]).shapes(0)
        assert sum(s.text == colour for s in shapes) == 2
        toned = [s for s in shapes if re.fullmatch("mark(-edge)?-(dark|light)", s.style)]
        dots = [s for s in toned if s.kind == "circle" and s.at[2] < 5]  # nil fields
        return [s for s in toned if s not in dots]

    assert {s.kind for s in marks("white")} == {"circle"}
    assert {s.kind for s in marks("grey")} == {"poly"}
    assert {s.kind for s in marks("black")} == {"rect"}


def test_the_ends_of_names_are_kept() -> None:
    assert fit("Node 12345", 1000, "small") == "Node 12345"
    short = fit("a name of very many letters, 77", 90, "small")
    assert "…" in short and short.endswith("77") and text_width(short, "small") <= 90
    assert fit("Node 123456", 60, "small") == "N…123456"
    assert fit("abc", 1, "small") == "…"


# ---- PNG ----


def picture(png: bytes) -> Any:
    image = pytest.importorskip("PIL.Image")
    return image.open(io.BytesIO(png)).convert("RGB")


def test_a_png_shows_the_colours_where_the_layout_puts_them() -> None:
    film = lost_object()
    scene = Scene(film, film.title)
    for step, style, colour in [
        (0, "object-white", (255, 255, 255)),
        (0, "object-grey", (180, 186, 194)),
        (4, "object-black", (34, 38, 43)),
    ]:
        image = picture(film.png(step=step))
        assert image.size == (1920, round(scene.height * 1.5))
        (rect,) = (s.at for s in scene.shapes(step) if s.style == style)
        assert image.getpixel((int(rect[0] * 1.5 + 90), int(rect[1] * 1.5 + 10))) == colour
    assert picture(film.png()).getcolors(1 << 24) != picture(film.png(step=0)).getcolors(1 << 24)


def test_a_filmstrip_shows_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    film = lost_object()
    scene = Scene(film, narrow=True)
    for steps, columns, rows in [(None, 3, 2), ([0, -1], 2, 1), (range(4), 2, 2), ([2], 1, 1)]:
        gap = 0 if columns * rows == 1 else 20
        expected = (
            (columns * (scene.width + gap) + gap) * 0.75,
            (rows * (scene.strip_height + gap) + gap) * 0.75,
        )
        size = picture(film.strip(steps=steps)).size
        assert size == pytest.approx(expected, abs=1)


def test_a_long_film_is_told_in_twelve_pictures() -> None:
    first = lost_object()[0]
    views = [replace(first, step=i) for i in range(100)]
    views[40] = replace(views[40], queue=("B",), objects=first.objects[:1])
    assert (places := Film(views)._telling(12))[0] == 0 and places[-1] == 99
    assert len(places) == 12 and {40, 41} <= set(places) and places == sorted(places)
    assert Film(views)._telling(4) == [0, 40, 41, 99]
    film = Film(views)
    assert film.strip(frames=4) == film.strip(steps=[0, 40, 41, 99])
    with pytest.raises(gcsim.OptionError, match="at least 2"):
        film.strip(frames=1)
    assert len(film.strip(frames=4)) < 100_000


def test_files_take_what_is_returned(tmp_path: Path) -> None:
    film = lost_object()[:2]
    for name, write in (("png", film.png), ("strip", film.strip), ("html", film.html)):
        content = write(tmp_path / name)
        raw = content.encode() if isinstance(content, str) else content
        assert (tmp_path / name).read_bytes() == raw
        buffer: Any = io.StringIO() if isinstance(content, str) else io.BytesIO()
        write(buffer)
        assert buffer.getvalue() == content
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "nowhere" / name)


def test_only_pictures_need_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, gcsim; gcsim.Film, gcsim.View; print('matplotlib' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    film = lost_object()
    assert film.text() and film.html()
    for draw in (film.png, film.strip):
        with pytest.raises(ImportError):
            draw()
    assert set(film[0]._repr_mimebundle_()) == {"text/plain"}


# ---- HTML ----


def block(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="film">(.*?)</script>', page, re.S)
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0])
    return data


def test_the_page_has_the_shapes_of_every_step() -> None:
    film = lost_object()
    data, scene = block(film.html()), Scene(film, film.title)
    assert data["size"] == [scene.width, scene.height]
    assert len(data["frames"]) == len(data["said"]) == len(data["text"]) == 6
    for step, frame in enumerate(data["frames"]):
        there = [data["shapes"][number] for number in frame]
        for (kind, style, at, *text), shape in zip(there, scene.shapes(step), strict=True):
            assert (kind, style, "".join(text)) == (shape.kind, shape.style, shape.text)
            assert at == pytest.approx(shape.at, abs=0.051)
    assert len(data["shapes"]) < 0.5 * sum(map(len, data["frames"]))  # each is there once
    assert data["said"][5].startswith("Step 5, phase mark termination. collector (a): ends marking")
    assert "\n\n".join(data["text"]) + "\n" == film.text().split("\n\n", 1)[1]


def test_the_page_has_a_rule_for_every_style_in_both_schemes() -> None:
    page = lost_object().html()
    for name in STYLES:
        assert page.count(f"\n.{name} {{") == 2, name
    used = {s.style for f in (lost_object(), random_film(1, 30, 2)) for s in Scene(f).shapes(1)}
    assert used <= set(STYLES)
    assert "@" not in re.sub(r"@(media|keyframes)", "", page)  # no mark of the template is left


def test_the_page_loads_nothing() -> None:
    page = random_film(1, 10, 2).html()
    assert set(re.findall(r"[a-z]+://[^\"')\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(src|href|action|data)=\"(?!data:,)", page)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|eval\(", page)
    assert "default-src 'none'" in page


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "&lt;b&gt;",
    "$x_1$",
    "@DATA@ @TITLE@",
    "\\u003c",
    '" onload="x',
    "\u2028\u2029\x00",
    "日本語の名前",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(name: str) -> None:
    def renamed(view: View) -> Iterator[View]:
        objects = (replace(view.objects[0], name=name, type=name), *view.objects[1:])
        roots = (ViewRoot("frame", name, name, name),)
        pointers = (ViewPointer(name, name, name), ViewPointer("B", "next", name))
        actors = (ViewActor(name, name, "waiting", name, name, name, name),)
        for step in range(2):
            yield replace(
                view,
                step=step,
                objects=objects,
                roots=roots,
                pointers=pointers,
                actors=actors,
                queue=(name,),
                buffers=(ViewBuffer(name, (name,), 2),),
                action=name,
                function=name,
                actor=name,
                note=name,
            )

    film = Film(renamed(lost_object()[0]), title=name, schedule=name)
    page = film.html()
    assert page.count("<script") == 2 == page.count("</script")
    assert page.count("<!--") == 0
    data = block(page)
    seen = name if name.isprintable() else "\ufffd\ufffd\ufffd"
    assert seen in data["text"][1]
    assert page.count('"shapes":') == 1
    cell = film._repr_html_()
    inner = re.fullmatch(r'<iframe title="[^"<]*" [^<>]*? srcdoc="([^"]*)"></iframe>', cell)
    assert inner is not None and "<" not in inner[1]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_can_be_drawn(name: str) -> None:
    first = lost_object()[0]
    objects = (replace(first.objects[0], name=name), first.objects[1])
    assert Film([replace(first, objects=objects, action=name)], title=name).png()[:4] == b"\x89PNG"


def test_notebooks_show_films_and_views() -> None:
    film = lost_object()
    bundle = film._repr_mimebundle_()
    assert bundle["text/plain"] == repr(film) and bundle["text/html"].startswith("<iframe ")
    view = film[0]._repr_mimebundle_()
    assert view["text/plain"] == Film([film[0]]).text() == str(film[0])
    assert view["image/png"] == Film([film[0]]).png()
