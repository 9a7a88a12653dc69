"""The explorer in a real browser: slide, sweep, blend, name, save, and read the picture back."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import betavae.data
from app.browser import PATIENCE, phone, served
from betavae.app.explorer import Explorer, open_explorer
from betavae.app.server import create_app
from betavae.report.write import write_report
from betavae.runs.latent_names import read_names
from betavae.runs.latent_ranges import Scale
from small_runs import load_synthetic, synthetic

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

READ = """
const canvas = document.querySelectorAll("canvas")[arguments[0]];
const {width, height} = canvas;
const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
return [height, width, Array.from(rgba).filter((_, k) => k % 4 === 0)];
"""

SHEET = """
const picture = arguments[0].querySelector("img");
const copy = document.createElement("canvas");
[copy.width, copy.height] = [picture.naturalWidth, picture.naturalHeight];
const pen = copy.getContext("2d");
pen.drawImage(picture, 0, 0);
const rgba = pen.getImageData(0, 0, copy.width, copy.height).data;
return [copy.height, copy.width, Array.from(rgba).filter((_, k) => k % 4 === 0)];
"""


@pytest.fixture(scope="module")
def two_runs(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(betavae.data, "load", load_synthetic)
        folders = [Path(shutil.copytree(trained_run, folder / name)) for name in ("one", "two")]
        explorer = open_explorer(folders)
    # So short a training leaves the latents without effect: give each one that can be seen,
    # another one in the second run, and rates that leave one latent idle.
    rates = Scale.of_rates(np.array([0.5, 3.0, 0.01, 2.0]))
    for run, factor in zip(explorer.runs, (20, 12), strict=True):
        linear = next(m for m in run.model.decoder.modules() if isinstance(m, nn.Linear))
        with torch.no_grad():
            linear.weight.mul_(factor)
        vars(run)["_terms"] = (run.distortion, rates)  # as the cached property keeps them
    return explorer


@pytest.fixture(scope="module")
def address(two_runs: Explorer) -> Iterator[str]:
    with served(create_app(two_runs)) as where:
        yield where


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(address)
    wait(lambda: drawn_count(browser) > 0)
    pick(browser, 0, 7)
    yield browser
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def wait(done: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = done()
        if found or time.monotonic() > deadline:
            assert found, "waited in vain"
            return found
        time.sleep(0.02)


def drawn_count(page: Any, run: int = 0) -> int:
    script = "return Number(document.querySelectorAll('canvas')[arguments[0]]?.dataset.drawn ?? 0)"
    return int(page.execute_script(script, run))


def canvas(page: Any, run: int = 0) -> np.ndarray:
    height, width, values = page.execute_script(READ, run)
    return np.array(values).reshape(height, width)


def expected(explorer: Explorer, code: Any, run: int = 0) -> np.ndarray:
    return np.rint(255 * explorer.images(run, [list(code)])[0, 0])


def shows(page: Any, explorer: Explorer, code: Any, run: int = 0) -> bool:
    return bool(np.abs(canvas(page, run) - expected(explorer, code, run)).max() <= 1)


def find(page: Any, query: str) -> Any:
    return page.find_element("css selector", query)


def slider(page: Any, latent: int, run: int = 0) -> Any:
    return page.find_elements("css selector", f"[data-latent='{latent}']")[run]


def code_of(explorer: Explorer, row: int, run: int = 0) -> np.ndarray:
    with torch.inference_mode():
        return explorer.runs[run].model.encode(synthetic().images[[row]]).mean[0].numpy()


def pick(page: Any, slot: int, row: int) -> None:
    field = find(page, f"[data-slot='{slot}'] [type=number]")
    field.clear()
    field.send_keys(f"{row}\n")
    caption = find(page, f"[data-slot='{slot}'] .caption")
    wait(lambda: caption.text.replace("\u00a0", " ").startswith(f"image {row} "))


def first_latent(explorer: Explorer) -> int:
    return int(np.argmax(explorer.runs[0].rates))


def test_the_picture_is_the_models_and_follows_the_mouse(page: Any, two_runs: Explorer) -> None:
    from selenium.webdriver import ActionChains

    home = code_of(two_runs, 7)
    wait(lambda: shows(page, two_runs, home))
    latent = first_latent(two_runs)
    handle = slider(page, latent)
    before = float(handle.get_property("value"))
    width = handle.size["width"]
    ActionChains(page).move_to_element_with_offset(
        handle, int(before / 3 * (width - 18) / 2), 0
    ).click_and_hold().move_by_offset(60 if before < 0 else -60, 0).release().perform()
    after = float(slider(page, latent).get_property("value"))
    assert abs(after - before) > 0.2
    moved = home.copy()
    moved[latent] = after
    wait(lambda: shows(page, two_runs, moved))
    assert np.abs(expected(two_runs, moved) - expected(two_runs, home)).max() > 8
    find(page, ".reset").click()
    wait(lambda: shows(page, two_runs, home))


def test_the_keyboard_moves_sweeps_and_returns(page: Any, two_runs: Explorer) -> None:
    home, latent = code_of(two_runs, 7), first_latent(two_runs)
    handle = slider(page, latent)
    handle.send_keys("\ue013" * 5)  # arrow up
    value = float(handle.get_property("value"))
    assert value == pytest.approx(home[latent] + 0.05, abs=0.011)
    moved = home.copy()
    moved[latent] = value
    wait(lambda: shows(page, two_runs, moved))
    count = drawn_count(page)
    handle.send_keys(" ")
    wait(lambda: drawn_count(page) > count + 5)
    play = handle.find_element("xpath", "../button")
    assert play.get_attribute("aria-pressed") == "true"
    handle.send_keys(" ")
    assert play.get_attribute("aria-pressed") == "false"
    handle.send_keys("0")
    wait(lambda: shows(page, two_runs, home))
    caption = find(page, "[data-slot='0'] .caption")
    text = caption.text
    find(page, "body").send_keys("r")
    wait(lambda: caption.text != text)


def test_every_control_can_be_reached_by_tab(page: Any, two_runs: Explorer) -> None:
    from selenium.webdriver import ActionChains

    seen = set()
    page.execute_script("document.activeElement.blur()")
    for _ in range(80):
        ActionChains(page).send_keys("\ue004").perform()
        seen.add(page.execute_script(
            "const e = document.activeElement; return e.ariaLabel || e.textContent.trim()"
        ))  # fmt: skip
    latents = range(two_runs.runs[0].model.latents)
    assert {"Random", "PNG", "GIF", "Reset"} <= seen
    active = [k for k in latents if two_runs.runs[0].rates[k] > 0.1]
    assert all(any(name.startswith(f"Value of latent {k}") for name in seen) for k in active)


def test_two_runs_draw_the_same_image_each_its_own_way(page: Any, two_runs: Explorer) -> None:
    for run in (0, 1):
        wait(lambda run=run: shows(page, two_runs, code_of(two_runs, 7, run), run))
    assert np.abs(canvas(page, 0) - canvas(page, 1)).max() > 8


def test_one_image_blends_into_another(page: Any, two_runs: Explorer) -> None:
    pick(page, 1, 11)
    handle = find(page, "#blend")
    handle.send_keys("\ue010")  # end
    wait(lambda: shows(page, two_runs, code_of(two_runs, 11)))
    handle.send_keys("\ue011")  # home
    wait(lambda: shows(page, two_runs, code_of(two_runs, 7)))
    handle.send_keys("\ue014" * 50)  # arrow right
    middle = (code_of(two_runs, 7) + code_of(two_runs, 11)) / 2
    wait(lambda: shows(page, two_runs, middle))
    find(page, "#blend-play").click()
    wait(lambda: find(page, "#blend").get_property("value") not in ("0.5", "0.51"))
    find(page, "#blend-play").click()


def test_names_are_saved_and_come_back(page: Any, two_runs: Explorer, address: str) -> None:
    latent = first_latent(two_runs)
    name = slider(page, latent).find_element("xpath", "../input[@class='name']")
    name.clear()
    name.send_keys("how wide\n")
    folder = two_runs.runs[0].folder
    wait(lambda: read_names(folder).get(latent) == "how wide")
    assert read_names(two_runs.runs[1].folder) == {}
    wait(lambda: "how wide" in slider(page, latent).get_attribute("aria-label"))
    page.get(address)
    wait(lambda: drawn_count(page) > 0)
    again = slider(page, latent).find_element("xpath", "../input[@class='name']")
    assert again.get_property("value") == "how wide"


def test_an_upload_is_shown_and_drawn(page: Any, two_runs: Explorer, tmp_path: Path) -> None:
    pixels = np.rint(synthetic().images[[9]][0, 0].numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    find(page, "[data-slot='0'] [type=file]").send_keys(str(tmp_path / "mine.png"))
    wait(lambda: "your picture" in find(page, "[data-slot='0'] .caption").text)
    wait(lambda: shows(page, two_runs, code_of(two_runs, 9)))
    find(page, "[data-slot='0'] .invert").click()
    wait(lambda: not shows(page, two_runs, code_of(two_runs, 9)))


def test_bad_uploads_are_said_on_the_page(browser: Any, address: str, tmp_path: Path) -> None:
    browser.get(address)
    wait(lambda: drawn_count(browser) > 0)
    (tmp_path / "mine.png").write_bytes(b"no picture")
    find(browser, "[data-slot='0'] [type=file]").send_keys(str(tmp_path / "mine.png"))
    wait(lambda: "not an image that can be read" in find(browser, "#error").text)


def test_the_traversal_is_saved_as_files(page: Any, two_runs: Explorer) -> None:
    downloads = Path(page.capabilities["chrome"]["userDataDir"]) / "downloads"
    latent = first_latent(two_runs)
    slider(page, latent).send_keys("\ue013")
    for kind, query in (("png", "[data-kind=png]"), ("gif", "[data-kind=gif]")):
        find(page, query).click()
        path = downloads / f"traversal-z{latent}.{kind}"
        wait(lambda path=path: path.exists() and path.stat().st_size > 0)
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            picture.load()
            assert picture.size == ((11 * 128 + 10 * 8, 128 + 18) if kind == "png" else (128, 128))


def test_the_reports_strips_turn_without_a_server(
    browser: Any, two_runs: Explorer, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(betavae.data, "load", load_synthetic)
        path = write_report([run.folder for run in two_runs.runs], tmp_path / "report.html")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get_log("browser")
    browser.get(path.as_uri())
    wait(lambda: find(browser, ".turn canvas").is_displayed())
    strip = find(browser, ".strip")
    shown = canvas(browser)
    assert shown.shape == (32, 3 * 34 - 2)
    sheet = browser.execute_script(SHEET, strip)
    place = np.array(sheet[2]).reshape(sheet[:2])
    start = 32 + 5  # the input, and the gap after it
    for key, step in (("\ue011", 0), ("\ue014" * 3, 3), ("\ue010", 10)):
        strip.find_element("css selector", "input").send_keys(key)
        cells = [
            place[33 * seed : 33 * seed + 32, start + 33 * step : start + 33 * step + 32]
            for seed in range(3)
        ]
        expected = np.stack(cells, axis=1)
        now = np.stack([canvas(browser)[:, 34 * seed : 34 * seed + 32] for seed in range(3)], 1)
        assert np.array_equal(now, expected)
        assert f"= {-3 + 0.6 * step:.1f}".replace("-", "−") in find(browser, ".turn").text
    play = find(browser, ".turn button")
    play.click()
    wait(lambda: play.text == "Pause" and "= 3.0" not in find(browser, ".turn").text)
    play.click()
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_a_phone_shows_everything_without_scrolling_sideways(browser: Any, address: str) -> None:
    phone(browser)
    browser.get(address)
    wait(lambda: drawn_count(browser, 1) > 0)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    wide = browser.execute_script(
        "return [...document.querySelectorAll('main *')].filter(e => {"
        "const r = e.getBoundingClientRect();"
        "return r.width && (r.right > innerWidth + 1 || r.left < -1)"
        "}).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
