from __future__ import annotations

from pathlib import Path

import pytest

from betavae.app.explorer import Explorer, open_explorer


@pytest.fixture
def explorer(small_run: Path) -> Explorer:
    return open_explorer([small_run])
