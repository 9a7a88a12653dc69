"""A run folder's metrics.jsonl, and TensorBoard's events beside it where they are asked for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from betavae._system.errors import not_installed
from betavae.training.records import start_log

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVENTS = ".betavae"  # ends the names of our event files, so that no other is ever removed


class Log:
    """Where a training's records go, line by line.

    The event file is made anew from metrics.jsonl whenever a training starts or goes on, so it
    holds the same points, each once, however the run was interrupted; and a run that was begun
    without it has its whole past in it.

    Args:
        folder: the run's; nothing is written if None.
        resume_at: keep the records up to this many images, as a resumed run does; start with
            none if None.
        tensorboard: whether to write events too.

    Raises:
        InputError: when the extra is missing.
    """

    def __init__(self, folder: Path | None, resume_at: int | None, *, tensorboard: bool) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._resume_at = resume_at
        self._tensorboard = tensorboard
        self._events: SummaryWriter | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        if self._folder is None:
            return self
        events = _event_writer(self._folder) if self._tensorboard else None
        self._path = start_log(self._folder, self._resume_at)
        if events is not None:
            self._events = events
            there = self._path.exists()
            lines = self._path.read_text(encoding="utf-8").splitlines() if there else []
            self._began = time.time() - (json.loads(lines[-1])["seconds"] if lines else 0.0)
            for line in lines:
                self._to_events(line)
            events.flush()
        return self

    def add(self, line: str) -> None:
        """Write one record, a JSON object on one line with at least `images` and `seconds`."""
        if self._path is None:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self._events is not None:
            self._to_events(line)
            self._events.flush()

    def sync(self) -> None:
        """Put what was written on the disk: a checkpoint follows, which says that it is there."""
        if self._path is not None and self._path.exists():
            with self._path.open("rb+") as file:
                os.fsync(file.fileno())

    def _to_events(self, line: str) -> None:
        assert self._events is not None
        record = json.loads(line)
        moment = self._began + record["seconds"]
        for name, value in scalars(record):
            self._events.add_scalar(name, value, record["images"], walltime=moment)

    def __exit__(self, *_: object) -> None:
        if self._events is not None:
            self._events.close()


def scalars(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield a record's numbers by name, what is inside another as ``outer/inner``.

    >>> list(scalars({"images": 8, "rate": 1.5, "rate_per_latent": [1.0, 0.5]}))
    [('rate', 1.5), ('rate_per_latent/0', 1.0), ('rate_per_latent/1', 0.5)]
    """
    for name, value in record.items():
        if name == "images":  # the horizontal axis
            continue
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", number) for key, number in value.items())
        else:
            yield name, value


def check_events() -> None:
    """Raise InputError unless event files can be written."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401
    except ImportError:
        raise not_installed("--tensorboard", "tensorboard", "tensorboard") from None


def _event_writer(folder: Path) -> SummaryWriter:
    """Return a new event file in place of our old ones."""
    check_events()
    from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob(f"events.out.tfevents.*{EVENTS}"):
        old.unlink(missing_ok=True)
    return SummaryWriter(folder, filename_suffix=EVENTS)
