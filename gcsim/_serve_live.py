"""What the live page polls: frames of a heap's metrics, its cycles, a map of its spans.

Nothing runs while nobody looks. Who asks has a frame made if the newest is older than `PERIOD`;
the last `FRAMES` are kept, so that several pages see the same run, and one that asks too seldom
loses frames and is told how many.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import threading
import time
from collections import deque
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from gcsim._metrics import Histogram, Sample
from gcsim._serve_http import Answer, Refusal, Request

if TYPE_CHECKING:
    from gcsim._results import Cycle, SpanInfo
    from gcsim._serve import Served, Server

PERIOD = 0.2  #: seconds between two frames, at least
FRAMES = 600  #: kept: two minutes
CELLS = 1024  #: of a span map, at most
_SHARE = 20  #: a map is made again after this many times what it took, so that it stays cheap

_NEVER = 1 << 63  # a goal or limit from here on is none

_OF_CYCLE = (
    "number", "trigger", "since_ns", "heap_live", "goal", "heap_end", "heap_marked", "next_goal",
    "freed_bytes", "objects_marked", "utilization", "gc_cpu_fraction", "procs", "mark_ns",
    "dedicated_ns", "fractional_ns", "idle_ns", "assist_ns",
)  # fmt: skip


def _scalar(value: float) -> float | None:
    return None if value >= _NEVER - 1 or not math.isfinite(value) else value


def _bars(histogram: Histogram) -> list[tuple[float | None, float | None, int]]:
    """The buckets with something in them: from, to, how many. No edge is None."""
    edges = [edge if math.isfinite(edge) else None for edge in histogram.buckets]
    return [(edges[i], edges[i + 1], n) for i, n in enumerate(histogram.counts) if n]


def _frame(sequence: int, sample: Sample) -> dict[str, Any]:
    scalars = {n: _scalar(v) for n, v in sample.items() if not isinstance(v, Histogram)}
    allocs = sample["/gc/heap/allocs-by-size:bytes"]
    frees = sample["/gc/heap/frees-by-size:bytes"].counts
    return {
        "seq": sequence,
        "time": time.time(),
        "metrics": scalars,
        # The largest size of each class and how many of it live; the last one is of large objects.
        "classes": [
            [int(edge) - 1 if math.isfinite(edge) else None, made - freed]
            for edge, made, freed in zip(allocs.buckets[1:], allocs.counts, frees, strict=True)
        ],
        "pauses": _bars(sample["/sched/pauses/total/gc:seconds"]),
    }


def _cycle(cycle: Cycle) -> dict[str, Any]:
    told = {name: getattr(cycle, name) for name in _OF_CYCLE}
    finite = {
        n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in told.items()
    }
    return {**finite, "stops": cycle.stops}


def span_map(spans: tuple[SpanInfo, ...]) -> dict[str, Any]:
    """Equal pieces of the heap's pages, at most `CELLS`: what most of each is, and how full.

    `kinds` has a letter for each: "." free, "s" objects with pointers, "n" without, "m" memory of
    the collector and stacks. `fill` is the share of a piece of objects that is in slots in use,
    in percent.
    """
    pages = max((span.first_page + span.npages for span in spans), default=0)
    per_cell = max(1, -(-pages // CELLS))
    cells = -(-pages // per_cell)
    share = {kind: [0] * cells for kind in "snm"}
    used = [0.0] * cells
    for span in spans:
        kind = "m" if span.state != "in use" else "n" if span.noscan else "s"
        each = span.allocated * span.slot_bytes / span.npages  # bytes in use, of each page
        page, end = span.first_page, span.first_page + span.npages
        while page < end:
            cell = page // per_cell
            n = min(end, (cell + 1) * per_cell) - page
            share[kind][cell] += n
            if kind != "m":
                used[cell] += n * each
            page += n
    kinds, fill = [], []
    for cell in range(cells):
        here = {kind: share[kind][cell] for kind in "snm"}
        most = max(here, key=lambda kind: here[kind])
        kinds.append(most if 2 * sum(here.values()) >= per_cell else ".")
        room = (here["s"] + here["n"]) * 8192
        fill.append(min(100, round(100 * used[cell] / room)) if room else 0)
    return {
        "pages": pages,
        "pages_per_cell": per_cell,
        "kinds": "".join(kinds),
        "fill": fill,
        "spans": len(spans),
        "unswept": sum(span.sweep == -2 for span in spans),
        "cached": sum(span.cached for span in spans),
    }


class Live:
    """What pages have been told of one heap."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._lock = threading.Lock()  # of one frame at a time
        self._frames: deque[dict[str, Any]] = deque(maxlen=FRAMES)
        self._sequence = 0
        self._made = -math.inf
        self._map: dict[str, Any] | None = None
        self._map_due = -math.inf

    def look(self, after: int, cycle: int, spans: bool) -> dict[str, Any]:
        """Frames after a number, cycles from a number on: the newest one may have changed.

        Raises ClosedHeapError, StateError, ForkedHeapError.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._made >= PERIOD:
                self._sample()
                self._made = now
            if spans and now >= self._map_due:
                self._map = {**span_map(self._served.heap.spans()), "time": time.time()}
                took = time.monotonic() - now
                self._map["seconds"] = took
                self._map_due = now + max(1.0, _SHARE * took)
            first = self._frames[0]["seq"] if self._frames else 0
            return {
                "frames": [frame for frame in self._frames if frame["seq"] > after],
                "lost": max(0, first - after - 1) if after else 0,
                "cycles": [_cycle(c) for c in self._served.cycles() if c.number >= cycle],
                "spans": self._map if spans else None,
            }

    def _sample(self) -> None:
        sample = self._served.heap.metrics.read()
        self._sequence += 1
        self._frames.append(_frame(self._sequence, sample))


def _whole(request: Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Refusal(400, f"{name}= is a number")
    return int(text)


def answer(server: Server, request: Request) -> Answer:
    """``/live.json?heap=NAME&after=FRAME&cycle=NUMBER&spans=1``."""
    served = server._chosen(request)
    told = served.live.look(
        _whole(request, "after"), _whole(request, "cycle"), bool(_whole(request, "spans"))
    )
    told["heap"] = served.name
    told["heaps"] = list(server.heaps)
    return Answer(json.dumps(told, separators=(",", ":")).encode(), "application/json")


# ---- the page ----


@cache
def _text() -> tuple[bytes, str]:
    """The page, and what it may do: its own script and style, and to ask this server."""
    text = (resources.files("gcsim") / "data" / "live.html").read_text(encoding="utf-8")

    def hashes(tag: str) -> str:
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        made = [base64.b64encode(hashlib.sha256(part.encode()).digest()) for part in parts]
        return " ".join(f"'sha256-{h.decode()}'" for h in made)

    policy = (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')};"
        " img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    return text.encode(), policy


def page() -> Answer:
    body, policy = _text()
    return Answer(body, "text/html; charset=utf-8", headers={"Content-Security-Policy": policy})
