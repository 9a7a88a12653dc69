from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import DataOrder
from betavae.training import checkpoint
from betavae.training.loop import train
from betavae.training.records import read_records
from betavae.training.replicas import train_replicas
from betavae.training.session import Interrupted
from small_runs import synthetic

CONFIG = Config(images=800, batch=8, latents=3, beta=1.0, checkpoint_every=400, threads=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / checkpoint.NAME)


@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
def test_each_replica_ends_where_it_ends_when_trained_alone(tmp_path: Path, optimiser: str) -> None:
    configs = [
        CONFIG.replaced(seed=seed, beta=beta, optimiser=optimiser, images=160)
        for seed, beta in ((0, 1.0), (1, 4.0))
    ]
    together = [tmp_path / "t0", tmp_path / "t1"]
    train_replicas(configs, synthetic(), together)
    for config, out in zip(configs, together, strict=True):
        alone = tmp_path / f"alone{config.seed}"
        train(config, synthetic(), alone, progress=False)
        one, other = weights(alone), weights(out)
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(other[name], one[name], rtol=1e-2, atol=2e-3)
        a, b = read_records(alone / "metrics.jsonl")[-1], read_records(out / "metrics.jsonl")[-1]
        assert b.distortion == pytest.approx(a.distortion, rel=1e-3)
        assert (b.beta, b.images) == (a.beta, a.images)


def test_a_stopped_batch_of_replicas_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [CONFIG.replaced(seed=seed) for seed in (3, 4)]
    train_replicas(configs, synthetic(), [tmp_path / "a", tmp_path / "b"])
    cut = [tmp_path / "c", tmp_path / "d"]
    from betavae.training import replicas

    calls: list[int] = []

    class Interrupting(DataOrder):
        def __call__(self, step: int, *, second: bool = False) -> torch.Tensor:
            calls.append(step)
            if step == 37 and calls.count(37) == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(step, second=second)

    monkeypatch.setattr(replicas, "DataOrder", Interrupting)
    with pytest.raises(Interrupted):
        train_replicas(configs, synthetic(), cut)
    assert 0 < checkpoint.read_header(cut[0]).steps < 100
    train_replicas(configs, synthetic(), cut, resume=True)
    for whole, resumed in (("a", "c"), ("b", "d")):
        one, other = weights(tmp_path / whole), weights(tmp_path / resumed)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_each_replica_draws_each_epoch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing anew for every step made five replicas slower than five runs in turn."""
    plain, drawn = torch.randperm, []

    def counting(rows: int, **options: Any) -> torch.Tensor:
        drawn.append(rows)
        return plain(rows, **options)

    monkeypatch.setattr(torch, "randperm", counting)
    data = synthetic()
    rows = len(data.images)
    configs = [CONFIG.replaced(seed=seed, images=2 * rows) for seed in range(5)]
    train_replicas(configs, data, [tmp_path / str(k) for k in range(5)])
    epochs = -(-math.ceil(2 * rows / CONFIG.batch) // (rows // CONFIG.batch))
    assert drawn == [rows] * 5 * epochs


def test_replicas_must_be_alike(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed and beta only, got different latents"):
        train_replicas([CONFIG, CONFIG.replaced(latents=4)], synthetic(), [tmp_path, tmp_path])
