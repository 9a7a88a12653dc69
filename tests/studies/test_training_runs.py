"""Run folders: what a training in one takes away, and what of a run of two parts is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from betavae.objectives.terms import Terms
from betavae.training import checkpoint
from betavae.training.fit import title
from betavae.training.records import Recorder, read_records, term_series
from command_line import fails, run_quietly


def test_only_overwriting_takes_files_away(
    squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is no run yet may hold files of the user's that are named as ours."""
    line = ["train", squares, "--images", 64, "--batch", 32, "--out", tmp_path]
    ours, theirs = tmp_path / "report.html", tmp_path / "notes.txt"
    for path in (ours, theirs):
        path.write_text("mine")
    run_quietly(*line)
    assert ours.read_text() == theirs.read_text() == "mine"
    kept = (tmp_path / checkpoint.NAME).read_bytes()
    capsys.readouterr()
    assert "Gaussian" in fails(
        capsys, *line, "--objective", "dip", "--latent", "point", "--overwrite"
    )
    assert (tmp_path / checkpoint.NAME).read_bytes() == kept
    run_quietly(*line, "--overwrite")
    assert not ours.exists()
    assert theirs.read_text() == "mine"
    assert (tmp_path / checkpoint.NAME).exists()


@pytest.fixture(scope="module")
def two_parts(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose terms change on the way, in the middle of a record's steps."""
    out = tmp_path_factory.mktemp("parts") / "run"
    run_quietly(
        "train", squares, "--objective", "settle", "--objective.settle-images", 320,
        "--batch", 16, "--images", 1280, "--latents", 3, "--out", out,
    )  # fmt: skip
    return out


def test_terms_of_two_parts_are_not_mixed() -> None:
    recorder = Recorder(beta_norm=1.0, images_seen=0, seconds=0.0)
    for value in (1.0, 1.0):
        recorder.add(Terms(torch.tensor(value), {"one": torch.tensor(value)}))
    for value in (10.0, 20.0):
        recorder.add(Terms(torch.tensor(value), {"other": torch.tensor(value)}))
    found = recorder.record(4, 0.1)
    assert (found.loss, found.terms) == (15.0, {"other": 15.0})


@pytest.mark.slow
def test_a_run_of_two_parts_is_reported_and_drawn(two_parts: Path, tmp_path: Path) -> None:
    # A record of the first part, which a longer run has.
    path = two_parts / "metrics.jsonl"
    lines = path.read_text().splitlines()
    early = json.loads(lines[0]) | {"images": 16, "tc_estimate": 1.0}
    del early["anchor"], early["fresh_beta"]
    path.write_text("\n".join([json.dumps(early), *lines]) + "\n")
    series = term_series(read_records(path))
    assert (len(series["tc_estimate"][0]), len(series["anchor"][0]), len(series["rate"][0])) == (
        1,
        2,
        3,
    )
    run_quietly("report", two_parts)
    page = (two_parts / "report.html").read_text()
    assert "Settled β-TCVAE" in page
    run_quietly("figure", "curves", two_parts, "-o", tmp_path / "curves.png")
    assert len(json.loads((tmp_path / "curves.json").read_text())["rate"]) == 3


def test_titles_name_the_weight() -> None:
    from betavae.config import Config

    assert title(Config(beta_norm=0.1)) == "patch beta norm0.1"
    assert [
        title(Config()),
        title(Config(beta=4)),
        title(Config(beta=6, beta_schedule="linear")),
    ] == [
        "place settle",
        "patch beta 4",
        "patch beta 6",
    ]
    assert title(Config(objective="tcvae")) == "patch tcvae"
