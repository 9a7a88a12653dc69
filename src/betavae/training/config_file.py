"""A run folder's config.toml: the settings of a run, to read, and to train again with --toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from betavae import __version__
from betavae._system.files import write_beside
from betavae._system.text import readable
from betavae.config import Config

NAME = "config.toml"


def write_config(folder: Path, config: Config) -> Path:
    """Write a run's settings, those at their defaults included.

    Raises:
        InputError: when the folder cannot be written.
    """
    with write_beside(folder / NAME) as beside:
        beside.write_bytes(readable(as_toml(config)).encode("utf-8"))
    return folder / NAME


def as_toml(config: Config) -> str:
    """Return a configuration as TOML that `Config.from_toml` reads back.

    >>> as_toml(Config(beta=4)).splitlines()[2]
    'data = "shapes2d"'
    """
    settings = config.model_dump(mode="json", exclude_none=True)
    tables = {name: value for name, value in settings.items() if isinstance(value, dict)}
    lines = [
        f"# Written by betavae {__version__}. Train it again:",
        f"# betavae train --toml {NAME} --out FOLDER",
    ]
    lines += [f"{name} = {_value(v)}" for name, v in settings.items() if name not in tables]
    for name, inner in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in inner.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Write a value: JSON's strings, numbers, booleans and lists of them are TOML's too."""
    return json.dumps(value, ensure_ascii=False)
