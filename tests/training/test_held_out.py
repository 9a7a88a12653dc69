"""A training sees its part alone, measures what it never sees, and is scored on either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.splits import split
from betavae.report.score_words import metric_rows
from betavae.runs.scores import HELD_OUT, first_of, read_scores
from betavae.runs.scoring import ScoreOptions, encode_run, score_run
from betavae.training.fit import train
from betavae.training.records import read_records
from small_runs import squares_file


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A square at 8 x 12 places, as a file that names its factors."""
    path = squares_file(tmp_path_factory.mktemp("data"), 8, 12, side=16, square=4)
    return Config(
        data=path, latents=2, images=1600, batch=8, network="mlp", hold_out=0.25,
        without="x=0,y>9", seed=1,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_with_a_split(small: Config, tmp_path: Path) -> None:
    whole = datasets.load(small.data)
    parts = split(whole, small.split_options())
    run = train(small, out=tmp_path, progress=False)
    records = read_records(tmp_path / "metrics.jsonl")
    assert [set(record.terms) for record in records] == [set(r.terms) for r in run.records]
    last = records[-1].terms
    assert last["held_out_distortion"] > 0
    assert last["held_out_rate"] >= 0
    on_held_out = encode_run(tmp_path, held_out=True, progress=False)
    assert (on_held_out.rows == parts.held_out).all()
    assert len(encode_run(tmp_path, progress=False).rows) == 96
    found = score_run(tmp_path, ScoreOptions("mig"), held_out=True, progress=False)
    assert found.n_rows == 24
    # The scores of all images stand beside those, and neither takes the other's place.
    whole_set = score_run(tmp_path, ScoreOptions("mig"), progress=False)
    score_run(tmp_path, ScoreOptions("mig"), held_out=True, progress=False)
    kept = read_scores(tmp_path)
    assert kept is not None
    assert {(s.protocol, s.held_out, s.rows) for s in kept} == {
        (f"{entry.protocol}{end}", bool(end), rows)
        for entry in whole_set.entries.values()
        for end, rows in (("", 96), (HELD_OUT, 24))
    }
    first = first_of("mig", kept)
    assert first is not None
    assert not first.held_out
    assert len(metric_rows([kept])) == 2 * len(whole_set.entries)
    # Resumed from the middle, a run ends at the very weights.
    half, again = tmp_path / "half", small.replaced(checkpoint_every=800)
    train(again, out=half, progress=False, watch=lambda _, record: record.images >= 800)
    rest = train(again, out=half, resume=True, progress=False)
    for one, other in zip(run.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_measuring_held_out_images_changes_no_weight(small: Config) -> None:
    whole = datasets.load(small.data)
    measured = train(small, whole, progress=False)
    rows = split(whole, small.split_options()).train
    part = datasets.Dataset(
        "part", datasets.ImageStore.from_binary(np.rint(whole.images[rows].numpy()))
    )
    plain = train(small.replaced(hold_out=None, without=None), part, progress=False)
    for one, other in zip(measured.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_nothing_is_written_for_a_split_that_leaves_nothing(small: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2 images"):
        train(small.replaced(without="x>=0"), out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    train(small.replaced(hold_out=None, images=16), out=tmp_path / "run", progress=False)
    with pytest.raises(InputError, match="held no images out"):
        encode_run(tmp_path / "run", held_out=True, progress=False)


def test_linear_methods_are_fitted_to_the_part(small: Config, tmp_path: Path) -> None:
    config = Config(data=small.data, method="pca", latents=3, without="x>3")
    run = train(config, progress=False)
    seen = datasets.load(small.data).images[np.arange(48)].flatten(1).mean(0)
    assert torch.allclose(run.model.mean.flatten().float(), seen, atol=1e-5)
