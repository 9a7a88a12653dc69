"""Signs of a training that went wrong: known cases, and a healthy one that gets no advice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.runs.diagnosis import alike, collapsed, diagnose, hot_start, not_captured, overfitted
from betavae.runs.opened import open_run
from betavae.runs.read_factors import FactorRead
from betavae.training.fit import train

RNG = np.random.default_rng(0)
PICTURES = RNG.random((40, 3, 8, 8))
NEAR = PICTURES + 0.05 * RNG.standard_normal(PICTURES.shape)
MEAN = np.broadcast_to(PICTURES.mean(axis=0), PICTURES.shape)


def test_a_healthy_model_gets_no_advice() -> None:
    assert collapsed(np.array([3.0, 1.0, 0.0])) is None
    assert alike(PICTURES, NEAR) is None
    assert overfitted(PICTURES[:20], NEAR[:20], PICTURES[20:], NEAR[20:]) is None
    assert hot_start([100.0, 60.0, 62.0, 40.0, 38.0, 37.0, 36.0], {"encoder.1": 0.3}) is None
    assert not_captured([FactorRead("scale", 0.9, "R² 0.90")]) is None


def test_collapsed_and_alike() -> None:
    assert "collapsed" in str(collapsed(np.zeros(4)))
    assert "vary by 0.0%" in str(alike(PICTURES, MEAN))
    # A blurred picture still is one of its own.
    assert alike(PICTURES, MEAN + 0.5 * (PICTURES - MEAN)) is None
    assert alike(MEAN, MEAN) is None  # all images the same: nothing to tell apart


def test_overfitted_looks_at_the_error_of_images_that_were_not_seen() -> None:
    unseen = PICTURES[20:]
    far = unseen + 0.2 * RNG.standard_normal(unseen.shape)
    assert "held-out images is 1" in str(overfitted(PICTURES[:20], NEAR[:20], unseen, far))
    # Ten times an error that nobody sees is no harm.
    tiny = PICTURES[:20] + 1e-3, unseen, unseen + 1e-2
    assert overfitted(PICTURES[:20], *tiny) is None


@pytest.mark.parametrize("start", [0.0, 1e4, -1e4])
def test_a_hot_start_shows_in_the_losses_wherever_zero_is(start: float) -> None:
    losses = [100.0, 60.0, 140.0, 90.0, 70.0, 60.0, 55.0, 50.0, 48.0]
    assert "shot up by 80 nats" in str(hot_start([start + loss for loss in losses], {}))
    late = [*sorted(losses, reverse=True)[:-1], 140.0]  # the end is not the start's fault
    assert hot_start([start + loss for loss in late], {}) is None


def test_dead_units_and_factors_are_named() -> None:
    assert "80% of the units of layer encoder.3" in str(hot_start([], {"encoder.3": 0.8}))
    missed = FactorRead("shape", 0.1, "40% right, by chance 33%")
    line = str(not_captured([missed, FactorRead("scale", 0.9, "R² 0.90")]))
    assert "shape (40% right" in line
    assert "scale" not in line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of noise: twelve pictures are learned by heart, the held-out ones come out badly."""
    noise = np.random.default_rng(1).integers(0, 256, (24, 1, 16, 16)).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "noise.npy"
    np.save(path, noise)
    config = Config(
        beta=0.01, images=5_000, batch=12, hold_out=12, data=str(path), network="mlp",
        likelihood={"name": "gaussian", "sigma": 0.1},
    )  # fmt: skip
    out = tmp_path_factory.mktemp("runs") / "noise"
    train(config, Dataset(str(path), ImageStore.from_uint8(noise)), out, progress=False)
    return out


def test_a_run_that_learned_its_images_by_heart_is_told_so(folder: Path) -> None:
    lines = diagnose(open_run(folder))
    assert len(lines) == 1
    assert lines[0].startswith("it overfits")


def test_an_untrained_run_is_told_that_its_reconstructions_are_alike(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 1, 16, 16)).astype(np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    config = Config(beta=1, images=0, data=str(tmp_path / "noise.npy"))
    train(config, None, tmp_path / "run", progress=False)
    (line,) = diagnose(open_run(tmp_path / "run"))
    assert "collapsed" in line or "alike" in line
