"""The explorer's map, samples, addresses and messages in a browser, and axe-core on every page."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.axe import shade, violations
from app.browser import PATIENCE, served
from betavae.app.explorer import Explorer, open_explorer
from betavae.app.server import create_app
from betavae.app.static_page import export_page
from betavae.report.write import write_report
from small_runs import find_synthetic

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def folders(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("mapped")
    return [Path(shutil.copytree(trained_run, folder / name)) for name in ("one", "two")]


@pytest.fixture(scope="module")
def explorer(folders: list[Path]) -> Iterator[Explorer]:
    with pytest.MonkeyPatch.context() as patch:
        find_synthetic(patch)
        yield open_explorer(folders[:1])


@pytest.fixture(scope="module")
def address(explorer: Explorer) -> Iterator[str]:
    with served(create_app(explorer)) as where:
        yield where


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    browser.get("about:blank")
    browser.get(address)
    wait(lambda: count(browser, ".run canvas") > 0)
    return browser


def wait(done: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = done()
        if found or time.monotonic() > deadline:
            assert found, "waited in vain"
            return found
        time.sleep(0.02)


def find(page: Any, query: str) -> Any:
    return page.find_element("css selector", query)


def count(page: Any, query: str) -> int:
    script = "return Number(document.querySelector(arguments[0])?.dataset.drawn ?? 0)"
    return int(page.execute_script(script, query))


def caption(page: Any) -> str:
    return str(find(page, "[data-slot='0'] .caption").text).replace("\u00a0", " ")


def open_map(page: Any) -> None:
    find(page, "#map summary").click()
    wait(lambda: count(page, "#map canvas") > 0)


def test_a_click_on_the_map_picks_the_image_there(page: Any, address: str) -> None:
    import urllib.request

    open_map(page)
    with urllib.request.urlopen(f"{address}api/map?run=0") as answer:
        found = json.loads(answer.read())
    last = len(found["rows"]) - 1  # nothing lies over it
    page.execute_script(
        """
        const canvas = document.querySelector("#map canvas");
        const [x, y] = arguments[0];
        const box = canvas.getBoundingClientRect();
        const share = box.width / canvas.width;
        canvas.dispatchEvent(new MouseEvent("click", {bubbles: true,
          clientX: box.left + share * (x * (canvas.width - 30) + 15),
          clientY: box.top + share * ((1 - y) * (canvas.height - 30) + 15)}));
        """,
        found["places"][last],
    )
    wait(lambda: caption(page).startswith(f"image {found['rows'][last]} "))
    drawn = count(page, "#map canvas")
    page.execute_script(
        "const select = document.querySelector('#map select'); select.value = 'posX';"
        "select.dispatchEvent(new Event('change'))"
    )
    assert count(page, "#map canvas") == drawn + 1


def test_the_nearest_image_of_an_image_is_itself(page: Any) -> None:
    open_map(page)
    row = int(caption(page).split()[1].replace(",", ""))
    find(page, "#map .near").click()
    wait(lambda: page.find_elements("css selector", ".nearest img"))
    first = find(page, ".nearest img").get_attribute("alt")
    assert first == f"image {row}, distance 0"


def test_the_address_keeps_the_image_and_the_values(page: Any, address: str) -> None:
    slider = find(page, ".active input[type=range], .idle input[type=range]")
    page.execute_script("document.querySelector('.idle').open = true")
    slider.send_keys("\ue013" * 5)
    value = slider.get_property("value")
    wait(lambda: "codes=" in page.execute_script("return location.hash"))
    time.sleep(0.3)
    kept, before = page.execute_script("return location.href"), caption(page)
    page.get("about:blank")
    page.get(kept)
    wait(lambda: count(page, ".run canvas") > 0)
    slider = find(page, ".active input[type=range], .idle input[type=range]")
    wait(lambda: float(slider.get_property("value")) == pytest.approx(float(value), abs=0.006))
    assert caption(page) == before


def test_a_sample_and_the_files_of_what_is_shown(page: Any) -> None:
    downloads = Path(page.capabilities["chrome"]["userDataDir"]) / "downloads"
    drawn = count(page, ".run canvas")
    find(page, ".sample").click()
    wait(lambda: count(page, ".run canvas") > drawn)
    find(page, ".export .code").click()
    find(page, ".export .picture").click()
    wait(lambda: (downloads / "code-run0.json").exists())
    wait(lambda: (downloads / "picture-run0.png").exists())
    code = json.loads((downloads / "code-run0.json").read_text(encoding="utf-8"))["code"]
    assert len(code) == 4
    assert np.std(code) > 0.01


def test_a_server_that_is_gone_is_said_to_be_so(browser: Any, explorer: Explorer) -> None:
    with served(create_app(explorer)) as where:
        browser.get(where)
        wait(lambda: count(browser, ".run canvas") > 0)
    find(browser, ".random").click()
    wait(lambda: "has ended" in find(browser, "#error").text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_explorer(page: Any, scheme: str) -> None:
    shade(page, scheme)
    open_map(page)
    find(page, "#map .near").click()
    wait(lambda: page.find_elements("css selector", ".nearest img"))
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    found = violations(page)
    shade(page, "light")
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_reports_and_the_static_page(
    browser: Any, folders: list[Path], tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_synthetic(monkeypatch)
    shade(browser, scheme)
    found = {}
    for path in (
        write_report(folders[:1], tmp_path / "one.html"),
        write_report(folders, tmp_path / "two.html"),
        export_page(folders[0], tmp_path / "page.html"),
    ):
        browser.get(path.as_uri())
        browser.execute_script(
            "for (const d of document.querySelectorAll('details')) d.open = true"
        )
        found[path.name] = violations(browser)
    shade(browser, "light")
    assert found == {"one.html": [], "two.html": [], "page.html": []}
