"""The live page, driven in a real browser without a window."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from chromium import axe_finds_nothing, by_id, press, requests

import gcsim
from gcsim import _serve
from gcsim._metrics import _METRICS
from gcsim._results import Cycle

pytestmark = pytest.mark.slow  # once in CI is enough

WIDE, NARROW = (1400, 1200), (375, 800)


@pytest.fixture
def heap() -> Iterator[gcsim.Heap]:
    """A heap in which a workload allocates all the time."""
    ending, failures = threading.Event(), list[Exception]()

    def busy() -> None:
        try:
            while not ending.is_set():
                gcsim.workloads["binary-trees"].run(made, threads=1, depth=12)
        except Exception as error:
            failures.append(error)

    with gcsim.Heap(procs=2, memory_limit="64MiB") as made:
        thread = threading.Thread(target=busy)
        thread.start()
        try:
            yield made
        finally:
            ending.set()
            thread.join(60)
        assert not thread.is_alive() and failures == []


@pytest.fixture
def server(heap: gcsim.Heap) -> Iterator[_serve.Server]:
    with gcsim.serve({"trees": heap}) as made:
        yield made


def resize(browser: Any, size: tuple[int, int]) -> None:
    """The window as the page sees it; windows themselves have a least width."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def scheme(browser: Any, name: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture
def page(browser: Any, server: _serve.Server) -> Iterator[Any]:
    """The page, when it has shown some frames and collections."""
    scheme(browser, "light")
    resize(browser, WIDE)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(server.url)
    until(browser, lambda: frames(browser) >= 4 and "live" in status(browser).lower())
    until(browser, lambda: tile(browser, "Collections") not in ("none", "0"))
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get("about:blank")


def until(browser: Any, holds: Any, seconds: float = 60) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, seconds).until(lambda _: holds())


def frames(browser: Any) -> int:
    return int(browser.execute_script("return document.documentElement.dataset.frames || 0"))


def status(browser: Any) -> str:
    return str(by_id(browser, "status").text)


def tile(browser: Any, name: str) -> str:
    return str(
        browser.execute_script(
            "return [...document.querySelectorAll('.tiles div')]"
            ".find(d => d.querySelector('dt').textContent === arguments[0])"
            ".querySelector('dd').textContent",
            name,
        )
    )


def counted(number: int) -> str:
    """A count as the page writes it: three digits, and k from a thousand on."""
    if number < 1000:
        return str(number)
    thousands = Decimal(number / 1000)
    place = "0.01" if thousands < 10 else "0.1" if thousands < 100 else "1"
    return f"{thousands.quantize(Decimal(place), ROUND_HALF_UP)} k"


def plots(browser: Any) -> list[str]:
    """Titles of the plots that are shown."""
    found = browser.find_elements("css selector", "figure h2")
    return [title.text for title in found if title.is_displayed()]


def metrics(browser: Any) -> dict[str, list[str]]:
    """Of each plot the metrics that it names."""
    return dict(
        browser.execute_script(
            "return Object.fromEntries([...document.querySelectorAll('figure')].map(f =>"
            "[f.querySelector('h2').textContent,"
            " [...f.querySelectorAll('code')].map(c => c.textContent).filter(Boolean)]))"
        )
    )


def type_into(browser: Any, text: str) -> None:
    search = by_id(browser, "search")
    search.clear()
    search.send_keys(text)


# ---- what it shows ----


def test_it_shows_the_heap_and_loads_nothing_else(page: Any, server: _serve.Server) -> None:
    assert status(page) == "Live: trees"
    before = frames(page)
    until(page, lambda: frames(page) > before + 3)
    assert tile(page, "Memory limit") == "64.0 MiB"
    assert re.fullmatch(r"[\d.]+ (KiB|MiB)", tile(page, "Objects"))
    asked = requests(page)
    assert asked and all(url.startswith(server.url) for url in asked if not url.startswith("data:"))
    assert page.get_log("browser") == []


def test_each_plot_draws_and_names_its_metric(page: Any) -> None:
    named = metrics(page)
    assert len(named) == len(plots(page)) >= 10
    cycle = Cycle.__dataclass_fields__.keys() | {"stops"}
    for title, names in named.items():
        real = [name for name in names if name.startswith(("/", "Cycle.", "heap.spans"))]
        assert real, title
        for name in real:
            for part in name.split(" - "):
                if part.startswith("/"):
                    assert part in _METRICS or "*" in part, part
                elif part.startswith("Cycle."):
                    assert part.removeprefix("Cycle.").partition("[")[0] in cycle
    shapes = page.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('figure > svg')].map(s =>"
        "[s.parentNode.id, s.querySelectorAll('path, rect').length]))"
    )
    assert len(shapes) == len(named) - 1 and min(shapes.values()) > 0, shapes
    until(page, lambda: "spans in" in by_id(page, "plot-spans").text)
    painted = page.execute_script(
        "const c = document.querySelector('canvas'), d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; const seen = new Set();"
        "for (let i = 0; i < d.length; i += 4) seen.add(d[i] + ' ' + d[i+1] + ' ' + d[i+2]);"
        "return seen.size"
    )
    assert painted >= 3


def test_what_it_shows_is_what_the_heap_says(page: Any, heap: gcsim.Heap) -> None:
    press(page, "SPACE")
    shown = int(tile(page, "Collections")) if tile(page, "Collections").isdigit() else None
    now = heap.metrics["/gc/cycles/total:gc-cycles"]
    assert shown is None or 0 < shown <= now
    goal = page.find_element("css selector", "#plot-heap .legend").text
    assert "/gc/heap/goal:bytes" in goal


# ---- filter, pause, moments ----


def test_filter_by_words_and_metrics(page: Any) -> None:
    everything = plots(page)
    type_into(page, "goal")
    assert plots(page) == ["Heap, goal and limit"]
    type_into(page, "/gc/heap/ALLOCS:bytes")
    assert plots(page) == ["Allocation and sweeping"]
    type_into(page, "stops collection")
    assert set(plots(page)) >= {"Stops of each collection"} and len(plots(page)) < len(everything)
    type_into(page, "no such plot")
    assert plots(page) == [] and by_id(page, "nothing").is_displayed()
    press(page, "ESCAPE")
    assert plots(page) == everything and not by_id(page, "nothing").is_displayed()
    press(page, "TAB")  # from the body: to where one was
    page.execute_script("document.activeElement.blur()")
    page.find_element("css selector", "body").send_keys("/")
    assert page.switch_to.active_element == by_id(page, "search")


def test_no_span_is_looked_at_while_its_map_is_not_shown(page: Any, server: _serve.Server) -> None:
    type_into(page, "goal")
    before = frames(page)
    until(page, lambda: frames(page) > before + 2)
    page.get_log("performance")
    until(page, lambda: frames(page) > before + 6)
    asked = [url for url in requests(page) if "live.json" in url]
    assert asked and not any("spans=1" in url for url in asked)
    type_into(page, "span map")
    until(page, lambda: any("spans=1" in url for url in requests(page)))


def test_pause_and_go_on(page: Any, server: _serve.Server) -> None:
    button = by_id(page, "pause")
    assert button.get_attribute("aria-pressed") == "false"
    press(page, "SPACE")
    assert status(page) == "Paused: trees" and button.get_attribute("aria-pressed") == "true"
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    held, objects = frames(page), tile(page, "Objects")
    page.set_script_timeout(30)
    page.execute_async_script("setTimeout(arguments[0], 2000)")
    assert (frames(page), tile(page, "Objects")) == (held, objects)
    button.click()
    assert status(page) == "Live: trees"
    until(page, lambda: frames(page) > held + 4)  # what happened meanwhile is there


def test_an_earlier_moment(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    until(page, lambda: frames(page) > 10)
    press(page, "SPACE")
    by_id(page, "moment").send_keys(Keys.HOME)
    until(page, lambda: re.fullmatch(r"-\d+\.\d s", by_id(page, "when").text))
    first = by_id(page, "when").text
    by_id(page, "moment").send_keys(Keys.ARROW_RIGHT)
    until(page, lambda: by_id(page, "when").text != first)
    assert page.find_elements("css selector", "#plot-heap .cursor")
    page.execute_script("document.activeElement.blur()")
    press(page, "END")
    until(page, lambda: by_id(page, "when").text == "end")
    press(page, "ARROW_LEFT")
    until(page, lambda: by_id(page, "when").text != "end")


def test_every_control_is_reached_by_keys(page: Any) -> None:
    reached = []
    for _ in range(14):
        press_tab(page)
        reached.append(page.switch_to.active_element.get_attribute("id"))
    wanted = ["search", "span", "pause", "save", "open", "moment"]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted
    ring = page.execute_script(
        "document.getElementById('save').focus();"
        "return getComputedStyle(document.getElementById('save')).outlineStyle"
    )
    assert ring != "none"


def press_tab(browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(browser).send_keys(Keys.TAB).perform()


# ---- runs in files ----


@pytest.fixture
def saved(page: Any, tmp_path: Path) -> Path:
    """A run that the page has saved."""
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    by_id(page, "save").click()
    until(page, lambda: list(tmp_path.glob("*.json")))
    [path] = tmp_path.glob("*.json")
    return path


def test_a_run_is_saved_and_opened_again(page: Any, saved: Path, server: _serve.Server) -> None:
    assert saved.name.startswith("gcsim-trees-")
    told = json.loads(saved.read_text())
    assert told["format"] == "gcsim live run" and told["heap"] == "trees"
    assert set(told["metrics"]) <= set(_METRICS) and len(told["frames"]) >= 4
    count = len(told["frames"])
    at = told["metrics"].index("/gc/cycles/total:gc-cycles")
    by_id(page, "file").send_keys(str(saved))
    until(page, lambda: status(page) == f"Recorded run of trees, {count} frames")
    until(page, lambda: frames(page) == count)
    assert tile(page, "Collections") == counted(told["frames"][-1]["values"][at])
    assert not by_id(page, "pause").is_displayed()
    press(page, "HOME")
    until(page, lambda: tile(page, "Collections") == counted(told["frames"][0]["values"][at]))
    by_id(page, "live").click()
    until(page, lambda: status(page) == "Live: trees" and frames(page) > count)


def test_a_run_outlives_its_heap(page: Any, saved: Path, server: _serve.Server) -> None:
    server.close()
    until(page, lambda: status(page).startswith("No answer"))
    assert frames(page) >= 4  # what was seen stays
    by_id(page, "file").send_keys(str(saved))
    until(page, lambda: status(page).startswith("Recorded run of trees"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: "{", "no JSON"),
        (lambda t: "[]", "no run that this page has saved"),
        (lambda t: "null", "no run that this page has saved"),
        (lambda t: json.dumps({**t, "version": 2}), "version 2"),
        (lambda t: json.dumps({**t, "frames": []}), "no frames"),
        (lambda t: json.dumps({**t, "metrics": [1]}), "head is damaged"),
        (lambda t: json.dumps({**t, "frames": [*t["frames"], {}]}), "is damaged"),
        (lambda t: json.dumps({**t, "frames": t["frames"][::-1]}), "frame 2 is earlier"),
        (lambda t: json.dumps({**t, "cycles": [{"number": "<b>"}]}), "a collection is damaged"),
        (lambda t: json.dumps({**t, "spans": {"kinds": "x"}}), "span map is damaged"),
    ],
)
def test_files_that_are_no_run(page: Any, saved: Path, change: Any, words: str) -> None:
    broken = saved.with_name("broken.json")
    broken.write_text(change(json.loads(saved.read_text())))
    by_id(page, "file").send_keys(str(broken))
    until(page, lambda: words in status(page))
    assert status(page).startswith("broken.json was not opened: ")
    assert not by_id(page, "live").is_displayed()
    before = frames(page)
    until(page, lambda: frames(page) > before)  # the live heap goes on
    assert page.get_log("browser") == []


def test_hostile_names_stay_text(page: Any, saved: Path) -> None:
    bad = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
    told = json.loads(saved.read_text())
    told["heap"] = bad
    for cycle in told["cycles"]:
        cycle["trigger"] = bad
    saved.write_text(json.dumps(told))
    page.execute_script("document.getElementById('table-box').open = true")
    by_id(page, "file").send_keys(str(saved))
    until(page, lambda: bad in status(page))
    until(page, lambda: bad in by_id(page, "table").text)
    assert page.title != "taken" and page.find_elements("css selector", "img") == []
    assert page.get_log("browser") == []


# ---- several heaps ----


def test_another_heap_is_chosen(page: Any, server: _serve.Server) -> None:
    from selenium.webdriver.support.ui import Select

    assert not by_id(page, "heap-box").is_displayed()
    with gcsim.Heap(gogc=42) as other:
        server.add("other <b>", other)
        until(page, lambda: by_id(page, "heap-box").is_displayed())
        Select(by_id(page, "heap")).select_by_value("other <b>")
        until(page, lambda: status(page) == "Live: other <b>")
        until(page, lambda: tile(page, "GOGC") == "42")
    until(page, lambda: "there is no heap 'other <b>'" in status(page))


# ---- for everybody ----


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(page: Any, colours: str, size: tuple[int, int]) -> None:
    scheme(page, colours)
    resize(page, size)
    page.execute_script("document.getElementById('table-box').open = true")
    press(page, "SPACE")
    axe_finds_nothing(page)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_index_of_profiles(
    browser: Any, server: _serve.Server, colours: str
) -> None:
    scheme(browser, colours)
    browser.get(f"{server.url}debug/pprof/")
    axe_finds_nothing(browser)
