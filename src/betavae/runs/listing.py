"""Run folders in a table: what differs between them, how far they are, what they scored."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError, did_you_mean
from betavae._system.options import Options
from betavae.config import UNDECIDING, Config
from betavae.runs.scores import first_of, read_scores
from betavae.training.checkpoint import NAME, Header, read_header
from betavae.training.records import RECORDS, read_records


@dataclass(frozen=True)
class Listed:
    """A run as the table shows it.

    Attributes:
        folder: where it is.
        settings: options by name, those in tables as ``objective.beta``.
        images: shown so far.
        length: to be shown in all.
        state: finished, stopped (its checkpoint can go on), or unreadable.
        score: of the paper's metric, in [0, 1]; None where it was not scored.
        distortion: nats per image at the end of training, None where that is not recorded.
        rate: nats per image likewise.
    """

    folder: Path
    settings: dict[str, str]
    images: int = 0
    length: int = 0
    state: str = "unreadable"
    score: float | None = None
    distortion: float | None = None
    rate: float | None = None


def list_runs(folder: Path) -> list[Listed]:
    """Return the runs in a folder and below it, by name.

    Raises:
        InputError: when there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name the one that holds run folders")
    found = sorted((path.parent for path in folder.rglob(NAME)), key=_natural)
    if not found:
        raise InputError(
            f"{folder} holds no runs; train one with `betavae train shapes2d --out {folder}/b4`"
        )
    return [_listed(path) for path in found]


def differing(runs: Sequence[Listed]) -> list[str]:
    """Return the names of the settings that are not the same in all runs, but for the length."""
    readable = [run for run in runs if run.settings]
    names = dict.fromkeys(name for run in readable for name in run.settings)
    return [
        name
        for name in names
        if name != "images" and len({run.settings.get(name) for run in readable}) > 1
    ]


def in_order(runs: Sequence[Listed], by: str) -> list[Listed]:
    """Return runs by a column or a setting, scores from the best on; what has none comes last.

    Raises:
        InputError: for something that no run has.
    """
    columns = ("run", "state", "images", "score", "distortion", "rate")
    known = [*columns, *dict.fromkeys(name for run in runs for name in run.settings)]
    if by not in known:
        raise InputError(f"sort must be one of {', '.join(columns)}, or a setting, got '{by}'"
                         f"{did_you_mean(by, known)}")  # fmt: skip
    if by == "run":
        return list(runs)

    def key(run: Listed) -> tuple[bool, Any]:
        if by in ("score", "distortion", "rate"):
            value = getattr(run, by)
            return value is None, 0.0 if value is None else -value if by == "score" else value
        if by in ("state", "images"):
            return False, getattr(run, by)
        return by not in run.settings, _natural(run.settings.get(by, ""))

    return sorted(runs, key=key)


def _listed(folder: Path) -> Listed:
    try:
        header = read_header(folder)
        records = read_records(folder / RECORDS)
    except InputError:
        return Listed(folder, {})
    seen, length = _seen(header)
    score = first_of("higgins", read_scores(folder))
    terms = records[-1].terms if records else {}
    return Listed(
        folder, settings_of(header.config), seen, length,
        "finished" if seen >= length else "stopped", None if score is None else score.score,
        terms.get("distortion"), terms.get("rate"),
    )  # fmt: skip


def _seen(header: Header) -> tuple[int, int]:
    """Return the images shown so far, and in all; what is fitted in one go sees each once."""
    rows, config = header.dataset_rows, header.config
    if config.method.name in ("pca", "ica"):
        return rows, rows
    batch = min(config.batch, rows)
    return header.steps * batch, math.ceil(config.images / batch) * batch


def settings_of(config: Config) -> dict[str, str]:
    """Return what decides a run, as text by name; how it is done is left out.

    >>> settings_of(Config(beta=4))["beta"], "threads" in settings_of(Config())
    ('4', False)
    """
    found: dict[str, str] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in UNDECIDING or value is None:
            continue
        if not isinstance(value, Options):
            found[name] = _text(value)
            continue
        found[name] = str(getattr(value, "name", ""))
        for key in type(value).model_fields:
            inner = getattr(value, key)
            if key != "name" and inner is not None:
                found[key if key in value.bare else f"{name}.{key}"] = _text(inner)
    return found


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _natural(text: object) -> list[tuple[int, float, str]]:
    """Return a key that puts 9 before 10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(text))
    return [(0, float(p), "") if p[:1].isdigit() else (1, 0.0, p) for p in parts if p]
