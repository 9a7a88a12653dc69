"""Runs of a study: each is trained once, in a folder of its own, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.runs.opened import SAMPLE, open_run
from betavae.training import checkpoint
from betavae.training.fit import train
from betavae.training.records import RECORDS, Record, read_records

PATIENCE = 10.0  # seconds for a worker whose parent was killed to end and let go of its run
TAIL = 0.3  # of a run's records: what a study takes as its end


def trained(
    config: Config, dataset: Dataset, folder: Path, *, progress: bool = True
) -> list[Record]:
    """Train, or go on, or find it done; return the records.

    Raises:
        InputError: when the folder holds a run with other settings.
    """
    resume = (folder / checkpoint.NAME).exists()
    if resume:
        found = checkpoint.read_header(folder).config
        if found != config:
            raise InputError(
                f"{folder} holds a run with other settings; remove it or choose another --out"
            )
    train(config, dataset, folder, resume=resume, progress=progress, patience=PATIENCE)
    return read_records(folder / RECORDS)


def chain(
    base: Config, changes: dict[str, dict[str, Any]], dataset: Dataset, out: Path
) -> dict[str, list[Record]]:
    """Train runs one after another, each from the weights of the one before.

    The first starts from nothing and is trained three times as long.

    Args:
        base: what the runs share; `images` is the length of all but the first.
        changes: by folder name, what sets each run apart.
        dataset: the images.
        out: gets the run folders.

    Returns:
        The records of each run, by name.
    """
    records: dict[str, list[Record]] = {}
    before: str | None = None
    for name, change in changes.items():
        start = {"images": 3 * base.images} if before is None else {"init": str(out / before)}
        config = base.replaced(**{**start, **change})
        records[name] = trained(config, dataset, out / name)
        before = name
    return records


def tail(records: list[Record]) -> list[Record]:
    """Return the last part of a run's records."""
    return records[-max(1, round(TAIL * len(records))) :]


def terms_of(folder: Path) -> tuple[float, float]:
    """Return a run's distortion and rate, nats per image, on the same images for every run."""
    run = open_run(folder, sample=SAMPLE)
    rate = float(run.rates.sum())
    assert run.distortion is not None  # what has rates has a likelihood
    return run.distortion, rate
