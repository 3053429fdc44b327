"""What one state of a stepped heap looks like: plain values that outlive the heap.

The core fills them (csrc/steps/view.c); pictures, films and tests read them. Objects are named by
their number in the order of their addresses as first seen, so a name stays the same over a film.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Colour",
    "View",
    "ViewActor",
    "ViewBuffer",
    "ViewObject",
    "ViewPointer",
    "ViewRoot",
]

Colour = Literal["white", "grey", "black"]


@dataclass(frozen=True, slots=True)
class ViewObject:
    """One object. ``address`` and ``span`` count from the start of the heap's pages."""

    name: str  #: "A", "B", ... for a stage's objects; else "Node 3"
    address: int  #: bytes
    type: str
    size: int  #: bytes of its slot
    span: int  #: first page of its span
    slot: int  #: number within the span
    colour: Colour
    scanning: bool = False  #: a marker is in the middle of it (its colour is grey)
    lost: bool = False  #: reachable, yet marking has ended without a mark


@dataclass(frozen=True, slots=True)
class ViewPointer:
    """A pointer field of an object; ``target`` is None for nil."""

    source: str  #: name of the object
    field: str
    target: str | None


@dataclass(frozen=True, slots=True)
class ViewRoot:
    """A root slot; ``target`` is None for nil."""

    kind: Literal["frame", "global", "handle", "tiny"]
    owner: str  #: "goroutine 1: build" of a frame's slot, else ""
    name: str
    target: str | None
    scanned: bool = False  #: its root job is done (a frame: its stack is black)
    orphan: bool = False  #: a handle that came back by rewinding: no Ref owns it


@dataclass(frozen=True, slots=True)
class ViewBuffer:
    """The write barrier's buffer of a mutator: pointers noted and not yet shaded."""

    mutator: str
    entries: tuple[str, ...]
    capacity: int


@dataclass(frozen=True, slots=True)
class ViewActor:
    """Somebody who takes steps."""

    letter: str  #: in a schedule
    name: str  #: "collector", "mutator 2", "worker 1"
    state: Literal["ready", "waiting", "ended"]
    point: str  #: step point at which it stands, as in events.def; "" before its first step
    next: str  #: what its next step does, in words
    function: str  #: the C function that does it, "gc/mark.c: scan"
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One state: what every object, root, buffer and actor is, and the step that led here."""

    step: int  #: steps since the beginning; 0 is the beginning
    phase: Literal["off", "mark", "mark termination", "sweep"]
    action: str  #: the last step in words; "" at the beginning
    function: str  #: the C function that did it
    actor: str  #: letter of who did it; "" at the beginning
    objects: tuple[ViewObject, ...]
    pointers: tuple[ViewPointer, ...]
    roots: tuple[ViewRoot, ...]
    queue: tuple[str, ...]  #: grey objects in the work buffers, next one first
    buffers: tuple[ViewBuffer, ...]
    actors: tuple[ViewActor, ...]
    note: str = ""  #: what is wrong here, if something is

    def __str__(self) -> str:
        """The state in words, several lines."""
        from gcsim._film import view_text

        return view_text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from gcsim._film import view_bundle

        return view_bundle(self)
