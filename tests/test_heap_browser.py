"""The report on a heap and our heap snapshots, in a real browser: axe, and DevTools' own loader."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chromium import axe_finds_nothing, opened, pixels, requests
from test_heap_files import own_heap

import gcsim
from gcsim._heap_page import page
from gcsim._heap_report import report
from gcsim._snapshot import Snapshot

pytestmark = pytest.mark.slow  # once in CI is enough

RAW = Path(__file__).parent / "data" / "heap" / "leaks.dump.gz"
WIDE, NARROW = (1300, 1500), (390, 1500)

# What DevTools itself does with a file that is loaded in its Memory panel: HeapSnapshotLoader.ts,
# HeapSnapshot.ts. The modules are Chromium's own; nothing is fetched.
LOAD = """
const [text, done] = arguments;
(async () => {
  const {HeapSnapshot, HeapSnapshotLoader} = await import(
      'devtools://devtools/bundled/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js');
  const loader = new HeapSnapshotLoader.HeapSnapshotLoader({sendEvent() {}});
  for (let at = 0; at < text.length; at += 100000) loader.write(text.slice(at, at + 100000));
  loader.close();
  await loader.parsingComplete;
  const channel = new MessageChannel();
  new HeapSnapshot.SecondaryInitManager(channel.port2);
  const heap = await loader.buildSnapshot(channel.port1);
  const width = heap.nodeFieldCount, rows = [];
  for (let i = 0; i < heap.nodeCount; i++)
    rows.push([heap.nodes.getValue(width * i + 2), heap.nodes.getValue(width * i + 3),
               heap.retainedSizes[i]]);
  const kinds = Object.values(heap.getAggregatesByClassKey(false, 'allObjects'));
  done({nodes: heap.nodeCount, edges: heap.containmentEdges.length / heap.edgeFieldsCount,
        total: heap.totalSize, rows, kinds: kinds.map(k => [k.name, k.count, k.self])});
})().catch(error => done({error: String(error), stack: error.stack}));
"""


@pytest.mark.parametrize("which", ["dump", "own"])
def test_devtools_loads_the_same_heap(browser: Any, which: str, tmp_path: Path) -> None:
    """Nodes, edges, bytes and the retained size of every object, as DevTools reckons them."""
    snap: Snapshot = gcsim.read_snapshot(RAW) if which == "dump" else own_heap()
    path = tmp_path / "x.heapsnapshot"
    snap.write(path)
    browser.get("devtools://devtools/bundled/inspector.html")
    browser.set_script_timeout(120)
    loaded = browser.execute_async_script(LOAD, path.read_text())
    assert "error" not in loaded, loaded
    roots = len(snap._root_names)
    assert loaded["nodes"] == 1 + roots + len(snap)
    assert loaded["edges"] == 2 * roots + len(snap._columns[2]) // 4
    assert loaded["total"] == snap.bytes
    rows = loaded["rows"][1 + roots :]
    assert [2 * ((snap.address(i) - snap._base) // 8) + 2 for i in range(len(snap))] == [
        number for number, _, _ in rows
    ]
    assert [snap.size(i) for i in range(len(snap))] == [size for _, size, _ in rows]
    live = [i for i in range(len(snap)) if snap.retained(i)]
    assert [snap.retained(i) for i in live] == [rows[i][2] for i in live]
    named = Counter({row.name: row.objects for row in snap.histogram()})
    assert {name: count for name, count, _ in loaded["kinds"]} == named


@pytest.fixture
def report_page(browser: Any, tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(page(report(gcsim.open_graph(RAW), RAW, why=("100",))), encoding="utf-8")
    opened(browser, path)
    return path


def shown(browser: Any, page: Path, scheme: str, size: tuple[int, int]) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())


@pytest.fixture
def own_size(browser: Any) -> Any:
    yield
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_axe_finds_nothing(
    browser: Any, report_page: Path, own_size: None, scheme: str, size: tuple[int, int]
) -> None:
    shown(browser, report_page, scheme, size)
    axe_finds_nothing(browser)
    fits = "return document.documentElement.scrollWidth <= innerWidth"
    assert browser.execute_script(fits)
    ground = {"light": (255, 255, 255), "dark": (22, 25, 29)}[scheme]
    counts = pixels(browser.get_screenshot_as_png())
    assert ground in [colour for colour, _ in counts.most_common(2)]
    assert counts[ground] < 0.97 * counts.total()
    assert requests(browser)[-1] == report_page.as_uri()


def test_tables_are_reached_and_scrolled_by_keys(
    browser: Any, report_page: Path, own_size: None
) -> None:
    from selenium.webdriver.common.keys import Keys

    shown(browser, report_page, "light", NARROW)
    regions = browser.find_elements("css selector", ".scroll")
    table = next(r for r in regions if r.accessible_name == "What retains the most")
    assert table.aria_role == "region"
    active = "return document.activeElement"
    for _ in range(30):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.execute_script(active) == table:
            break
    assert browser.execute_script(active) == table
    for _ in range(5):
        table.send_keys(Keys.ARROW_RIGHT)
    browser.set_script_timeout(30)
    browser.execute_async_script("setTimeout(arguments[0], 500)")  # scrolling is smooth
    assert browser.execute_script("return arguments[0].scrollLeft", table) > 0
    assert browser.get_log("browser") == []
    assert set(requests(browser)) == {report_page.as_uri()}
