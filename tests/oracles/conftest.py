"""disentanglement_lib for the oracle tests, shared with the benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.oracle import imported, install


@pytest.fixture(scope="session")
def oracle(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The metric modules of disentanglement_lib, by name; skips where it cannot be installed."""
    folder = Path(request.config.cache.mkdir("disentanglement_lib"))  # type: ignore[union-attr]
    why_not = install(folder)
    if why_not:
        pytest.skip(f"disentanglement_lib is not available: {why_not}")
    with imported(folder) as modules:
        yield modules
