"""What every test shares: a cache of its own, the rendered 2D shapes, and a small trained run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from betavae.data import shapes2d
from betavae.data.images import ImageStore
from command_line import run_quietly
from small_runs import find_synthetic, train_small

# The machine may be busy: a slow example is no failure.
settings.register_profile("betavae", deadline=None, max_examples=50)
settings.load_profile("betavae")


def pytest_configure(config: pytest.Config) -> None:
    """Point BETAVAE_CACHE at a folder of this session, before any test or subprocess starts.

    pytest-xdist's workers inherit the environment, so they share the folder; only the process
    that made it removes it.

    A shell's background jobs ignore SIGINT, and under nohup SIGHUP is ignored too: here they are
    not, as tests raise them.
    """
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL),
    ):  # fmt: skip
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.mkdtemp(prefix="betavae-cache-")
        os.environ["BETAVAE_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def rendered() -> ImageStore:
    """All 737,280 images of the 2D shapes: one worker renders them, the others wait for it."""
    lock = Path(os.environ["BETAVAE_CACHE"]) / "rendering"
    deadline = time.monotonic() + 120
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if time.monotonic() > deadline:  # its owner died
                break
            time.sleep(0.1)
    try:
        return shapes2d.load()
    finally:
        lock.rmdir()


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, for looking at only: other tests see what is written into it."""
    return train_small(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def small_run(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run folder, with its data set where `betavae.data.load` finds it."""
    find_synthetic(monkeypatch)
    return Path(shutil.copytree(trained_run, tmp_path / "small run"))


@pytest.fixture
def plain_run(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose reports have empty charts, for tests that look at something else."""
    import betavae.report.parts

    monkeypatch.setattr(
        betavae.report.parts, "figure_address", lambda figure: "data:image/svg+xml,"
    )
    return small_run


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares on a 4x4 grid of places, as an .npz with factors."""
    rows, columns = np.divmod(np.arange(16).repeat(8), 4)
    images = np.zeros((128, 32, 32), np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    np.savez(path, images=images, factors=np.stack([rows, columns], axis=1))
    return path


@pytest.fixture(scope="module")
def squares_run(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the squares; a module's tests may write into it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run_quietly("train", squares, "--images", 1600, "--latents", 3, "--beta", 0.5, "--out", out)
    return out
