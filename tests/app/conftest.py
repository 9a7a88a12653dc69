from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import betavae.data
from betavae.app.explorer import Explorer, open_explorer
from small_runs import load_synthetic, train_small


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def run_folder(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a trained run, with its data set where `betavae.data.load` finds it."""
    monkeypatch.setattr(betavae.data, "load", load_synthetic)
    return Path(shutil.copytree(trained_run, tmp_path / "small"))


@pytest.fixture
def explorer(run_folder: Path) -> Explorer:
    return open_explorer([run_folder])
