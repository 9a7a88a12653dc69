from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
import shlex
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import betavae.data
from betavae.config import Config
from betavae.errors import InputError
from betavae.latent_names import write_names
from betavae.report import write_report
from betavae.runs import OpenRun, open_run
from betavae.scoretable import metric_rows, read_scores, score_tiles
from betavae.summaries import command, settings
from small_runs import load_synthetic, synthetic, train_small

VOID = {"meta", "img", "br", "link", "source", "input"}


class Page(HTMLParser):
    """What a browser would load or show: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def small_run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run folder, with its data set where `betavae.data.load` finds it."""
    monkeypatch.setattr(betavae.data, "load", load_synthetic)
    return Path(shutil.copytree(trained, tmp_path / "small run"))


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    """A run whose folder holds its report too."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("reports") / "small run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(betavae.data, "load", load_synthetic)
        write_report(folder)
        return open_run(folder)


@pytest.fixture
def plain_run(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose reports have empty charts, for tests that look at something else."""
    import betavae.report_parts

    monkeypatch.setattr(
        betavae.report_parts, "figure_address", lambda figure: "data:image/svg+xml,"
    )
    return small_run


@pytest.fixture(scope="module")
def html(run: OpenRun) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_is_one_file_that_loads_nothing(run: OpenRun, trained: Path, html: str) -> None:
    before = {path.name for path in trained.iterdir()}
    assert {path.name for path in run.folder.iterdir()} == before | {"report.html"}
    assert len(html) < 5_000_000
    assert not re.search(r"https?://|//[a-z]+\.|url\(|@import", html)
    tags = Page(html).tags
    assert not {"link", "iframe", "object"} & {tag for tag, _ in tags}
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    for tag, attributes in tags:
        for name in ("href", "srcset", "src"):
            if name in attributes:
                assert tag == "img"
                assert str(attributes[name]).startswith("data:image/")


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


def test_scores_stand_with_their_deviation_and_protocol(plain_run: Path) -> None:
    details = {"deviation": 0.0021, "scores": [0.98, 0.99, 0.99], "n_pairs": 20, "n_test": 5000}
    scores = {
        "mig:chen2018": {"score": 0.4321, "interval": [0.4, 0.45]},
        "gaussian_tc:locatello2019": {"score": "inf", "interval": None},
        "dci:fast": {"score": 0.7, "interval": None},
        "higgins:higgins2017": {"score": 0.98712, "details": details, "something": "new"},
        "higgins:locatello2019": {"score": 0.5},
    }
    (plain_run / "score.json").write_text(json.dumps(scores))
    text = page(write_report(plain_run)).text
    assert "98.7 ± 0.2 %" in text
    assert "Protocol higgins2017, L = 20, 3 classifier seeds, 5,000 test points." in text
    assert "50.0 % Protocol locatello2019." in text
    assert "0.432 0.400 to 0.450" in text
    assert "0.700" in text
    assert text.index("98.7") < text.index("0.432")


@pytest.mark.parametrize(
    "content", ["", "[1]", "{}", "[", '{"a": {"score": "high"}}', '{"a": {"score": NaN}}', "\xff"]
)
def test_an_odd_score_file_does_not_stop_the_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "score.json").write_bytes(content.encode("latin-1"))
    (tile,) = score_tiles(tmp_path)
    assert tile.value == "unreadable"
    assert tile.code == f"betavae score {tmp_path}"


def test_names_from_outside_are_escaped(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"<script>alert(1)</script>": {"score": 0.5}}
    (plain_run / "score.json").write_text(json.dumps(scores))
    moved = plain_run.rename(tmp_path / "<img src=x onerror=alert(1)>")
    tags = [tag for tag, attributes in page(write_report(moved)).tags if "onerror" in attributes]
    assert tags == []
    assert (moved / "report.html").read_text().count("<script") == 1


def test_scores_of_many_metrics_become_a_table(plain_run: Path) -> None:
    """The layout that `betavae score --metrics all` writes."""
    scores = {
        "higgins:higgins2017": {
            "metric": "higgins", "protocol": "higgins2017", "score": 0.9, "interval": [0.88, 0.92],
            "better": "higher", "seed": 0, "seconds": 1.0,
            "details": {"deviation": 0.01, "scores": [0.89, 0.91], "n_pairs": 20, "n_test": 5000},
        },
        "mig:chen2018": {"score": 0.25, "interval": None, "better": "higher", "details": {}},
        "gaussian_tc:gaussian": {"score": 1.5, "interval": [1.4, 1.6], "better": "lower"},
    }  # fmt: skip
    (plain_run / "score.json").write_text(json.dumps(scores))
    text = page(write_report(plain_run)).text
    assert "90.0 ± 1.0 %" in text
    assert "Protocol higgins2017, L = 20, 2 classifier seeds, 5,000 test points." in text
    assert "mig chen2018 higher 0.250" in text
    assert "gaussian_tc gaussian lower 1.500 1.400 to 1.600" in text


def test_the_best_of_several_runs_is_marked(tmp_path: Path) -> None:
    entries = [{"mig:chen2018": {"score": 0.2, "better": "higher"},
                "gaussian_tc:g": {"score": 2.0, "better": "lower"}},
               {"mig:chen2018": {"score": 0.3, "better": "higher"},
                "gaussian_tc:g": {"score": 3.0, "better": "lower"},
                "rate:closed_form": {"score": 8.0, "better": None}}]  # fmt: skip
    scores = []
    for number, entry in enumerate(entries):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "score.json").write_text(json.dumps(entry))
        scores.append(read_scores(folder))
    rows = {row.metric: row.cells for row in metric_rows([*scores, None])}
    assert [best for _, _, best in rows["mig"]] == [False, True, False]
    assert [best for _, _, best in rows["gaussian_tc"]] == [True, False, False]
    assert [value for value, _, _ in rows["rate"]] == ["–", "8.000", "–"]
    assert not any(best for _, _, best in rows["rate"])


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
    assert "This data has no factors" in page(write_report(plain_run)).text


def test_only_the_pages_own_script_may_run(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in unescape(html)


def test_a_report_stays_below_ten_megabytes(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise in the strips packs worst; a page that is larger still is not written."""
    import betavae.report
    import betavae.report_parts

    real = betavae.report_parts.traversal_sheet

    def noisy(images: np.ndarray, *rest: object) -> np.ndarray:
        large = images.repeat(2, axis=-1).repeat(2, axis=-2)  # 64 pixels, the largest shown
        inputs = np.zeros((len(large), *large.shape[2:]), np.float32)
        rng = np.random.default_rng(0)
        return real(rng.random(large.shape, np.float32), inputs)

    monkeypatch.setattr(betavae.report_parts, "traversal_sheet", noisy)
    runs = [Path(shutil.copytree(small_run, tmp_path / str(k))) for k in range(2)]
    path = write_report(runs)
    assert path.stat().st_size < 10_000_000
    monkeypatch.setattr(betavae.report, "LARGEST", 1000)
    with pytest.raises(InputError, match="give fewer runs"):
        write_report(runs, tmp_path / "large.html")
    assert not (tmp_path / "large.html").exists()


def test_without_records_the_report_says_so(plain_run: Path) -> None:
    (plain_run / "metrics.jsonl").unlink()
    assert "no metrics.jsonl" in page(write_report(plain_run)).text


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


@pytest.mark.parametrize(
    "config",
    [
        Config(beta=4, images=60_000, network="fc", learning_rate=1e-3),
        Config(data="my images/a.npy", beta_norm=0.0031, likelihood="gaussian", sigma=0.3),
        Config(beta_schedule="linear", beta_ramp=5000, bf16=True, size=64, seed=9),
        Config(objective={"name": "dip", "kind": "i", "off_diagonal": 3.5}),
    ],
)
def test_the_command_line_gives_the_configuration_back(config: Config) -> None:
    words = shlex.split(" ".join(command(config, Path("runs/my run"))))
    assert words[:3] == ["betavae", "train", config.data]
    options: dict[str, object] = {"data": words[2]}
    place = 3
    while place < len(words):
        name = words[place].removeprefix("--").replace("-", "_")
        flag = place + 1 == len(words) or words[place + 1].startswith("--")
        options[name] = True if flag else words[place + 1]
        place += 1 if flag else 2
    assert options.pop("out") == "runs/my run"
    if "size" in options:
        options["size"] = int(str(options["size"]))
    inner = {key: options.pop(key) for key in list(options) if key.startswith("objective.")}
    table = {key.removeprefix("objective."): value for key, value in inner.items()}
    options["objective"] = {"name": options["objective"], **table}
    again = Config.from_mapping(options)
    assert again.resolved_beta(4096) == config.resolved_beta(4096)
    assert again.resolved_ramp() == config.resolved_ramp()
    unset = {"beta": None, "beta_norm": None, "beta_ramp": None}
    assert again.replaced(**unset) == config.replaced(**unset)
    assert again.objective.given() == config.objective.given()


def test_the_table_marks_only_what_differs_from_the_defaults() -> None:
    lines = settings(Config(beta=4, batch=16, beta_schedule="linear"))
    assert [line.name for line in lines if line.changed] == ["beta_schedule", "batch"]
    shown = {line.name: line.value for line in lines}
    assert shown["beta"] == "4"
    assert {line.name: line.value for line in settings(Config(beta_norm=0.1))}["beta"] == "–"
