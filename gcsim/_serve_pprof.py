"""``/debug/pprof/``: profiles under the paths and with the parameters of Go's net/http/pprof.

``debug=1`` is text, ``gc=1`` collects first, ``seconds=N`` is what was counted in N seconds, so
``go tool pprof http://127.0.0.1:PORT/debug/pprof/heap`` works (net/http/pprof/pprof.go: Index,
handler.ServeHTTP, serveDeltaProfile). What gcsim has not is said in words.
"""

from __future__ import annotations

import io
import re
import sys
import time
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from gcsim._errors import Error
from gcsim._serve_http import Answer, Refusal, Request

if TYPE_CHECKING:
    from gcsim._core import Heap
    from gcsim._pprof import Profile
    from gcsim._serve import Server

_LONGEST_WAIT = 3600  #: seconds of a delta profile
_BINARY = "application/octet-stream"

_ABOUT = {
    "allocs": "all allocations since the heap was made, as sampled",
    "goroutine": "the goroutines and where they are",
    "goroutineleak": "goroutines that wait for what nobody can reach any more",
    "heap": "allocations of objects that live, as sampled; gc=1 collects first",
    "cmdline": "the command line of this program",
    "symbol": "names of addresses: gcsim has none, its stacks have their names in them",
}
_KINDS = ("allocs", "goroutine", "goroutineleak", "heap")

_MISSING = {
    "block": "no profile of waiting is kept",
    "mutex": "no profile of locks is kept",
    "profile": "no profile of the processor is kept: use perf, or py-spy for Python",
    "threadcreate": "no profile of threads is kept: /metrics has their number",
    "trace": "no execution trace is written: heap.record() has the collector's events",
}


def _refuse(status: int, words: str) -> NoReturn:
    """An error as Go's server tells it, so that `go tool pprof` prints the words."""
    raise Refusal(status, words, {"X-Go-Pprof": "1"})


def _number(request: Request, name: str) -> int:
    """A parameter as Go's strconv.Atoi takes it; what is none counts as 0, as there."""
    text = request.query.get(name, "")
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else 0


def take(heap: Heap, kind: str, gc: bool = False) -> Profile:
    """A profile of the heap: ``heap.profile(kind, gc=)``."""
    return heap.profile(kind, gc=gc)


def text(heap: Heap, kind: str, gc: bool = False) -> bytes:
    """The same as Go's debug=1 has it: ``heap.write_pprof(file, kind, debug=1, gc=)``."""
    file = io.BytesIO()
    heap.write_pprof(file, kind, debug=1, gc=gc)
    return file.getvalue()


def answer(server: Server, request: Request) -> Answer:
    name = request.path.removeprefix("/debug/pprof/")
    if name == "":
        return _index(server, request)
    if name == "cmdline":
        return Answer("\0".join(sys.orig_argv).encode("utf-8", "replace"))
    if name == "symbol":
        return Answer(b"num_symbols: 0\n")
    if name in _MISSING:
        _refuse(501, f"{name}: {_MISSING[name]}")
    if name not in _KINDS:
        _refuse(404, f"Unknown profile; there are {', '.join(_KINDS)} and cmdline")
    if "seconds" in request.query:
        return _delta(request, server._chosen(request).heap, name)
    heap, debug = server._chosen(request).heap, _number(request, "debug")
    gc = name == "heap" and _number(request, "gc") > 0
    return Answer(text(heap, name, gc)) if debug else _file(take(heap, name, gc), name)


def _file(profile: Profile, name: str) -> Answer:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(profile.to_bytes(), _BINARY, headers=headers)


def _delta(request: Request, heap: Heap, name: str) -> Answer:
    seconds = _number(request, "seconds")
    if not 0 < seconds <= _LONGEST_WAIT:
        _refuse(400, f'invalid value for "seconds": an integer from 1 to {_LONGEST_WAIT}')
    if _number(request, "debug"):
        _refuse(400, "seconds and debug do not go together")
    began, before = time.time_ns(), take(heap, name)
    if not request.wait(seconds):
        _refuse(503, "the server was closed")
    now, after = time.time_ns(), take(heap, name)
    return _file(replace(after - before, time_ns=now, duration_ns=now - began), f"{name}-delta")


# ---- the index ----


def _index(server: Server, request: Request) -> Answer:
    heaps, chosen = server.heaps, server._chosen(request)
    which = f"&amp;heap={quote(chosen.name, safe='')}" if len(heaps) > 1 else ""
    rows = [
        f'<tr><td class="n">{_records(chosen.heap, name)}</td>'
        f'<td><a href="{name}{"?debug=1" + which if name in _KINDS else ""}">{name}</a></td>'
        f"<td>{escape(about)}</td></tr>"
        for name, about in sorted(_ABOUT.items())
    ]
    others = [
        f'<a href="?heap={quote(other, safe="")}">{escape(other)}</a>'
        for other in heaps
        if other != chosen.name
    ]
    page = _INDEX.format(
        heap=escape(chosen.name),
        rows="\n".join(rows),
        others=f"<p>Other heaps: {', '.join(others)}</p>" if others else "",
    )
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Answer(page.encode(), "text/html; charset=utf-8", headers=headers)


def _records(heap: Heap, name: str) -> str:
    """How many records the profile has now; "" where counting would be work."""
    if name not in ("allocs", "heap", "goroutine"):
        return ""
    try:
        return str(len(take(heap, name).samples))
    except (Error, MemoryError):
        return ""


_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>/debug/pprof/</title>
<style>
:root {{ color-scheme: light dark; --ground: #ffffff; --ink: #1b1f24; --link: #1f5fbf; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #111417; --ink: #e8eaed; --link: #8ab8ff; }}
}}
body {{ background: var(--ground); color: var(--ink); }}
a {{ color: var(--link); }}
body {{ margin: 2em auto; padding: 0 1em; max-width: 50em; font: 16px/1.5 system-ui, sans-serif; }}
td {{ padding: .2em 1em .2em 0; vertical-align: top; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
code {{ overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>/debug/pprof/</h1>
<p>Heap: {heap}. These links are text (debug=1); <code>go tool pprof</code> takes them without.</p>
<table>
<thead>
<tr><th scope="col">Records</th><th scope="col">Profile</th><th scope="col">What it is</th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
{others}
<p>Parameters: debug=1 text, gc=1 collect first (heap), seconds=N what N seconds add, heap=NAME.</p>
<p><a href="/">The live page</a> <a href="/metrics">Metrics for Prometheus</a></p>
</main>
</body>
</html>
"""
