from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.browser import chromium
from betavae.app.explorer import Explorer, open_explorer


@pytest.fixture
def explorer(small_run: Path) -> Explorer:
    return open_explorer([small_run])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page
