"""A timeline in a viewer that people use: speedscope, in a real browser without a window."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from needs import missing
from test_timeline import busy
from trace_check import check

pytestmark = pytest.mark.slow  # once in CI is enough

Slice = tuple[float, float, str, int]

SPEEDSCOPE = Path(__file__).parent.parent / "build/viewers/node_modules/speedscope/dist/release"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where speedscope's page is served, and the folder with what is served."""
    folder = tmp_path_factory.mktemp("speedscope")
    if not (SPEEDSCOPE / "index.html").exists():
        missing("speedscope (`make viewers` gets it, with npm)")

    shutil.copytree(SPEEDSCOPE, folder, dirs_exist_ok=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


# speedscope hands what it has imported to whoever presses control-S, as a file of its own format.
TAKE = """
window.taken = null;
URL.createObjectURL = blob => { blob.text().then(text => { window.taken = text; }); return "#"; };
HTMLAnchorElement.prototype.click = () => {};
window.dispatchEvent(new KeyboardEvent("keypress", {key: "s", ctrlKey: true}));
window.dispatchEvent(new KeyboardEvent("keydown", {key: "s", ctrlKey: true}));
"""


def until(browser: Any, script: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := browser.execute_script(f"return {script}"):
            return value
        time.sleep(0.05)
    log = [entry["message"] for entry in browser.get_log("browser")]
    raise AssertionError(f"{script}: still not so; the browser says {log}")


def imported(browser: Any, where: str, trace: str, folder: Path) -> dict[str, Any]:
    """What speedscope made of a trace, in its own format."""
    # A name of its own: what was written in the same second under one is not fetched again.
    name = f"trace-{len(list(folder.glob('trace-*')))}.json"
    (folder / name).write_text(trace, encoding="utf-8")
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(f"{where}/index.html#profileURL={name}")
    until(browser, 'document.title.endsWith(" - speedscope")')
    browser.execute_script(TAKE)
    found: dict[str, Any] = json.loads(until(browser, "window.taken"))
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    return found


def test_speedscope_reads_the_same_slices(
    browser: Any, viewer: tuple[str, Path], mode: str
) -> None:
    where, folder = viewer
    trace = busy(mode).timeline().json()
    found = imported(browser, where, trace, folder)
    sound = check(trace)
    threads = {slice_[0] for slice_ in sound.slices}
    assert len(found["profiles"]) == len(threads)
    for thread in threads:
        (profile,) = (p for p in found["profiles"] if thread in p["name"])
        # Slices that take no time are left out, and each profile begins with its first one.
        written = [(a, b, name, d) for t, name, a, b, d in sound.slices if t == thread and a < b]
        first = min(written)[0]
        written = sorted((a - first, b - first, name, depth) for a, b, name, depth in written)
        read = sorted(slices_of(profile, found["shared"]["frames"]))
        assert [slice_[2:] for slice_ in read] == [slice_[2:] for slice_ in written]
        for theirs, ours in zip(read, written, strict=True):
            assert theirs[:2] == pytest.approx(ours[:2], abs=0.002)


def slices_of(profile: dict[str, Any], frames: list[dict[str, str]]) -> Iterator[Slice]:
    """The slices of a profile in speedscope's format: begin, end, name, depth."""
    assert profile["type"] == "evented" and profile["unit"] == "microseconds"
    open_: list[tuple[int, float]] = []
    for event in profile["events"]:
        if event["type"] == "O":
            open_.append((event["frame"], event["at"]))
        else:
            frame, began = open_.pop()
            assert frame == event["frame"]
            # Behind a name stand its arguments.
            yield began, event["at"], frames[frame]["name"].split(" {")[0], len(open_)
    assert not open_
