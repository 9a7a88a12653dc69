"""A study as cells: independent pieces of work, each in a folder of its own.

A cell is done when its folder holds cell.json, which is written last and in one piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from betavae._system.errors import InputError
from betavae._system.files import read_json, write_json
from betavae._system.notes import note_once
from betavae.runs.made import changed_runs
from betavae.training.checkpoint import NAME as RUN
from betavae.training.checkpoint import digest_of_run

VERSION = 1
STUDY, CELL, RUNNING = "study.json", "cell.json", "running"

Work = Callable[[Path, dict[str, Any]], dict[str, Any]]
"""Does one cell: (its folder, its options) -> its result, all of it plain JSON."""


class _Done(BaseModel):
    """What cell.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1]
    options: dict[str, Any]
    seconds: Annotated[FiniteFloat, Field(ge=0)]
    result: dict[str, Any]
    weights: dict[str, str] = {}


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
        inside = next((up for up in folder.resolve().parents if (up / RUN).exists()), None)
        if inside is not None and folder.resolve() != inside / "restarts":  # a run's own seeds
            raise InputError(f"{folder} is inside the run {inside}; choose another --out")
        write_json(path, mine)
        return
    there = read_json(path)
    if there.get("study") != study:
        raise InputError(f"{folder} holds the study {str(there.get('study'))[:40]}, not {study}")
    if there.get("version") != VERSION:
        raise InputError(
            f"{folder} holds a study of version {str(there.get('version'))[:40]}, this betavae "
            f"has version {VERSION}; choose another --out"
        )
    before = there.get("settings")
    if not isinstance(before, dict):
        raise InputError(f"{path} is damaged: settings must be an object")
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        differences = ", ".join(f"{key} {before.get(key)} -> {settings[key]}" for key in changed)
        raise InputError(f"{folder} was made with other settings: {differences}")


def finished(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """Return a cell's result when it is done, else None.

    One whose runs have got other weights since is not done, and that is said.

    Raises:
        InputError: when it was done with other options, or its file is damaged.
    """
    path = folder / cell.name / CELL
    if not path.exists():
        return None
    there = _done(path)
    mine = json.loads(json.dumps(dict(cell.options)))
    if there.options != mine:
        before = there.options
        changed = [key for key in {*mine, *before} if before.get(key) != mine.get(key)]
        raise InputError(
            f"{path.parent} was done with other options ({', '.join(sorted(changed))}); "
            "remove it or choose another --out"
        )
    if stale := changed_runs(folder, there.weights):
        note_once([f"{path.parent} is of earlier weights of {', '.join(stale)}: done again"])
        return None
    return there.result


def weights_of(folder: Path, places: Iterable[str]) -> dict[str, str]:
    """Return the digests of the weights of the runs in and below some places of a study."""
    runs = {path.parent for place in places for path in (folder / place).rglob(RUN)}
    return {str(run.relative_to(folder)): digest_of_run(run) for run in sorted(runs)}


def sources_of(cell: Cell) -> list[str]:
    """Return the places of the runs that a cell's result comes from: its own, and what it scores.

    >>> sources_of(Cell("scores/vae/0", {"codes": "models/vae/0"}))
    ['scores/vae/0', 'models/vae/0']
    """
    return [cell.name, *filter(None, [cell.options.get("codes")])]


def _done(path: Path) -> _Done:
    try:
        return _Done.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is damaged: {where}: {first['msg']}; remove it and run the study again"
        ) from None
