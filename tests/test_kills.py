"""A few kills and a meeting of two writers: benchmarks/kills.py, short."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from benchmarks import attacked, kills, pieces

from betavae.runs.made import current_weights

pytestmark = pytest.mark.slow


def test_killed_trainings_end_at_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "LEARNERS", kills.LEARNERS[:1])
    counts = pieces.attack(
        "kills in training", kills.Trainings, "kills", count=1, seed=1,
        until=time.monotonic() + 60, place=tmp_path / "counts.json",
    )  # fmt: skip
    assert counts["kills"] >= 1
    assert pieces.bad_in(counts) == 0, counts
    kept = json.loads((tmp_path / "counts.json").read_text())
    assert kept == {"kills in training": {"1": dict(counts)}}
    again = pieces.attack(
        "kills in training", kills.Trainings, "kills", count=1, seed=1,
        until=time.monotonic() + 60, place=tmp_path / "counts.json",
    )  # fmt: skip
    assert again == counts  # it goes on, and does nothing twice


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> kills.Writers:
    return kills.Writers(tmp_path_factory.mktemp("torture").resolve())


@pytest.mark.parametrize("name", ["score", "overwrite"])
def test_a_killed_command_leaves_nothing_stale(
    writers: kills.Writers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    job = next(job for job in kills.JOBS if job.name == name)
    monkeypatch.setattr(kills, "JOBS", (job,))
    counts: Counter[str] = Counter()
    writers.stage.kill(random.Random(name), counts)
    assert pieces.bad_in(counts) == 0, counts
    assert counts["kills"] + counts["finished first"] == 1


@pytest.mark.parametrize("name", ["train/train", "train/score"])
def test_one_of_two_writers_is_refused(
    writers: kills.Writers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(writers, "pairs", {name: writers.pairs[name]})
    counts: Counter[str] = Counter()
    writers.meet(random.Random(0), counts)
    assert counts["refused"] == 1
    assert pieces.bad_in(counts) == 0, counts


def test_the_counts_see_what_is_wrong(writers: kills.Writers) -> None:
    """A stale picture, a half-written file and a result without weights are found."""
    there = writers.stage.fresh("spoilt")
    assert attacked.stale(there) == attacked.leftovers(there) == attacked.orphans(there / "a") == []
    picture = (there / "a" / "traversal.png").read_bytes()
    weights, other = (current_weights(there / name).encode() for name in "ab")
    (there / "a" / "traversal.png").write_bytes(picture.replace(weights, other))
    (there / "a" / ".x.part").touch()
    assert attacked.stale(there) == ["a/traversal.png"]
    assert attacked.leftovers(there) == ["a/.x.part"]
    (there / "a" / "checkpoint.safetensors").unlink()
    assert "report.html" in attacked.orphans(there / "a")
