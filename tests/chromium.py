"""Chromium without a window, for tests of pages."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from needs import missing, program


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing("selenium")
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    driver = program("chromedriver")
    if binary is None:
        missing("chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1400,1200"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    started.set_page_load_timeout(60)
    yield started
    started.quit()


def by_id(browser: Any, name: str) -> Any:
    return browser.find_element("id", name)


def press(browser: Any, key: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.find_element("css selector", "body").send_keys(getattr(Keys, key))


def requests(browser: Any) -> list[str]:
    """Addresses that the page asked for."""
    events = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    return [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]


def opened(browser: Any, page: Path) -> None:
    """Loads the page; what earlier pages logged is forgotten, emulation too."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())


def pixels(png: bytes) -> Counter[tuple[int, ...]]:
    """How often each colour occurs in a picture."""
    from PIL import Image  # comes with Matplotlib

    picture = Image.open(BytesIO(png)).convert("RGB")
    return Counter({c: n for n, c in picture.getcolors(picture.width * picture.height)})


def axe_finds_nothing(browser: Any) -> None:
    """axe-core, as a Python package brings it, has nothing to say of the page that is shown."""
    try:
        root = resources.files("axe_core_python")
    except ModuleNotFoundError:
        missing("axe-core-python")
    browser.execute_script((root / "axe.min.js").read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    told = browser.execute_async_script("axe.run(document).then(arguments[0])")
    shown = [(v["id"], [n["html"][:200] for n in v["nodes"][:5]]) for v in told["violations"]]
    assert shown == []
    assert len(told["passes"]) > 10  # it did look
