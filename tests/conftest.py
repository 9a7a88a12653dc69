"""What every test shares: a cache folder of its own, and the rendered 2D shapes, once a session."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings

from betavae.data import shapes2d
from betavae.data.images import ImageStore

# The machine may be busy: a slow example is no failure.
settings.register_profile("betavae", deadline=None, max_examples=50)
settings.load_profile("betavae")


def pytest_configure(config: pytest.Config) -> None:
    """Point BETAVAE_CACHE at a folder of this session, before any test or subprocess starts.

    pytest-xdist's workers inherit the environment, so they share the folder; only the process
    that made it removes it.
    """
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
