"""Films made by hand, for the tests of pictures: what they show need not come from a collector."""

from __future__ import annotations

import random
from dataclasses import replace

from gcsim._film import Film
from gcsim._view import (
    View,
    ViewActor,
    ViewBuffer,
    ViewObject,
    ViewPointer,
    ViewRoot,
)

NOTE = "B is lost: local b of mutator 1 reaches it, yet marking has ended without a mark"


def node(name: str, slot: int, colour: str, **more: bool) -> ViewObject:
    """An object of two words in the first span."""
    return ViewObject(name, 16 * slot, "Node", 16, 0, slot, colour, **more)  # type: ignore[arg-type]


def root(name: str, target: str | None, scanned: bool) -> ViewRoot:
    return ViewRoot("frame", "goroutine 1: main", name, target, scanned)


def lost_object() -> Film:
    """The shortest way to lose an object without a barrier, in five steps."""
    collector = ViewActor("a", "collector", "ready", "scan", "scans A", "gc/mark.c: scan")
    mutator = ViewActor("b", "mutator 1", "ready", "load", "b = A.next", "steps/program.c: load")
    start = View(
        step=0,
        phase="mark",
        action="",
        function="",
        actor="",
        objects=(node("A", 0, "grey"), node("B", 1, "white")),
        pointers=(ViewPointer("A", "next", "B"), ViewPointer("B", "next", None)),
        roots=(
            ViewRoot("global", "", "head", "A", True),
            root("a", "A", True),
            root("b", None, True),
        ),
        queue=("A",),
        buffers=(ViewBuffer("mutator 1", (), 2),),
        actors=(collector, mutator),
    )
    loaded = replace(
        start,
        step=1,
        action="b = A.next",
        function="steps/program.c: load",
        actor="b",
        roots=(*start.roots[:2], root("b", "B", True)),
        actors=(
            collector,
            replace(mutator, point="store", next="A.next = nil", function="gc/barrier.c: store"),
        ),
    )
    cut = replace(
        loaded,
        step=2,
        action="A.next = nil",
        function="gc/barrier.c: store",
        pointers=(ViewPointer("A", "next", None), ViewPointer("B", "next", None)),
        actors=(collector, replace(mutator, state="ended", point="", next="", function="")),
    )
    scanning = replace(
        cut,
        step=3,
        action="takes A from the queue",
        function="gc/mark.c: scan",
        actor="a",
        objects=(node("A", 0, "grey", scanning=True), node("B", 1, "white")),
        queue=(),
        actors=(replace(collector, next="scans A.next: nil"), cut.actors[1]),
    )
    done = replace(
        scanning,
        step=4,
        action="has scanned A",
        objects=(node("A", 0, "black"), node("B", 1, "white")),
        actors=(
            replace(collector, next="ends marking", function="gc/cycle.c: mark_termination"),
            cut.actors[1],
        ),
    )
    lost = replace(
        done,
        step=5,
        phase="mark termination",
        action="ends marking",
        function="gc/cycle.c: mark_termination",
        objects=(node("A", 0, "black"), node("B", 1, "white", lost=True)),
        actors=(replace(collector, state="ended", next="", function=""), cut.actors[1]),
        note=NOTE,
    )
    return Film(
        (start, loaded, cut, scanning, done, lost),
        title="No write barrier, one mutator, two objects",
        schedule="b2 a3",
    )


def random_view(seed: int, objects: int, step: int = 0, per_span: int = 12) -> View:
    """A view with so many objects in spans of several types, and all that a view can have."""
    r = random.Random(f"{seed} {step}")
    names = [f"Node {i}" for i in range(objects)]
    made = tuple(
        ViewObject(
            name=name,
            address=64 * i,
            type=("Node", "Pair", "Tree")[i // per_span % 3],
            size=64,
            span=i // per_span,
            slot=i % per_span * (1 + i // per_span % 2),
            colour=r.choice(("white", "grey", "black")),
            scanning=r.random() < 0.05,
        )
        for i, name in enumerate(names)
    )
    pointers = tuple(
        ViewPointer(name, field, r.choice(names) if r.random() < 0.5 else None)
        for name in names
        for field in ("left", "right")
    )
    roots = tuple(
        ViewRoot(kind, owner, f"{kind} {n}", r.choice([*names, None]), r.random() < 0.5)
        for kind, owner in (
            ("global", ""),
            ("handle", ""),
            ("frame", "goroutine 1: build"),
            ("frame", "goroutine 2: walk"),
        )
        for n in range(3)
    )
    return View(
        step=step,
        phase="mark",
        action=f"shades {names[0]}" if step else "",
        function="gc/barrier.c: shade" if step else "",
        actor="m" if step else "",
        objects=made,
        pointers=pointers,
        roots=roots,  # type: ignore[arg-type]
        queue=tuple(o.name for o in made if o.colour == "grey"),
        buffers=(
            ViewBuffer("mutator 1", tuple(names[:3]), 512),
            ViewBuffer("mutator 2", tuple(names[:1]), 2),
            ViewBuffer("mutator 3", (), 0),
        ),
        actors=(
            ViewActor("c", "collector", "waiting", "wait", "", "", "mutator 1 to stop"),
            ViewActor("m", "mutator 1", "ready", "shade old", "shades", "gc/barrier.c: shade"),
            ViewActor("n", "mutator 2", "ready", "", "begins", "steps/program.c: run"),
            ViewActor("w", "worker 1", "ended", "", "", ""),
        ),
    )


def random_film(seed: int, objects: int, steps: int) -> Film:
    return Film([random_view(seed, objects, step) for step in range(steps)], title="At random")
