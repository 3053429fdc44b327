"""The page of a film, driven in a real browser without a window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import by_id, opened, pixels, press, requests
from made_film import NOTE, lost_object, random_film

from gcsim._film import Film

pytestmark = pytest.mark.slow  # once in CI is enough


def place(browser: Any) -> str:
    """What the page says about its place; the parts of the page must agree on it."""
    text = by_id(browser, "place").text
    assert by_id(browser, "slider").get_property("value") == str(int(text.split()[0]) - 1)
    return str(text)


def in_picture(browser: Any, style: str) -> list[Any]:
    return list(browser.find_elements("css selector", f"#picture .{style}"))


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Path:
    path = tmp_path / "film.html"
    lost_object().html(path)
    opened(browser, path)
    return path


def test_keys_move_the_step(browser: Any, page: Path) -> None:
    film = lost_object()
    assert place(browser) == "1 of 6"
    for key, then in [
        ("ARROW_RIGHT", 2),
        ("ARROW_RIGHT", 3),
        ("ARROW_LEFT", 2),
        ("END", 6),
        ("ARROW_RIGHT", 6),  # the end stays the end
        ("HOME", 1),
        ("ARROW_LEFT", 1),
    ]:
        press(browser, key)
        assert place(browser) == f"{then} of 6"
        said = by_id(browser, "said").get_property("textContent")
        assert film[then - 1].action in said and f"Step {film[then - 1].step}," in said


def test_the_picture_changes_with_the_step(browser: Any, page: Path) -> None:
    assert len(in_picture(browser, "object-grey")) == 1
    assert len(in_picture(browser, "object-black")) == 0
    where = in_picture(browser, "object-grey")[0].rect
    press(browser, "END")
    assert len(in_picture(browser, "object-grey")) == 0
    assert in_picture(browser, "object-black")[0].rect == where  # it stays put
    assert len(in_picture(browser, "lost")) == 2
    # What an element says, not what of it is painted by now.
    said = [text.get_property("textContent") for text in in_picture(browser, "note-text")]
    assert NOTE in said
    assert "WRONG" in by_id(browser, "text").get_property("textContent")
    assert by_id(browser, "said").get_attribute("aria-live") == "polite"
    assert by_id(browser, "picture").accessible_name.startswith("Step 5, phase mark termination")


def test_slider_and_buttons(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = by_id(browser, "slider")
    assert slider.accessible_name == "Step" and slider.aria_role == "slider"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert place(browser) == "2 of 6"  # one step: the slider's own key and the page's do not add up
    browser.execute_script(
        "const s = arguments[0]; s.value = 4; s.dispatchEvent(new Event('input'))", slider
    )
    assert place(browser) == "5 of 6"
    by_id(browser, "back").click()
    assert place(browser) == "4 of 6"
    by_id(browser, "forward").click()
    by_id(browser, "forward").click()
    assert place(browser) == "6 of 6"
    assert not by_id(browser, "forward").is_enabled() and by_id(browser, "back").is_enabled()


def test_space_plays_and_nothing_moves_before(browser: Any, page: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    def after(ms: int) -> str:
        browser.set_script_timeout(30)
        browser.execute_async_script("setTimeout(arguments[1], arguments[0])", ms)
        return place(browser)

    assert after(1500) == "1 of 6"
    press(browser, "SPACE")
    assert by_id(browser, "play").text == "Stop"
    WebDriverWait(browser, 30).until(lambda _: by_id(browser, "place").text != "1 of 6")
    press(browser, "SPACE")
    assert by_id(browser, "play").text == "Play"
    stopped = place(browser)
    assert after(1500) == stopped
    press(browser, "SPACE")
    WebDriverWait(browser, 60).until(lambda _: by_id(browser, "play").text == "Play")
    assert place(browser) == "6 of 6"  # it ends there


@pytest.mark.parametrize(("scheme", "ground"), [("light", (255, 255, 255)), ("dark", (22, 25, 29))])
def test_both_colour_schemes_show_a_picture(
    browser: Any, page: Path, scheme: str, ground: tuple[int, int, int]
) -> None:
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    press(browser, "END")
    counts = pixels(by_id(browser, "picture").screenshot_as_png)
    assert counts.most_common(1)[0][0] == ground
    assert counts[(34, 38, 43)] > 2000  # a black object
    assert counts[(192, 25, 43) if scheme == "light" else (255, 107, 120)] > 300  # what is wrong
    assert (
        counts.total() * 0.5 < counts[ground] < counts.total() * 0.95
    )  # neither blank nor flooded


def test_motion_is_left_out_where_it_is_not_wanted(browser: Any, page: Path) -> None:
    def animations(value: str) -> int:
        features = [{"name": "prefers-reduced-motion", "value": value}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        press(browser, "HOME")
        press(browser, "ARROW_RIGHT")
        return int(
            browser.execute_script(
                "const all = [...document.querySelectorAll('.fresh')];"
                "return all.filter(n => getComputedStyle(n).animationName !== 'none').length"
            )
        )

    assert animations("no-preference") > 0
    assert animations("reduce") == 0


def test_nothing_is_loaded_and_nothing_is_complained_about(browser: Any, page: Path) -> None:
    for key in ("ARROW_RIGHT", "END", "HOME", "SPACE"):
        press(browser, key)
    assert requests(browser) == [page.as_uri()]
    assert browser.get_log("browser") == []


def test_the_notebook_form_works_inside_its_frame(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "cell.html"
    cell = lost_object()._repr_html_()
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>cell</title>{cell}")
    opened(browser, path)
    frame = browser.find_element("css selector", "iframe")
    assert frame.accessible_name == "No write barrier, one mutator, two objects"
    browser.switch_to.frame(frame)
    try:
        by_id(browser, "picture").click()  # keys go to the frame that was clicked
        press(browser, "ARROW_RIGHT")
        assert place(browser) == "2 of 6"
        fits = "return document.documentElement.scrollHeight <= innerHeight"
        assert browser.execute_script(fits)
    finally:
        browser.switch_to.default_content()
    assert [url for url in requests(browser) if not url.startswith(("file:", "about:"))] == []
    assert browser.get_log("browser") == []


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    take = "document.title = 'taken'"
    bad = f'</script><script>{take}</script></script ><img src=x onerror="{take}">'
    first = lost_object()[0]
    objects = (replace(first.objects[0], name=bad), first.objects[1])
    view = replace(first, objects=objects, pointers=(), queue=(bad,), action=bad, note=bad)
    path = tmp_path / "film.html"
    Film([view, view], title=bad, schedule=bad, note=bad).html(path)
    opened(browser, path)
    press(browser, "END")
    assert place(browser) == "2 of 2"
    assert browser.title == bad
    assert browser.find_elements("css selector", "img") == []
    assert bad in by_id(browser, "text").get_property("textContent")
    assert browser.get_log("browser") == []


def test_words_stay_in_their_boxes(browser: Any, tmp_path: Path) -> None:
    """The widths that the layout reckons with are those of a browser's fonts, or more."""
    path = tmp_path / "film.html"
    random_film(3, 64, 2).html(path)
    opened(browser, path)
    outside = browser.execute_script(
        """
        const boxes = [...document.querySelectorAll(
            '#picture .object-white, #picture .object-grey, #picture .object-black')]
            .map(b => b.getBBox());
        const words = [...document.querySelectorAll('#picture text[class^=object-]')];
        const inside = (t, b) => t.x >= b.x && t.x + t.width <= b.x + b.width + 1
            && t.y >= b.y && t.y + t.height <= b.y + b.height + 3;
        return [words.length, words.filter(w => !boxes.some(b => inside(w.getBBox(), b)))
            .map(w => w.textContent)];
        """
    )
    assert outside[0] > 100 and outside[1] == []
