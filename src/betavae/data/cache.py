"""Where prepared data is kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the user's cache folder for betavae; the variable BETAVAE_CACHE moves it."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("BETAVAE_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("betavae")
