from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import Batch, DataOrder, independent_pair
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.models.vae import VAE
from betavae.objectives import Step, Terms, asks, beta_vae
from betavae.training import checkpoint
from betavae.training.fit import train
from betavae.training.learners import Learner, vae_step
from betavae.training.records import Record, read_records
from betavae.training.session import Diverged, Interrupted

QUICK = Config(beta=4, images=640, batch=32, checkpoint_every=160, latents=3)


def squares(n: int = 96) -> Dataset:
    """Bright squares at random places: 32x32 binary images."""
    rng = np.random.default_rng(0)
    images = np.zeros((n, 1, 32, 32), np.uint8)
    for image, (x, y) in zip(images, rng.integers(0, 24, (n, 2)), strict=True):
        image[0, y : y + 8, x : x + 8] = 1
    return Dataset("squares", ImageStore.from_binary(images))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / checkpoint.NAME)


def assert_same_weights(one: Path, two: Path) -> None:
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(QUICK.replaced(seed=seed), squares(), tmp_path / name, progress=False)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    a, c = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert not torch.equal(a["model.encoder.1.weight"], c["model.encoder.1.weight"])


def test_training_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(QUICK.replaced(images=64), squares(), progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_every_epoch_shows_every_image_once() -> None:
    order = DataOrder(96, 32, seed=4)
    for epoch in range(3):
        rows = torch.cat([order(3 * epoch + i) for i in range(3)])
        assert sorted(rows.tolist()) == list(range(96))
    assert not torch.equal(order(0), order(3))
    assert not torch.equal(order(0), DataOrder(96, 32, seed=5)(0))
    assert torch.equal(order(0), DataOrder(96, 32, seed=4)(0))  # going back gives the same
    assert not torch.equal(order(0, second=True), order(0))


@pytest.mark.slow
def test_distortion_falls_and_records_are_written(tmp_path: Path) -> None:
    run = train(QUICK.replaced(images=6400, beta=0.1), squares(), tmp_path, progress=False)
    records = read_records(tmp_path / "metrics.jsonl")
    assert records[-1].distortion < 0.7 * records[0].distortion
    assert records[-1].images == run.records[-1].images == 6400
    assert records[-1].rate == pytest.approx(sum(records[-1].rate_per_latent), rel=1e-4)
    assert records[-1].beta_norm == pytest.approx(0.1 * 3 / 1024)


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["adam", "adagrad", "muon"])
@pytest.mark.parametrize("network", ["patch", "fc"])
def test_an_interrupted_run_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str, network: str
) -> None:
    config = QUICK.replaced(
        network=network,
        optimiser=optimiser,
        learning_rate_schedule="cosine",
        learning_rate_decay=400,
    )
    train(config, squares(), tmp_path / "whole", progress=False)

    def interrupt(learner: Learner, batch: Batch, step: Step) -> Terms:
        if step.images_seen == 320:
            os.kill(os.getpid(), signal.SIGINT)
        return vae_step(learner, batch, step)

    monkeypatch.setattr("betavae.training.learners.vae_step", interrupt)
    with pytest.raises(Interrupted, match="go on with: betavae train --resume"):
        train(config, squares(), tmp_path / "cut", progress=False)
    monkeypatch.undo()
    assert checkpoint.read_header(tmp_path / "cut").steps == 11
    train(config, squares(), tmp_path / "cut", resume=True, progress=False)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective", ["constrained", {"name": "factor", "gamma": 2.0}, "tcvae", "infovae", "capacity"]
)
def test_every_objective_s_state_resumes_to_the_same_bits(
    tmp_path: Path, objective: str | dict[str, object]
) -> None:
    config = Config.from_mapping(
        {"images": 320, "batch": 32, "checkpoint_every": 96, "latents": 3, "objective": objective}
    )
    train(config, squares(), tmp_path / "whole", progress=False)
    cut = tmp_path / "cut"

    def stop(model: VAE, record: Record) -> bool:
        return record.images >= 160

    import betavae.training.loop as loop

    before, loop.RECORD_STEPS = loop.RECORD_STEPS, 5
    try:
        train(config, squares(), cut, progress=False, watch=stop)
        assert checkpoint.read_header(cut).steps == 5
        train(config, squares(), cut, resume=True, progress=False)
    finally:
        loop.RECORD_STEPS = before
    assert_same_weights(tmp_path / "whole", cut)
    names = {name.split(".")[0] for name in weights(cut)}
    stateful = config.objective.name in ("constrained", "factor")
    assert ("objective" in names) == stateful


def test_an_objective_s_sampler_is_used_and_follows_from_seed_and_step() -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def spy(model: VAE, batch: Batch, step: Step) -> Terms:
        assert batch.other is not None
        seen.append((batch.images, batch.other))
        assert step.dataset_size == 96
        return beta_vae(1.0)(model, batch, step)

    spied = asks(spy, sampler=independent_pair)
    for _ in range(2):
        train(QUICK.replaced(images=160), squares(), objective=spied, progress=False)
    assert all(not torch.equal(first, second) for first, second in seen)
    half = len(seen) // 2
    for one, two in zip(seen[:half], seen[half:], strict=True):
        assert torch.equal(one[1], two[1])


def test_an_objective_s_own_terms_are_recorded_as_means(tmp_path: Path) -> None:
    def marked(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        values = {"seen": batch.images.new_full((), step.images_seen), "at": step.images_seen}
        return Terms.of(found, found.distortion + found.rate, values)

    train(QUICK, squares(), tmp_path, objective=marked, progress=False)
    (record,) = read_records(tmp_path / "metrics.jsonl")
    assert record.terms["seen"] == 304.0  # the mean of 0, 32, ..., 608
    assert record.terms["at"] == 608  # a number is a setting: the last one
    assert record.beta is None
    assert record.to_json() == (tmp_path / "metrics.jsonl").read_text().strip()


def test_a_warm_start_takes_another_run_s_weights(tmp_path: Path) -> None:
    train(QUICK, squares(), tmp_path / "a", progress=False)
    first = weights(tmp_path / "a")
    start = QUICK.replaced(init=str(tmp_path / "a"), images=32, learning_rate=1e-12)
    train(start, squares(), tmp_path / "b", progress=False)
    second = weights(tmp_path / "b")
    for name in (name for name in first if name.startswith("model.")):
        torch.testing.assert_close(first[name], second[name])
    for changes, message in (
        ({"latents": 4}, "it holds another network, number of latents or image size"),
        ({"init": str(tmp_path / "nothing")}, "is not a run folder"),
    ):
        with pytest.raises(InputError, match=message):
            train(start.replaced(**changes), squares(), tmp_path / "c", progress=False)
    assert not (tmp_path / "c").exists()


def test_a_config_that_stands_for_a_function_needs_the_function() -> None:
    config = QUICK.replaced(objective="custom", images=32)
    with pytest.raises(InputError, match="objective custom is a function"):
        train(config, squares(), progress=False)
    train(config, squares(), objective=beta_vae(1.0), progress=False)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_loop import LONG, squares
from betavae.training.fit import train
config = LONG.replaced(objective={objective!r})
train(config, squares(), Path(sys.argv[1]), resume=len(sys.argv) > 2, progress=False)
"""
LONG = QUICK.replaced(images=32 * 200, checkpoint_every=32 * 50)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["beta", "constrained", "factor"])
def test_kill_9_and_resume_gives_the_uninterrupted_weights(tmp_path: Path, objective: str) -> None:
    """A real process is killed at a moment of its own; the file it leaves must be whole."""
    script = SCRIPT.format(here=str(Path(__file__).parent), objective=objective)
    command = [sys.executable, "-c", script]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    cut = tmp_path / "cut"
    process = subprocess.Popen([*command, str(cut)])
    deadline = time.monotonic() + 120
    while not (cut / checkpoint.NAME).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < checkpoint.read_header(cut).steps < 200
    subprocess.run([*command, str(cut), "resume"], check=True)
    assert_same_weights(tmp_path / "whole", cut)
    images = [record.images for record in read_records(cut / "metrics.jsonl")]
    assert images == sorted(set(images))
    assert images[-1] == 32 * 200


def test_divergence_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    def poisoned(model: VAE, images: Batch, step: Step) -> Terms:
        terms = real(model, images, step)
        if step.images_seen >= 2000:
            terms = Terms(terms.loss * float("nan"), terms.values, terms.per_latent)
        return terms

    real = beta_vae(4.0)
    config = QUICK.replaced(images=6400, checkpoint_every=1600)
    with pytest.raises(Diverged, match=r"the loss is nan at .*last good checkpoint, at 1,600"):
        train(config, squares(), tmp_path, objective=poisoned, progress=False)
    assert checkpoint.read_header(tmp_path).steps == 50
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


@pytest.mark.slow
def test_collapse_is_one_warning_line(capsys: pytest.CaptureFixture[str]) -> None:
    train(QUICK.replaced(images=6400, beta=1e6), squares(), progress=False)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: the posterior collapsed")


def test_resume_refuses_other_settings_and_other_data(tmp_path: Path) -> None:
    train(QUICK, squares(), tmp_path, progress=False)
    with pytest.raises(InputError, match=r"objective\.beta 4\.0 -> 2\.0"):
        train(QUICK.replaced(beta=2), squares(), tmp_path, resume=True, progress=False)
    with pytest.raises(InputError, match="the run saw 96 images, squares has 50"):
        train(QUICK, squares(50), tmp_path, resume=True, progress=False)


@pytest.mark.parametrize(
    "schedule", [{}, {"beta_schedule": "linear", "beta_start": 1, "beta_ramp": 500}]
)
def test_a_finished_run_goes_on_to_a_greater_length_as_if_it_had_been_asked_for_at_once(
    tmp_path: Path, schedule: dict[str, object]
) -> None:
    config = QUICK.replaced(**schedule)
    train(config, squares(), tmp_path / "whole", progress=False)
    train(config.replaced(images=320), squares(), tmp_path / "cut", progress=False)
    run = train(config, squares(), tmp_path / "cut", resume=True, progress=False)
    assert run.config.images == checkpoint.read_header(tmp_path / "cut").config.images == 640
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"learning_rate_schedule": "cosine"}, "the learning rate's decay is a part of"),
        ({"beta_schedule": "linear"}, "beta_ramp is a part of"),
        ({"objective": "capacity"}, "objective.target_ramp is a part of"),
    ],
)
def test_a_length_that_schedules_are_a_part_of_stays(
    tmp_path: Path, options: dict[str, object], why: str
) -> None:
    config = QUICK.replaced(**options)
    train(config, squares(), tmp_path, progress=False)
    with pytest.raises(InputError, match=f"images 640 -> 960: {why}"):
        train(config.replaced(images=960), squares(), tmp_path, resume=True, progress=False)


def test_a_length_that_the_run_has_passed_is_refused(tmp_path: Path) -> None:
    train(QUICK, squares(), tmp_path, progress=False)
    with pytest.raises(InputError, match="images must be > 640, which the run has seen, got 320"):
        train(QUICK.replaced(images=320), squares(), tmp_path, resume=True, progress=False)


def test_a_run_of_another_version_or_a_damaged_one_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        checkpoint.read_header(tmp_path)
    train(QUICK.replaced(images=64), squares(), tmp_path, progress=False)
    path = tmp_path / checkpoint.NAME
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'\\"format\\": 2', b'\\"format\\": 9'))
    with pytest.raises(InputError, match="has format 9, this betavae reads format 2"):
        checkpoint.load_model(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load_model(tmp_path)


def test_metrics_are_json_lines_with_the_documented_keys(tmp_path: Path) -> None:
    train(QUICK, squares(), tmp_path, progress=False)
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert {"images", "distortion", "rate", "rate_per_latent", "beta", "beta_norm"} <= first.keys()


def test_the_loaded_model_reconstructs_as_the_trained_one(tmp_path: Path) -> None:
    run = train(QUICK, squares(), tmp_path, progress=False)
    model, header = checkpoint.load_model(tmp_path)
    x = squares().images[:4]
    with torch.no_grad():
        torch.testing.assert_close(model.reconstruct(x), run.model.cpu().reconstruct(x))
    assert header.config == QUICK


@pytest.mark.parametrize("network", ["fc", "conv", "burgess"])
def test_every_network_trains(network: str) -> None:
    run = train(QUICK.replaced(network=network, images=128), squares(), progress=False)
    assert np.isfinite(run.records[-1].loss)


def test_gaussian_decoder_trains() -> None:
    config = QUICK.replaced(likelihood="gaussian", beta=0.1, images=3200)
    run = train(config, squares(), progress=False)
    assert run.records[-1].distortion < run.records[0].distortion
