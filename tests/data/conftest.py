"""What the tests of data share: a cache of their own, and a folder of images."""

from __future__ import annotations

from pathlib import Path

import originals
import pytest
from user_images import GREY, write

from betavae.data.sets import mpi3d


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare into an empty cache of this test's own."""
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_grids(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small MPI3D of these tests pass for a whole one."""
    monkeypatch.setattr(mpi3d, "GRIDS", (originals.MPI3D_GRID,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, for what a user downloaded."""
    (tmp_path / "original").mkdir()
    return tmp_path / "original"


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Six grey PNG files at two depths, among other files."""
    root = tmp_path / "shots"
    for k, name in enumerate(["b.png", "a.PNG", "x/c.png", "x/a.png", "w/z/q.png", "d.png"]):
        write(root / name, GREY[k])
    (root / "readme.txt").write_text("not an image")
    (root / ".hidden.png").write_text("not an image")
    (root / ".thumbs").mkdir()
    (root / ".thumbs" / "t.png").write_text("not an image")
    return root
