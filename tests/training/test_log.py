"""TensorBoard's events: the same points as metrics.jsonl, each once, whatever happened."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import pytest
from test_loop import QUICK, squares

import betavae.training.loop as loop
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.vae import VAE
from betavae.training.fit import train
from betavae.training.log import scalars
from betavae.training.records import Record


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the folder's events with TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {
        name: [(event.step, event.value) for event in reader.Scalars(name)]
        for name in reader.Tags()["scalars"]
    }


def written(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of metrics.jsonl under the names that their events have."""
    points: dict[str, list[tuple[int, float]]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for name, value in scalars(record):
            points.setdefault(name, []).append((record["images"], pytest.approx(value, rel=1e-6)))
    return points


def test_events_are_the_points_of_metrics_and_a_resumed_run_has_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "RECORD_STEPS", 2)
    config = QUICK.replaced(objective="tcvae", tensorboard=True)

    def die(model: VAE, record: Record) -> bool:
        if record.images == 384:  # checkpoints stand at 192 and 384, this one not written yet
            raise MemoryError
        return False

    with pytest.raises(MemoryError):
        train(config, squares(), tmp_path, progress=False, watch=die)
    assert events(tmp_path)["loss"][-1][0] == 384
    stranger = tmp_path / "events.out.tfevents.1.other"
    stranger.touch()
    train(config, squares(), tmp_path, resume=True, progress=False)
    assert stranger.exists()
    found = events(tmp_path)
    assert found == written(tmp_path)
    assert [images for images, _ in found["loss"]] == list(range(64, 641, 64))
    assert {"rate_per_latent/2", "tc_estimate", "learning_rate"} <= found.keys()
    train(config, squares(), tmp_path, progress=False)  # anew: nothing of before
    assert events(tmp_path) == written(tmp_path)


def test_a_run_begun_without_has_its_past_too_and_baselines_write_them(tmp_path: Path) -> None:
    train(QUICK, squares(), tmp_path / "vae", progress=False)
    config = QUICK.replaced(tensorboard=True)
    train(config, squares(), tmp_path / "vae", resume=True, progress=False)
    assert events(tmp_path / "vae") == written(tmp_path / "vae")
    gan = Config(method="infogan", images=64, batch=16, tensorboard=True)
    train(gan, squares(), tmp_path / "gan", progress=False)
    assert "generator_loss" in events(tmp_path / "gan")
    assert events(tmp_path / "gan") == written(tmp_path / "gan")


def test_without_the_extra_it_is_one_line_and_the_records_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(QUICK, squares(), tmp_path, progress=False)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    real = builtins.__import__

    def missing(name: str, *rest: object, **named: object) -> object:
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'betavae\[tensorboard\]'"):
        train(QUICK.replaced(tensorboard=True), squares(), tmp_path, progress=False)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
