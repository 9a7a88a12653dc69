from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
import shutil
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import betavae.data
from betavae._system.errors import InputError
from betavae.report.write import write_report
from betavae.runs.latent_names import write_names
from betavae.runs.opened import OpenRun, open_run
from html_page import Page, page
from small_runs import find_synthetic, synthetic


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    """A run whose folder holds its report too."""
    folder = Path(shutil.copytree(trained_run, tmp_path_factory.mktemp("reports") / "small run"))
    with pytest.MonkeyPatch.context() as patch:
        find_synthetic(patch)
        write_report(folder)
        return open_run(folder)


@pytest.fixture(scope="module")
def html(run: OpenRun) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_is_one_file_that_loads_nothing(
    run: OpenRun, trained_run: Path, html: str
) -> None:
    before = {path.name for path in trained_run.iterdir()}
    assert {path.name for path in run.folder.iterdir()} == before | {"report.html"}
    assert len(html) < 5_000_000
    assert not re.search(r"https?://|//[a-z]+\.|url\(|@import", html)
    tags = Page(html).tags
    assert not {"link", "iframe", "object"} & {tag for tag, _ in tags}
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    for tag, attributes in tags:
        for name in ("href", "srcset", "src"):
            if name in attributes:
                kinds = {"img": "data:image/", "a": "#"}
                assert str(attributes[name]).startswith(kinds[tag])


@pytest.mark.slow
def test_every_picture_decodes_and_says_what_it_is(small_run: Path) -> None:
    pictures = [
        attributes for tag, attributes in page(write_report(small_run)).tags if tag == "img"
    ]
    # Traversals, reconstructions, then six charts for light and for dark pages.
    assert len(pictures) == 4 + 12 + 2 * 6
    for attributes in pictures:
        assert len(str(attributes["alt"])) > 20
        head, _, body = str(attributes["src"]).partition(",")
        content = base64.b64decode(body, validate=True)
        if head == "data:image/svg+xml;base64":
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert head == "data:image/png;base64"
            Image.open(io.BytesIO(content)).load()


def test_traversals_come_in_the_order_of_their_rates(run: OpenRun, html: str) -> None:
    order = np.argsort(-run.rates, kind="stable")
    assert re.findall(r"<b>z<sub>(\d+)</sub></b>", html) == [str(k) for k in order]
    nats = [float(value) for value in re.findall(r'class="nats">([\d.]+) nats', html)]
    assert nats == pytest.approx(run.rates[order], abs=0.005)
    assert html.count(">−3</span>") == html.count(">+3</span>") == 4


def test_the_figures_of_the_run_are_in_the_text(run: OpenRun, html: str) -> None:
    text = Page(html).text
    assert "β-VAE with β = 0.01 on synthetic" in text
    assert f"{run.rates.sum():.2f} nats" in text
    assert f"{run.distortion:.1f} nats" in text
    assert "800" in text
    assert "Protocol higgins2017" not in text
    assert "Higgins et al. (2017) report" not in text


def test_without_a_score_the_report_says_how_to_compute_it(run: OpenRun, html: str) -> None:
    assert f"not computed yet Compute it with betavae score '{run.folder}'" in Page(html).text


def test_names_from_outside_are_escaped(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"<script>alert(1)</script>": {"score": 0.5}}
    (plain_run / "score.json").write_text(json.dumps(scores))
    moved = plain_run.rename(tmp_path / "<img src=x onerror=alert(1)>")
    tags = [tag for tag, attributes in page(write_report(moved)).tags if "onerror" in attributes]
    assert tags == []
    assert (moved / "report.html").read_text().count("<script") == 1


@pytest.mark.slow
def test_runs_stand_side_by_side_in_one_file(plain_run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(plain_run, tmp_path / "other"))
    write_names(other, {0: "how <wide>"}, 4)
    path = write_report([plain_run, other])
    assert path == tmp_path / "report.html"
    read = page(path)
    assert "2 runs side by side" in read.text
    assert "z 0 how <wide>" in read.text
    layouts = [
        attributes["data-layout"] for _, attributes in read.tags if "data-layout" in attributes
    ]
    assert len(layouts) == 2
    assert json.loads(str(layouts[0]))["values"][0] == -3
    with pytest.raises(InputError, match="1 to 8 runs, got 9"):
        write_report([plain_run] * 9)
    elsewhere = Path(shutil.copytree(plain_run, tmp_path / "deep" / "run"))
    with pytest.raises(InputError, match="need --out"):
        write_report([plain_run, elsewhere])


def test_without_factors_the_report_says_so(
    plain_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = dataclasses.replace(synthetic(), labels=None, factor_names=())
    monkeypatch.setattr(betavae.data, "load", lambda *_, **__: bare)
    text = page(write_report(plain_run)).text
    assert "What each latent answers to" not in text
    assert "What can be read from the codes" not in text


def test_only_the_pages_own_script_may_run(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in unescape(html)


@pytest.mark.slow
def test_a_report_stays_below_ten_megabytes(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise in the strips packs worst; a page that is larger still is not written."""
    import betavae.report.parts
    import betavae.report.write

    real = betavae.report.parts.traversal_sheet

    def noisy(images: np.ndarray, *rest: object) -> np.ndarray:
        large = images.repeat(2, axis=-1).repeat(2, axis=-2)  # 64 pixels, the largest shown
        inputs = np.zeros((len(large), *large.shape[2:]), np.float32)
        rng = np.random.default_rng(0)
        return real(rng.random(large.shape, np.float32), inputs)

    monkeypatch.setattr(betavae.report.parts, "traversal_sheet", noisy)
    runs = [Path(shutil.copytree(small_run, tmp_path / str(k))) for k in range(2)]
    path = write_report(runs)
    assert path.stat().st_size < 10_000_000
    monkeypatch.setattr(betavae.report.write, "LARGEST", 1000)
    with pytest.raises(InputError, match="give fewer runs"):
        write_report(runs, tmp_path / "large.html")
    assert not (tmp_path / "large.html").exists()


def test_without_records_the_report_has_no_empty_section(plain_run: Path) -> None:
    (plain_run / "metrics.jsonl").unlink()
    assert "each point is the mean over" not in page(write_report(plain_run)).text


@pytest.mark.slow
def test_the_report_goes_where_asked(plain_run: Path, tmp_path: Path) -> None:
    assert write_report(plain_run, tmp_path / "new" / "a.html").name == "a.html"
    assert write_report(plain_run, tmp_path / "new") == tmp_path / "new" / "report.html"
    assert not (plain_run / "report.html").exists()


def test_bad_input_leaves_no_file(plain_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steps must be >= 2"):
        write_report(plain_run, tmp_path / "a.html", steps=1)
    with pytest.raises(InputError, match="is not a run folder"):
        write_report(tmp_path / "nothing", tmp_path / "a.html")
    with pytest.raises(InputError, match="cannot write"):
        write_report(plain_run, plain_run / "metrics.jsonl" / "a.html")
    assert not (tmp_path / "a.html").exists()
