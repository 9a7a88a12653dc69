"""Runs of InfoGAN, DC-IGN, PCA and ICA: drawn, reported and explored like a VAE's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import betavae.data
from betavae import figures
from betavae._system.errors import InputError
from betavae.app.explorer import open_explorer
from betavae.config import Config
from betavae.models.linear import Affine
from betavae.report.write import write_report
from betavae.runs.figure_options import FigureOptions
from betavae.runs.latent_ranges import measured_scale, scale_of
from betavae.runs.opened import OpenRun, open_run
from betavae.studies.named_figures import draw_figure
from betavae.training.fit import train
from small_runs import grid_images

pytestmark = pytest.mark.slow

METHODS = ("infogan", "dcign", "pca", "ica")
DRAWN = ("traversals", "responses", "reconstructions", "information", "importance")
FEW = FigureOptions(rows=72, steps=3, seeds=1)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run of each method, and of a VAE."""
    folder = tmp_path_factory.mktemp("methods")
    trained = {"images": 160, "batch": 8, "threads": 1}
    for method in (*METHODS, "vae"):
        options: dict[str, Any] = {} if method in ("pca", "ica") else trained
        config = Config.from_mapping({"method": method, "latents": 5, "data": "grid", **options})
        train(config, grid_images(), folder / method, progress=False)
    return folder


@pytest.fixture
def runs(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(betavae.data, "load", grid_images)
    return Path(shutil.copytree(fitted, tmp_path / "runs"))


@pytest.mark.parametrize("method", METHODS)
def test_every_figure_that_has_a_meaning_is_drawn(runs: Path, tmp_path: Path, method: str) -> None:
    for name in DRAWN:
        _, numbers = draw_figure(name, [runs / method], tmp_path / f"{name}.png", FEW)
        assert json.loads(numbers.read_text())["from"] == [str(runs / method)]


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("rates", "infogan", "is a run of method infogan, which has no rates"),
        ("rates-training", "dcign", "is a run of method dcign, which has no rates"),
        ("curves", "pca", "is a run of method pca, fitted in one go: no curves"),
        ("size-and-beta", "pca", "is a run of method pca, which has no beta"),
    ],
)
def test_what_has_no_meaning_is_one_line(
    runs: Path, tmp_path: Path, name: str, method: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as stop:
        draw_figure(name, [runs / method], tmp_path / "f.png", FEW)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "f.png").exists()


def test_curves_are_of_the_methods_own_terms(runs: Path, tmp_path: Path) -> None:
    _, numbers = draw_figure("curves", [runs / "infogan"], tmp_path / "a.pdf")
    found = json.loads(numbers.read_text())
    assert found["images"] == [160]
    assert {"discriminator_loss", "generator_loss", "information"} < found.keys()
    (runs / "infogan" / "metrics.jsonl").write_text('{"images": "x"}\n{"images": 8}\n')
    with pytest.raises(InputError, match="is damaged: line 1 is not a record"):
        draw_figure("curves", [runs / "infogan"], tmp_path / "a.pdf")
    (runs / "dcign" / "metrics.jsonl").unlink()
    with pytest.raises(InputError, match="which is missing or empty"):
        draw_figure("curves", [runs / "dcign"], tmp_path / "a.pdf")


def test_methods_stand_beside_a_vae(runs: Path, tmp_path: Path) -> None:
    both = [runs / "vae", runs / "pca"]
    _, numbers = draw_figure("traversals", both, tmp_path / "f.png", FEW)
    vae, pca = json.loads(numbers.read_text())["methods"]
    assert "nats" in vae
    assert pca["latents"] == [0, 1, 2, 3, 4]  # whitened codes, but the variances still rank
    assert sum(pca["percent"]) == pytest.approx(100)


def test_pcas_shares_are_its_variances() -> None:
    """Whatever the scale of its codes, and as the mean picture is far from 0 and 1."""
    rng = np.random.default_rng(0)
    patterns = torch.from_numpy(np.linalg.qr(rng.normal(size=(64, 3)))[0].astype(np.float32))
    scales = torch.tensor([3.0, 1.0, 0.5])
    model = Affine(torch.full((1, 8, 8), 0.5), patterns.T / scales[:, None], patterns)
    codes = (rng.normal(size=(4000, 3)) * [0.02, 0.05, 0.01]).astype(np.float32)
    found = scale_of(codes, lambda z: model.decode(torch.from_numpy(z)).numpy())
    variances = codes.var(axis=0)
    assert found.amounts == pytest.approx(100 * variances / variances.sum(), rel=1e-3)
    assert not found.prior
    levels = found.levels(np.array([-1.0, 0, 1]))
    assert levels[:, 1] == pytest.approx(codes.mean(axis=0), abs=1e-6)
    assert levels[:, 2] - levels[:, 0] == pytest.approx(2 * codes.std(axis=0), rel=1e-4)


def test_a_latent_without_effect_is_idle_and_a_constant_one_has_a_scale() -> None:
    codes = np.stack([np.arange(10), np.ones(10), np.arange(10)], axis=1).astype(np.float32)
    found = scale_of(codes, lambda z: z[:, :1, None, None] / 10)
    assert found.amounts.tolist() == [100, 0, 0]
    assert found.active.tolist() == [True, False, False]
    assert found.scales[1] == 1


def test_responses_come_by_what_the_latents_do(runs: Path, tmp_path: Path) -> None:
    """Whitened codes all have variance 1, so that it cannot rank them."""
    _, numbers = draw_figure("responses", [runs / "pca"], tmp_path / "f.svg", FEW)
    found = json.loads(numbers.read_text())
    assert found["order"] == [0, 1, 2, 3, 4]
    assert sum(found["shares"]) == pytest.approx(100)
    with pytest.raises(InputError, match=r"shares must be \(2,\), one a latent"):
        figures.responses(np.eye(2), np.eye(2), ("a", "b"), shares=[1.0])


@pytest.mark.parametrize("method", METHODS)
def test_the_report_tells_what_there_is(runs: Path, method: str) -> None:
    text = write_report(runs / method).read_text(encoding="utf-8")
    assert "These codes have no prior" in text
    assert "Rate per latent" not in text
    assert " nats</span>" not in text
    assert f"--method {method}" in " ".join(text.replace("</span>", "").split())
    assert ("fitted in one go" in text) == (method in ("pca", "ica"))


def test_a_report_of_a_vae_beside_pca(runs: Path) -> None:
    text = write_report([runs / "vae", runs / "pca"]).read_text(encoding="utf-8")
    assert "pca has no prior: there a latent runs over" in text
    assert "Codes without a prior have no rates." in text
    assert text.count('data-layout="') + text.count("data-layout='") == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_methods_codes_are_explored_in_deviations(runs: Path, method: str) -> None:
    explorer = open_explorer([runs / method, runs / "vae"])
    about, vae = explorer.session()["runs"]
    assert (about["unit"], vae["unit"]) == ("σ", "")
    assert all(latent["said"].endswith(" %") for latent in about["latents"])
    found = explorer.rows(40)
    run: OpenRun = explorer.runs[0]
    with torch.inference_mode():
        code = run.model.code_means(run.dataset.images[[40]])
        drawn = run.model.decode(code).clamp(0, 1).numpy()
    assert explorer.images(0, [found["codes"][0]]) == pytest.approx(drawn, abs=1e-4)
    centre = explorer.images(0, [[0.0] * 5])
    scale = measured_scale(run.model, run.dataset)
    with torch.inference_mode():
        mean = run.model.decode(torch.from_numpy(scale.centres.astype(np.float32))[None])
    assert centre == pytest.approx(mean.clamp(0, 1).numpy(), abs=1e-4)


def test_a_run_without_a_prior_has_no_rates(runs: Path) -> None:
    run = open_run(runs / "infogan")
    assert run.distortion is None
    with pytest.raises(InputError, match="which has no rates"):
        _ = run.rates
