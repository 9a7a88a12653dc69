"""A training as something that is interrupted, diverges and is resumed, whatever it trains."""

from __future__ import annotations

import math
from pathlib import Path

from betavae._system.errors import InputError
from betavae._system.launch import launched
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.training import checkpoint


class Interrupted(KeyboardInterrupt):
    """Training stopped by Ctrl-C or SIGTERM after its state was saved; says how to resume."""


class Diverged(InputError):
    """The loss is no longer finite; the last good checkpoint is kept."""


def check_same_run(header: checkpoint.Header, config: Config, rows: int, whole: Dataset) -> None:
    """Refuse to resume with other settings or data: the result would be neither run's.

    The length alone may change, where nothing moves over a part of it: the run then goes on
    as one that was given the new length from its first step.
    """
    changed = config.differences(header.config)
    if header.source is not None and header.dataset_rows == rows:
        if whole.fingerprint() != header.source.fingerprint:
            raise InputError(
                f"cannot resume on other data: {whole.name} holds other images than the run saw"
            )
        changed = [name for name in changed if name != "data"]  # the same images, elsewhere
    if changed == ["images"]:
        _check_new_length(header, config, min(config.batch, rows))
    elif changed:
        differences = ", ".join(
            f"{name} {_value(header.config, name)} -> {_value(config, name)}" for name in changed
        )
        raise InputError(f"cannot resume with other settings than the run's: {differences}")
    if header.dataset_rows != rows:
        raise InputError(
            f"cannot resume on other data: the run saw {header.dataset_rows} images, "
            f"{whole.name} has {rows}"
        )


def _value(config: Config, name: str) -> object:
    found: object = config
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _check_new_length(header: checkpoint.Header, config: Config, batch: int) -> None:
    if part := config.part_of_length():
        raise InputError(
            f"cannot resume with images {header.config.images} -> {config.images}: "
            f"{part} is a part of the run's length"
        )
    if math.ceil(config.images / batch) <= header.steps:
        raise InputError(
            f"images must be > {header.steps * batch}, which the run has seen, got {config.images}"
        )


def divergence(loss: float, images: int, rate: float, out: Path | None, saved: int) -> str:
    """Say that training at learning rate `rate` diverged, and where its last good state is."""
    kept = f"; the last good checkpoint, at {saved:,} images, is kept in {out}" if saved else ""
    return (
        f"training diverged: the loss is {loss} at {images:,} images"
        f"{kept}; try a smaller learning rate (now {rate:g})"
    )


def how_to_resume(config: Config, out: Path | None, images: int) -> str:
    """Say where training stopped and how to go on."""
    if out is None:
        return f"stopped at {images:,} images"
    return (
        f"stopped at {images:,} of {config.images:,} images, saved in {out}; "
        f"go on with: {resume_line(out)}"
    )


def resume_line(out: Path | None) -> str:
    """Return the command that goes on with a run, with as many processes as there are now."""
    place = launched()
    several = f"torchrun --nproc-per-node {place.local_count} -m betavae"
    return f"{'betavae' if place.count == 1 else several} train --resume --out {out}"
