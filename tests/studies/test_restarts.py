from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from betavae import BetaVAE, data
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.likelihoods import NO_LIKELIHOOD
from betavae.runs.opened import open_run
from betavae.studies import restarts
from betavae.studies.restarts import best_run, seeds_of, train_restarts
from betavae.training import checkpoint
from betavae.training.fit import train
from betavae.training.session import Diverged
from command_line import fails, run_quietly
from small_runs import grid_images

pytestmark = pytest.mark.slow

OPTIONS: dict[str, Any] = {"beta": 4.0, "latents": 3, "images": 320, "batch": 32}


@pytest.fixture
def squares(tmp_path: Path) -> str:
    """A file of 72 images, squares and bars at 6 x 6 places."""
    dataset = grid_images()
    images = (dataset.images[:].numpy() * 255).astype(np.uint8)
    np.savez(tmp_path / "squares.npz", images=images[:, 0])
    return str(tmp_path / "squares.npz")


def test_the_seed_with_the_lowest_loss_is_kept(squares: str, tmp_path: Path) -> None:
    config, out = Config(data=squares, seed=4, **OPTIONS), tmp_path / "best"
    ranked = train_restarts(config, out, 3, jobs=1, progress=False)
    assert {row["seed"] for row in ranked} == {4, 5, 6}
    losses = [row["objective"] for row in ranked]
    assert losses == sorted(losses)
    for row in ranked:
        opened = open_run(out / "restarts" / f"seed/{row['seed']}")
        assert row["objective"] == pytest.approx(row["distortion"] + 4 * row["rate"])
        assert row["objective"] == pytest.approx(opened.objective)
    kept, header = checkpoint.load_model(out)
    assert header.config.seed == ranked[0]["seed"]
    alone = train(config.replaced(seed=header.config.seed), data.load(squares), progress=False)
    for name, value in kept.state_dict().items():
        assert torch.equal(value, alone.model.state_dict()[name]), name
    told = json.loads((out / "restarts.json").read_text())
    assert told["seeds"] == ranked
    assert told["images_compared"] == 72


def test_the_same_call_does_what_is_missing(
    squares: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = Config(data=squares, **OPTIONS), tmp_path / "best"
    first = train_restarts(config, out, 2, jobs=1, progress=False)
    done = {path: path.stat().st_mtime_ns for path in out.rglob("cell.json")}
    more = train_restarts(config, out, 3, jobs=1, progress=False)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert {row["seed"] for row in more} == {0, 1, 2}
    assert [row for row in more if row["seed"] < 2] == first
    with pytest.raises(InputError, match="made with other settings: images 320 -> 640"):
        train_restarts(config.replaced(images=640), out, 3, jobs=1, progress=False)
    again = config.replaced(images=640)
    assert len(train_restarts(again, out, 2, jobs=1, overwrite=True, progress=False)) == 2
    assert not (out / "restarts" / "seed" / "2").exists()
    assert checkpoint.read_header(out).config.images == 640


def test_command(squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "best")
    line = [
        "train",
        squares,
        "--images",
        "160",
        "--batch",
        "32",
        "--beta",
        "0",
        "--restarts",
        "2",
        "--jobs",
        "1",
    ]
    run_quietly(*line, "--out", out)
    printed = capsys.readouterr().out
    assert printed.count("kept") == 1
    assert f"saved in {out}" in printed
    assert "add --resume" in fails(capsys, *line, "--out", out)
    run_quietly(*line, "--out", out, "--resume")
    (tmp_path / "best" / checkpoint.NAME).unlink()  # as while the seeds are under way
    assert "--restarts N" in fails(capsys, "train", squares, "--resume", "--out", out)
    run_quietly(*line, "--out", out)
    # A plain training in its place leaves no seeds behind that are not its own.
    plain = ["train", squares, "--images", "64", "--batch", "32", "--beta", "0", "--out", out]
    run_quietly(*plain, "--overwrite")
    assert not (tmp_path / "best" / "restarts").exists()
    assert not (tmp_path / "best" / "restarts.json").exists()


def test_nats_of_grey_images_are_said_to_be_no_likelihood(
    squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = str(tmp_path / "grey.npz")
    np.savez(grey, images=np.load(squares)["images"] // 2 + 20)
    for name, said in ((squares, False), (grey, True)):
        out = str(tmp_path / Path(name).stem)
        options = ["--images", "64", "--batch", "32", "--beta", "1", "--restarts", "2"]
        run_quietly("train", name, *options, "--jobs", "1", "--out", out)
        assert (NO_LIKELIHOOD in capsys.readouterr().out) == said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--restarts", "0"], "restarts must be >= 1, got 0"),
        (["--restarts", "2", "--objective", "tcvae"], "got tcvae"),
        (["--restarts", "2", "--method", "pca"], "got pca"),
        (["--restarts", "2"], "got settle; give a beta"),
        (["--restarts", "2", "--beta", "4", "--jobs", "0"], "jobs must be >= 1, got 0"),
    ],
)
def test_bad_input(
    options: list[str],
    message: str,
    squares: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert message in fails(capsys, "train", squares, *options, "--out", out)
    assert not out.exists()


def test_in_one_process_as_side_by_side(squares: str, tmp_path: Path) -> None:
    config = Config(data=squares, **OPTIONS)
    dataset = data.load(squares)
    ranked = train_restarts(config, tmp_path / "a", 2, jobs=1, progress=False)
    found = best_run(config, dataset, 2, tmp_path / "b", progress=False)
    assert found.config.seed == ranked[0]["seed"]
    mine, theirs = (checkpoint.load_model(tmp_path / name)[0] for name in "ab")
    for name, value in mine.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name


def test_a_seed_that_diverges_is_left_out(
    squares: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training(bad: set[int], plain: Any) -> Any:
        def fake(config: Config, *args: Any, **options: Any) -> Any:
            if config.seed in bad:
                raise Diverged("the loss is nan")
            return plain(config, *args, **options)

        return fake

    config = Config(data=squares, **OPTIONS)
    with monkeypatch.context() as patched:
        patched.setattr(restarts, "trained", training({0}, restarts.trained))
        patched.setattr(restarts, "train", training({0}, train))
        ranked = train_restarts(config, tmp_path / "a", 2, jobs=1, progress=False)
        assert [(row["seed"], row["objective"] is None) for row in ranked] == [
            (1, False),
            (0, True),
        ]
        assert checkpoint.read_header(tmp_path / "a").config.seed == 1
        assert best_run(config, data.load(squares), 2, progress=False).config.seed == 1
    with monkeypatch.context() as patched:
        patched.setattr(restarts, "trained", training({0, 1}, restarts.trained))
        patched.setattr(restarts, "train", training({0, 1}, train))
        with pytest.raises(Diverged, match="all 2 seeds diverged"):
            train_restarts(config, tmp_path / "b", 2, jobs=1, progress=False)
        with pytest.raises(Diverged, match="all 2 seeds diverged"):
            best_run(config, data.load(squares), 2, progress=False)


def test_estimator() -> None:
    images = grid_images().images[:].numpy()
    options = {"latents": 3, "images": 320, "batch": 32, "beta": 1.0}
    best = BetaVAE(n_init=3, random_state=7, **options).fit(images)
    alone = [BetaVAE(random_state=seed, **options).fit(images) for seed in (7, 8, 9)]
    losses = [model.score(images) for model in alone]  # beta = 1: the loss is -score
    winner = alone[int(np.argmax(losses))]
    assert best.config_ == winner.config_
    assert np.array_equal(best.transform(images), winner.transform(images))
    with pytest.raises(InputError, match="n_init must be >= 1, got 0"):
        BetaVAE(n_init=0, **options).fit(images)


def test_one_seed_needs_no_comparison() -> None:
    assert [config.seed for config in seeds_of(Config(objective="tcvae"), 1)] == [0]
