"""The page in headless Chromium: no errors, no requests, everything answers."""

import base64
import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from resarray.cli.doctor import CHROMIUM
from resarray.cli.main import run
from resarray.sim.format import to_json

from .conftest import falsify
from .test_report import SYNTH, slower, write

pytestmark = pytest.mark.verifies("report", by="text")

WIDTHS = (390, 1440)
THEMES = ("light", "dark")
DRAWN_MS = 120_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [path for path in map(shutil.which, CHROMIUM) if path]
    if not found:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, Chromium's sandbox does not start.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=found[0], args=options)
        yield launched
        launched.close()


@contextlib.contextmanager
def opened(browser: Browser, path: Path, width: int, theme: str) -> Iterator[Page]:
    """The page, drawn; afterwards, there must have been neither errors nor requests."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("data:", "blob:", path.as_uri())) or wrong.append(request.url)
        ),
    )
    page.goto(path.as_uri(), timeout=DRAWN_MS)
    page.wait_for_selector("html[data-drawn=auto]", timeout=DRAWN_MS)
    yield page
    page.close()
    assert not wrong


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    """Until ``condition`` holds; Playwright's own waiting is what the page's policy forbids."""
    for _ in range(DRAWN_MS // 100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing happened")


def paper(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def ink_of_plot(page: Page) -> str:
    """Colour of the axis's numbers."""
    return page.evaluate(
        "getComputedStyle(document.querySelector('#figure-cycles .xtick text')).fill"
    )


def stretch(page: Page) -> list[float]:
    """The cycles that the timeline shows."""
    return page.evaluate("document.querySelector('[data-figure=timeline]')._fullLayout.xaxis.range")


def check_layout(page: Page, width: int) -> None:
    """No scrolling to the side, every plot within the page and drawn."""
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for plot in page.query_selector_all(".plot"):
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert plot.query_selector("svg.main-svg")


def click_through(page: Page) -> None:
    """Every menu, the timeline's zoom, a bar's hover text, the theme switch."""
    # The plot's own layer lies over the bars and tells it where the pointer is.
    page.hover("#figure-cycles .bars .point path", force=True)
    page.wait_for_selector("#figure-cycles .hoverlayer .hovertext")

    ranges = set()
    for label in page.locator("#figure-timeline option").all_inner_texts():
        page.select_option("#figure-timeline select", label=label)
        ranges.add(tuple(stretch(page)))
    assert len(ranges) == page.locator("#figure-timeline option").count()

    titles = set()
    for index in range(page.locator("#map-layer option").count()):
        page.select_option("#map-layer", index=index)
        for channel in range(page.locator("#map-channel option").count()):
            page.select_option("#map-channel", index=channel)
            titles.add(page.inner_text("#maps-title"))
            assert page.evaluate("""[...document.querySelectorAll('.map')].every(
                (map) => map.data[0].z.flat().every(Number.isFinite))""")
    assert len(titles) == 4 + 1 + 1  # a convolution's channels, two vectors

    page.select_option("#figure-histogram select", index=2)
    visible = page.evaluate(
        "document.querySelector('[data-figure=histogram]').data.map((trace) => trace.visible)"
    )
    assert visible == [False, False, True]

    before = paper(page), ink_of_plot(page)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    other = "light" if dark else "dark"
    page.click(f".theme label:has([value={other}])")
    page.wait_for_selector(f"html[data-drawn={other}]", timeout=DRAWN_MS)
    after = paper(page), ink_of_plot(page)
    assert before[0] != after[0]
    assert before[1] != after[1]
    page.click(".theme label:has([value=auto])")
    page.wait_for_selector("html[data-drawn=auto]", timeout=DRAWN_MS)
    assert (paper(page), ink_of_plot(page)) == before


@pytest.fixture(scope="module")
def report(measured, inspected, tmp_path_factory) -> Path:
    """Page of a comparison with synthesis figures and operators: everything that there is."""
    folder = tmp_path_factory.mktemp("report")
    result = json.loads(measured.read_text())
    synth = write(folder / "synth.json", SYNTH | {"config_hash": result["config_hash"]})
    slower(result)
    (folder / "slower.json").write_bytes(to_json(result))
    options = ["--synth", str(synth), "--inspection", str(inspected), "--out", str(folder)]
    assert run(["report", str(measured), str(folder / "slower.json"), *options]) == 0
    return folder / "report.html"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_page(browser, report, tmp_path, width, theme):
    with opened(browser, report, width, theme) as page:
        check_layout(page, width)
        click_through(page)
        page.screenshot(path=tmp_path / f"{width}-{theme}.png", full_page=True)
        assert (tmp_path / f"{width}-{theme}.png").stat().st_size > 100_000


def test_nothing_can_be_sent_away(browser, report):
    """Plotly would offer to upload a chart."""
    with opened(browser, report, 1440, "light") as page:
        titles = page.eval_on_selector_all(
            ".modebar-btn", "buttons => buttons.map((button) => button.dataset.title)"
        )
        assert any("Download" in title for title in titles)
        assert not [title for title in titles if "Share" in title or "loud" in title]


def test_buttons_move_the_timeline(browser, report):
    with opened(browser, report, 390, "light") as page:
        first, last = stretch(page)
        for name, start, share in (
            ("in", 0.25, 0.5),
            ("right", 0.5, 0.5),
            ("left", 0.25, 0.5),
            ("in", 0.375, 0.25),
            ("out", 0.25, 0.5),
            ("out", 0, 1),
            ("out", 0, 1),
            ("left", 0, 1),
        ):
            page.click(f".zoom button[value={name}]")
            expected = pytest.approx([first + start * last, first + (start + share) * last])
            wait_for(page, lambda expected=expected: stretch(page) == expected)


def test_drag_zooms_the_timeline(browser, report):
    with opened(browser, report, 1440, "light") as page:
        first, last = stretch(page)
        page.evaluate(
            "document.querySelector('#figure-timeline').scrollIntoView({behavior: 'instant'})"
        )
        box = page.locator("#figure-timeline .nsewdrag").first.bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 20, steps=5)
        page.mouse.up()
        wait_for(page, lambda: stretch(page)[0] > first)
        a, b = stretch(page)
        assert (b - a) / (last - first) == pytest.approx(200 / box["width"], rel=0.1)


def test_mismatch_is_marked_in_the_map(browser, altered, tmp_path):
    """The first map that is shown is the one with the wrong value."""

    def change(result):
        falsify(result)
        result["model"] = "a_model_with_a_long_name" * 5
        maps = result["tensors"][0]["maps"]
        values = np.frombuffer(base64.b64decode(maps["golden"]), np.int8).copy()
        values[1] ^= 1
        maps["rtl"] = base64.b64encode(values.tobytes()).decode()

    assert run(["report", str(altered(change)), "--out", str(tmp_path)]) == 0
    with opened(browser, tmp_path / "report.html", 390, "light") as page:
        check_layout(page, 390)
        assert "1 of 16 values differ" in page.inner_text("#maps-title")
        z = page.evaluate("document.querySelector('[data-map=difference]').data[0].z.flat()")
        assert [abs(value) for value in z] == [0, 1] + [0] * 14


def test_print_is_light(browser, report):
    with opened(browser, report, 1440, "dark") as page:
        dark = ink_of_plot(page)
        page.emulate_media(media="print", color_scheme="dark")
        wait_for(page, lambda: ink_of_plot(page) != dark)
        assert len(page.pdf()) > 50_000


@pytest.mark.skipif(not os.environ.get("RESARRAY_SLOW"), reason="minutes: set RESARRAY_SLOW=1")
def test_resnet18_at_full_size(browser, tmp_path):
    """The bars: size of the result, time and size of the report, and it opens."""
    result = tmp_path / "result.json"
    options = ["--model", "resnet18", "--input-size", "224"]
    assert run(["sim", *options, "--json", str(result)]) == 0
    assert result.stat().st_size < 3e6
    started = time.monotonic()
    assert run(["report", str(result), "--out", str(tmp_path)]) == 0
    assert time.monotonic() - started < 20
    path = tmp_path / "report.html"
    assert path.stat().st_size < 8e6
    for width in WIDTHS:
        for theme in THEMES:
            with opened(browser, path, width, theme) as page:
                check_layout(page, width)
