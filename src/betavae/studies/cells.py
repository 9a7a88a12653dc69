"""A study as cells: independent pieces of work, each in a folder of its own.

A cell is done when its folder holds cell.json, which is written last and in one piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae._system.files import read_json, write_json

VERSION = 1
STUDY, CELL, RUNNING = "study.json", "cell.json", "running"

Work = Callable[[Path, dict[str, Any]], dict[str, Any]]
"""Does one cell: (its folder, its options) -> its result, all of it plain JSON."""


@dataclass(frozen=True)
class Cell:
    """One piece of work of a study.

    Attributes:
        name: its folder below the study's; what comes before the last ``/`` is its group.
        options: all that decides its result, plain JSON.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def group(self) -> str:
        """What the live table puts together into one line."""
        return self.name.rpartition("/")[0] or self.name


def open_study(folder: Path, study: str, settings: Mapping[str, Any]) -> None:
    """Make a study's folder, or check that an old one is of the same study and settings.

    Raises:
        InputError: when the folder is of another study, version or settings, or is no study.
    """
    mine = {"study": study, "version": VERSION, "settings": dict(settings)}
    path = folder / STUDY
    if not path.exists():
        if folder.exists() and any(path.name[0] != "." for path in folder.iterdir()):
            raise InputError(f"{folder} holds something else than a study; choose another --out")
        write_json(path, mine)
        return
    there = read_json(path)
    if there.get("study") != study:
        raise InputError(f"{folder} holds the study {there.get('study')}, not {study}")
    if there.get("version") != VERSION:
        raise InputError(
            f"{folder} holds a study of version {there.get('version')}, this betavae has version "
            f"{VERSION}; choose another --out"
        )
    before = there.get("settings", {})
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        differences = ", ".join(f"{key} {before.get(key)} -> {settings[key]}" for key in changed)
        raise InputError(f"{folder} was made with other settings: {differences}")


def finished(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """Return a cell's result when it is done, else None.

    Raises:
        InputError: when it was done with other options, or its file is damaged.
    """
    path = folder / cell.name / CELL
    if not path.exists():
        return None
    there = read_json(path)
    mine = json.loads(json.dumps(dict(cell.options)))
    if there.get("options") != mine:
        before = there.get("options", {})
        changed = [key for key in {*mine, *before} if before.get(key) != mine.get(key)]
        raise InputError(
            f"{path.parent} was done with other options ({', '.join(sorted(changed))}); "
            "remove it or choose another --out"
        )
    return dict(there["result"])
