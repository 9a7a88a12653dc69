"""`betavae watch`: the report of a training as it goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import betavae.app.watch
from betavae.app.watch import LEAST, Watched, create_watch


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the reports; each says its number."""
    counts: list[int] = []

    def write(folder: Path, out: Path, *, data: str | None) -> Path:
        counts.append(len(counts) + 1)
        out.write_text(f"report {len(counts)}", encoding="utf-8")
        return out

    monkeypatch.setattr(betavae.app.watch, "write_report", write)
    return counts


def test_before_a_checkpoint_it_says_where_the_training_stands(
    small_run: Path, tmp_path: Path
) -> None:
    assert "waiting for the training to begin" in Watched(tmp_path / "none").page()
    (small_run / "checkpoint.safetensors").unlink()
    assert "800 images seen, distortion" in Watched(small_run).page()


def test_a_new_checkpoint_makes_it_anew_and_records_do_now_and_then(
    small_run: Path, made: list[int]
) -> None:
    now = 0.0
    watched = Watched(small_run, clock=lambda: now)
    assert [watched.page(), watched.page()] == ["report 1", "report 1"]
    records = small_run / "metrics.jsonl"
    records.write_text(records.read_text() + records.read_text().splitlines()[-1] + "\n")
    assert watched.page() == "report 1"
    now = LEAST
    assert watched.page() == "report 2"
    os.utime(small_run / "checkpoint.safetensors", ns=(1, 1))
    assert watched.page() == "report 3"


@pytest.mark.slow
def test_the_page_is_the_report_and_asks_to_be_refreshed(small_run: Path) -> None:
    client = TestClient(create_watch(Watched(small_run)), base_url="http://127.0.0.1:8601")
    answer = client.get("/")
    assert answer.headers["refresh"] == "10"
    assert "Reconstructions" in answer.text
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
