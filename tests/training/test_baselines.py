"""The baselines' trainings: resume, records, what they refuse, and what comes after them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import Batch
from betavae.data.dataset import Dataset
from betavae.models.linear import Affine
from betavae.objectives import Step, Terms
from betavae.runs.opened import open_run
from betavae.runs.scoring import score_run
from betavae.runs.traversals import write_traversals
from betavae.training import checkpoint, learners
from betavae.training.build import build_model
from betavae.training.fit import train
from betavae.training.session import Interrupted
from small_runs import grid_images


def config(method: object, **options: object) -> Config:
    small = {"latents": 5, "images": 96, "batch": 8, "checkpoint_every": 48, "threads": 1}
    return Config.from_mapping({"method": method, **small, **options})


@pytest.mark.slow
@pytest.mark.parametrize("method", ["infogan", "dcign"])
def test_an_interrupted_training_resumes_to_the_same_bits(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(method, learning_rate_schedule="linear", learning_rate_decay=64)
    train(options, grid_images(), tmp_path / "whole", progress=False)
    real = learners.Learner.step

    def interrupting(self: learners.Learner, batch: Batch, when: Step) -> Terms:
        if when.images_seen == 7 * 8:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, batch, when)

    with monkeypatch.context() as patch:
        patch.setattr(learners.Learner, "step", interrupting)
        with pytest.raises(Interrupted, match="go on with: betavae train --resume"):
            train(options, grid_images(), tmp_path / "cut", progress=False)
    assert checkpoint.read_header(tmp_path / "cut").steps == 8
    train(options, grid_images(), tmp_path / "cut", resume=True, progress=False)
    one = load_file(tmp_path / "whole" / checkpoint.NAME)
    two = load_file(tmp_path / "cut" / checkpoint.NAME)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["images"] for line in lines][-1] == 96


@pytest.mark.slow
def test_dcign_learns_to_draw_and_scores_and_traverses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(config("dcign", images=1600, batch=16), grid_images(), tmp_path, progress=False)
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["distortion"] < 0.8 * lines[0]["distortion"]
    monkeypatch.setattr("betavae.data.load", grid_images)
    result = score_run(tmp_path, progress=False, device="cpu")
    assert 0.3 < result["higgins:higgins2017"].score <= 1
    assert {path.suffix for path in write_traversals(tmp_path, steps=3)} == {".png", ".gif"}
    with pytest.raises(InputError, match="is a run of method dcign, which has no rates"):
        _ = open_run(tmp_path).rates


@pytest.mark.slow
def test_the_authors_dcign_lowers_its_bound_and_is_scored_in_the_priors_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"name": "dcign", "clamp": "first"}
    train(config(chosen, images=1600, batch=16), grid_images(), tmp_path, progress=False)
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    bounds = [line["distortion"] + line["rate"] for line in lines]
    assert bounds[-1] < 0.8 * bounds[0]
    assert lines[-1]["rate"] > 0
    monkeypatch.setattr("betavae.data.load", grid_images)
    result = score_run(tmp_path, progress=False, device="cpu")["higgins:higgins2017"].result
    assert result.unit == "the prior's"
    assert {path.suffix for path in write_traversals(tmp_path, steps=3)} == {".png", ".gif"}


@pytest.mark.slow
def test_infogan_with_categorical_codes_trains_scores_and_traverses_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"name": "infogan", "categorical": [3, 4]}
    train(config(chosen, images=96, batch=16), grid_images(), tmp_path, progress=False)
    monkeypatch.setattr("betavae.data.load", grid_images)
    result = score_run(tmp_path, progress=False, device="cpu")
    assert 0 <= result["higgins:higgins2017"].score <= 1
    run = open_run(tmp_path)
    assert run.header.config.method.categorical == (3, 4)
    levels = run.scale.levels(np.linspace(-3, 3, 4))
    assert levels[0].tolist() == [0, 1, 1, 2]
    assert levels[1].tolist() == [0, 1, 2, 3]
    assert run.model.code_means(torch.rand(6, *run.header.image_shape)).shape == (6, 5)
    assert {path.suffix for path in write_traversals(tmp_path, steps=3)} == {".png", ".gif"}
    with pytest.raises(InputError, match=r"categorical\.0 must be >= 2, got 1"):
        config({"name": "infogan", "categorical": [1]})


@pytest.mark.parametrize("method", ["pca", "ica"])
def test_linear_runs_are_saved_and_loaded(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Config(method=method, latents=3)
    model = train(chosen, grid_images(), tmp_path, progress=False).model
    monkeypatch.setattr("betavae.data.load", grid_images)
    run = open_run(tmp_path)
    loaded = run.model
    assert isinstance(loaded, Affine)
    assert run.header.config == chosen
    images = run.dataset.images[:7]
    assert torch.equal(loaded.code_means(images), model.code_means(images))  # type: ignore[operator]


def test_an_untrained_vae_is_a_run_of_no_images(tmp_path: Path) -> None:
    train(Config(images=0, latents=3), grid_images(), tmp_path, progress=False)
    assert checkpoint.read_header(tmp_path).steps == 0
    with torch.random.fork_rng():
        torch.manual_seed(0)

        fresh = build_model(Config(latents=3), (1, 32, 32))
    loaded, _ = checkpoint.load_model(tmp_path)
    for one, other in zip(fresh.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_cannot_be_trained_is_one_line(tmp_path: Path) -> None:
    plain = Dataset("plain", grid_images().images)
    with pytest.raises(InputError, match="plain has no factor grid"):
        train(config("dcign"), plain, tmp_path, progress=False)
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        train(config("infogan", batch=1), plain, tmp_path, progress=False)
    with pytest.raises(InputError, match="beta belongs to method vae, not to infogan"):
        config("infogan", beta=3.0)
    assert Config(method="infogan").latents == 5
    assert Config.from_mapping(Config(method="dcign").model_dump()).batch == 20
