"""Figures by name, from run folders and from codes of any other method."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.runs.code_source import CodeSource, thinned
from betavae.runs.figure_options import FigureOptions
from betavae.runs.image_figures import reconstructions, responses, traversals
from betavae.runs.latent_names import write_names
from betavae.runs.representation import Representation
from betavae.studies.named_figures import FIGURES, draw_figure, listing
from betavae.training.checkpoint import digest_of_run
from small_runs import synthetic

FEW = FigureOptions(rows=240, steps=3, seeds=1)


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    """Codes of another method: no posterior, no decoder."""
    data, rng = synthetic(), np.random.default_rng(0)
    rows = np.arange(len(data.images))
    labels = data.factors(rows)
    assert labels is not None
    mean = labels.astype(np.float32) + rng.normal(size=labels.shape).astype(np.float32)
    path = tmp_path / "pca.npz"
    Representation(mean, {}, labels, data.factor_names, rows).save(path)
    return path


def pca_method() -> CodeSource:
    """PCA as a method: codes by projection, pictures by the way back."""
    data = synthetic()
    flat = data.images[:].numpy().reshape(len(data.images), -1)
    pca = PCA(4, random_state=0).fit(flat)

    def encode(rows: np.ndarray | None) -> Representation:
        chosen = np.arange(len(flat)) if rows is None else rows
        mean = pca.transform(flat[chosen]).astype(np.float32)
        return Representation(mean, {}, data.factors(chosen), data.factor_names, chosen)

    def decode(codes: np.ndarray) -> np.ndarray:
        images = pca.inverse_transform(codes).reshape(-1, *data.images.image_shape)
        return images.clip(0, 1).astype(np.float32)

    return CodeSource("PCA", Path("pca"), encode, None, len(flat), decode, data)


def test_every_name_has_a_line_of_help() -> None:
    assert len(listing().splitlines()) == len(FIGURES)


OF_STUDIES = ("size-and-beta", "table", "rate-distortion", "dual")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FIGURES if name not in OF_STUDIES])
def test_every_figure_is_drawn_with_its_numbers(small_run: Path, tmp_path: Path, name: str) -> None:
    kind = {"curves": "pdf", "responses": "svg"}.get(name, "png")
    picture, numbers = draw_figure(name, [small_run], tmp_path / f"{name}.{kind}", FEW)
    assert picture.stat().st_size > 1000
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["figure"] == name
    assert found["from"] == [str(small_run)]
    assert len(found) > 2


def test_size_and_beta_reads_the_scores_of_runs(small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    with pytest.raises(InputError, match="has no score yet; compute it with: betavae score"):
        draw_figure("size-and-beta", [small_run], out)
    weights = digest_of_run(small_run)
    of_run = {"higgins:higgins2017": {"score": 0.75, "weights": weights}}
    for content in (of_run, {"mig:chen2018": {"score": 0.2, "weights": weights}, **of_run}):
        (small_run / "score.json").write_text(json.dumps(content))
        _, numbers = draw_figure("size-and-beta", [small_run, small_run], out)
        found = json.loads(numbers.read_text())
        assert found["score"] == [0.75, 0.75]
        assert found["latents"] == [4, 4]
        assert found["beta_norm"] == pytest.approx([0.01 * 4 / 1024] * 2)
    stale = {"higgins:higgins2017": {"score": 0.75, "weights": "of an earlier training"}}
    (small_run / "score.json").write_text(json.dumps(stale))
    with pytest.raises(InputError, match="is of other weights than the run's"):
        draw_figure("size-and-beta", [small_run], out)
    (small_run / "score.json").write_text(
        json.dumps({"mig:chen2018": {"score": 0.2, "weights": weights}})
    )
    with pytest.raises(InputError, match="holds no score of protocol higgins2017"):
        draw_figure("size-and-beta", [small_run], out)


def test_codes_of_any_method_are_enough_where_codes_are(codes: Path, tmp_path: Path) -> None:
    for name in ("responses", "information"):
        _, numbers = draw_figure(name, [codes], tmp_path / f"{name}.png", FEW)
    assert json.loads(numbers.read_text())["protocol"] == "locatello2019"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("traversals", "needs a decoder, .* holds codes only"),
        ("reconstructions", "needs a decoder, .* holds codes only"),
        ("curves", "needs a run folder, .* holds codes only"),
        ("rates", "needs a run folder, .* holds codes only"),
    ],
)
def test_what_codes_cannot_give_is_said_in_one_line(
    codes: Path, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as stop:
        draw_figure(name, [codes], tmp_path / "f.png", FEW)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "f.png").exists()


@pytest.mark.parametrize("name", ["responses", "information", "importance", "score-pairs"])
def test_without_factors_what_needs_them_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / "codes.npz"
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(20, 2)).astype(np.float32)
    Representation(mean, {}, None, (), np.arange(20)).save(path)
    with pytest.raises(InputError, match=f"figure {name} needs factors, and the data of"):
        draw_figure(name, [path], tmp_path / "f.png", FEW)


def test_pca_is_drawn_like_any_other_method() -> None:
    method = pca_method()
    drawn = traversals([method, method], FEW)
    first, second = drawn.numbers["methods"]
    assert (first["name"], second["name"]) == ("PCA", "PCA (2)")
    assert first["latents"] == [0, 1, 2, 3]  # components come by variance
    assert first["percent"] == sorted(first["percent"], reverse=True)
    assert sum(first["percent"]) == pytest.approx(100)
    assert responses(method, FEW).numbers["learnt_variance"] is None
    said = {text.get_text() for axes in drawn.figure.axes for text in axes.texts}
    assert "+3σ" in said  # no prior: latents run over deviations of their own codes
    errors = reconstructions(method, FEW).numbers["mean_squared_error"]
    assert max(errors) < 0.2


@pytest.mark.slow
def test_names_that_people_gave_stand_in_the_traversals(small_run: Path, tmp_path: Path) -> None:
    write_names(small_run, {0: "how $wide"}, 4)
    draw_figure("traversals", [small_run], tmp_path / "f.svg", FEW)


@pytest.mark.parametrize(
    ("name", "out", "said"),
    [
        ("respons", "a.png", "did you mean 'responses'"),
        ("zzz", "a.png", "there are traversals, size-and-beta"),
        ("curves", "a.gif", "figures are saved as png, svg, pdf, got 'a.gif'"),
        ("curves", "a", "figures are saved as png, svg, pdf, got 'a'"),
    ],
)
def test_wrong_names_and_endings_are_refused_first(
    tmp_path: Path, name: str, out: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        draw_figure(name, [tmp_path / "nothing"], tmp_path / out)


def test_one_run_or_more_as_the_figure_says(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a run, got none"):
        draw_figure("curves", [], tmp_path / "a.png")
    with pytest.raises(InputError, match="draws one study, got 2 folders"):
        draw_figure("dual", [small_run, small_run], tmp_path / "a.png")


@pytest.mark.parametrize(
    ("option", "value"),
    [("rows", 1), ("steps", 1), ("seeds", 0), ("latents", 0), ("span", 0), ("span", np.nan)],
)
def test_options_are_checked(option: str, value: float) -> None:
    with pytest.raises(InputError, match=option):
        FigureOptions(**{option: value})


def test_a_thinned_grid_is_balanced() -> None:
    grid = Factors(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
    rows = thinned(grid, 50_000)
    assert len(rows) == 46_080
    classes = grid.classes(rows)
    for column in classes.T:
        counts = np.unique(column, return_counts=True)[1]
        assert len(set(counts.tolist())) == 1
    for shape in range(3):  # every factor meets every other equally often
        scales = classes[classes[:, 0] == shape, 1]
        assert (np.bincount(scales) == len(rows) // 18).all()
    assert thinned(Factors(("a",), (4,)), 100).tolist() == [0, 1, 2, 3]


def test_pictures_have_the_resolution_of_print(small_run: Path, tmp_path: Path) -> None:
    picture, _ = draw_figure("rates", [small_run], tmp_path / "rates.png")
    with Image.open(picture) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
