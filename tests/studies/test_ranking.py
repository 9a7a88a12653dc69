from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.distributions import kl_divergence
from torch.nn.functional import binary_cross_entropy

from betavae._system.errors import InputError
from betavae.cli import run
from betavae.models.vae import VAE
from betavae.runs.opened import open_run
from betavae.studies.ranking import rank_agreement, rank_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three seeds at beta = 4, one run at beta = 1, and a PCA, on squares at 12 x 12 places."""
    folder = tmp_path_factory.mktemp("runs")
    places = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), -1).reshape(-1, 2)
    images = np.zeros((len(places), 32, 32), np.uint8)
    for image, (x, y) in zip(images, 2 * places, strict=True):
        image[y : y + 8, x : x + 8] = 255
    np.savez(folder / "squares.npz", images=images, factors=places)
    lines = {f"b4-s{seed}": ["--beta", "4", "--seed", str(seed)] for seed in range(3)}
    lines |= {"b1": ["--beta", "1"], "pca": ["--method", "pca"]}
    for name, options in lines.items():
        length = [] if name == "pca" else ["--images", "640", "--batch", "32"]
        data, out = str(folder / "squares.npz"), str(folder / name)
        run(["train", data, "--latents", "3", *length, *options, "--out", out])
    return [folder / name for name in lines]


def objective_by_hand(folder: Path, beta: float) -> float:
    """The loss with torch's own divergence, over noise of another seed."""
    run = open_run(folder)
    model = run.model
    assert isinstance(model, VAE)
    images = run.dataset.images[:]
    torch.manual_seed(9)
    with torch.no_grad():
        found = model.encode(images)
        posterior = torch.distributions.Normal(found.mean, found.stddev)
        prior = torch.distributions.Normal(0.0, 1.0)
        rate = kl_divergence(posterior, prior).sum(1).mean()
        drawn = model.decode(posterior.sample())
    lost = binary_cross_entropy(drawn, images, reduction="sum") / len(images)
    return float(lost + beta * rate)


@pytest.mark.slow
def test_the_objective_ranks_seeds_of_one_setting(runs: list[Path]) -> None:
    ranking = rank_runs(runs, rows=144, pairs=5)
    by_hand = [objective_by_hand(path, 4.0) for path in runs[:3]]
    assert ranking.objective[:3] == pytest.approx(by_hand, rel=1e-2)
    assert np.isnan(ranking.objective[3])  # of another beta, alone: nothing to compare it with
    assert np.isnan(ranking.objective[4])  # a PCA has none
    assert ranking.labelled is not None
    expected = spearmanr(ranking.labelled[:3], -ranking.objective[:3]).statistic
    assert ranking.agreement["objective"] == pytest.approx(expected)
    kept = {entry["run"]: entry["objective"] for entry in ranking.to_dict()["runs"]}
    assert kept[str(runs[4])] is None
    assert kept[str(runs[0])] == ranking.objective[0]


def test_ranking_needs_two_runs() -> None:
    with pytest.raises(InputError, match="at least 2 runs, got 1"):
        rank_runs([Path("a")])


def test_rank_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=9), rng.integers(0, 4, 9)
    assert rank_agreement(one, other) == pytest.approx(spearmanr(one, other).statistic)
