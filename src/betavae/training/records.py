"""What training tells the world: metrics.jsonl, the progress bar, and warnings."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from betavae._system.errors import InputError
from betavae.objectives.terms import Terms

RECORDS = "metrics.jsonl"
ACTIVE_NATS = 0.1  # a latent that carries less than this on average counts as inactive
COLLAPSED_NATS = 0.1
CLOCKS = ("images", "seconds", "images_per_second")  # of a line; its other numbers are terms


@dataclass(frozen=True)
class Record:
    """One line of metrics.jsonl: means over the steps since the line before, nats per image."""

    images: int
    seconds: float
    loss: float
    distortion: float
    rate: float
    rate_per_latent: list[float]
    active_latents: int
    beta: float
    beta_norm: float
    learning_rate: float
    images_per_second: float
    extras: dict[str, float] = field(default_factory=dict)  # the objective's own terms

    def to_json(self) -> str:
        """Return the record as one JSON line."""
        return json.dumps({key: _rounded(value) for key, value in asdict(self).items()})


def _rounded(value: Any) -> Any:
    """Round every float in a record's field to six digits."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


class Recorder:
    """Averages terms on the device and turns them into records without stalling it.

    Args:
        beta_norm: beta_norm of beta = 1, that is M / N.
        images_seen: where training starts (not 0 after a resume).
        seconds: training time spent before this process.
    """

    def __init__(self, *, beta_norm: float, images_seen: int, seconds: float) -> None:
        self.beta_norm = beta_norm
        self.seconds_before = seconds
        self.started = time.perf_counter()
        self._since = images_seen
        self._time = self.started
        self._sums: Tensor | None = None
        self._steps = 0
        self._extras: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Training time so far, earlier processes of the same run included."""
        return self.seconds_before + time.perf_counter() - self.started

    @torch.no_grad()
    def add(self, terms: Terms) -> None:
        """Take in one step's terms; nothing is read back from the device."""
        head = torch.stack((terms.loss, terms.distortion, *terms.extras.values()))
        values = torch.cat((head.detach(), terms.rate_per_latent.detach()))
        self._extras = tuple(terms.extras)
        self._sums = values if self._sums is None else self._sums + values
        self._steps += 1

    def record(self, images_seen: int, beta: float | Tensor, learning_rate: float) -> Record:
        """Close the window: return the means since the last record."""
        if self._sums is None:
            raise RuntimeError("record() needs at least one add() before it")
        loss, distortion, *rest = (self._sums / self._steps).tolist()
        extras, rates = rest[: len(self._extras)], rest[len(self._extras) :]
        weight = beta.item() if isinstance(beta, Tensor) else beta
        now = time.perf_counter()
        speed = (images_seen - self._since) / max(now - self._time, 1e-9)
        self._since, self._time, self._sums, self._steps = images_seen, now, None, 0
        return Record(
            images=images_seen,
            seconds=self.seconds,
            loss=loss,
            distortion=distortion,
            rate=math.fsum(rates),
            rate_per_latent=rates,
            active_latents=sum(rate > ACTIVE_NATS for rate in rates),
            beta=weight,
            beta_norm=weight * self.beta_norm,
            learning_rate=learning_rate,
            images_per_second=speed,
            extras=dict(zip(self._extras, extras, strict=True)),
        )


def start_log(out: Path, images_seen: int | None) -> Path:
    """Return the metrics.jsonl of a run folder, ready for lines to be added.

    Args:
        out: the run folder, made where it is not there.
        images_seen: where a resumed training goes on, later lines are dropped; None: no line is
            kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    log = out / RECORDS
    if images_seen is None:
        log.unlink(missing_ok=True)
    else:
        truncate_records(log, images_seen)
    return log


def truncate_records(path: Path, images_seen: int) -> None:
    """Drop the lines of metrics.jsonl after `images_seen`, and a torn last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["images"] <= images_seen:
                kept.append(line + "\n")
        except ValueError:
            continue
    beside = path.with_suffix(".part")
    beside.write_text("".join(kept), encoding="utf-8")
    beside.replace(path)


def read_records(path: Path) -> list[Record]:
    """Return the records of a metrics.jsonl; none when it is missing; a torn last line is left out.

    Raises:
        InputError: when a line before the last is not a record.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    records = [_record(line) for line in lines]
    bad = [number for number, record in enumerate(records, start=1) if record is None]
    if bad and bad[0] < len(lines):
        raise InputError(f"{path} is damaged: line {bad[0]} is not a record")
    return [record for record in records if record is not None]


def _record(line: str) -> Record | None:
    try:
        return Record(**json.loads(line))
    except (ValueError, TypeError):
        return None


def read_terms(path: Path) -> tuple[list[int], dict[str, list[float]]]:
    """Return the images seen and each term of a training that is not a VAE's, line by line.

    None when the file is missing; a torn last line is left out.

    Raises:
        InputError: when a line before the last is not one of such a training.
    """
    if not path.exists():
        return [], {}
    seen: list[int] = []
    terms: dict[str, list[float]] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            images = int(found["images"])
            values = {key: float(found[key]) for key in found if key not in CLOCKS}
            if terms and values.keys() != terms.keys():
                raise ValueError(f"terms {sorted(values)}")
        except (ValueError, TypeError, KeyError):
            if number == len(lines):
                break
            raise InputError(f"{path} is damaged: line {number} is not a record") from None
        seen.append(images)
        for key, value in values.items():
            terms.setdefault(key, []).append(value)
    return seen, terms


class ProgressBar:
    """A rich progress bar on stderr: distortion, rate, active latents, images/s, time left."""

    def __init__(self, total: int, start: int, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._plain = not sys.stderr.isatty()
        self._total = total
        self._next_plain = 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[terms]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            disable=self._plain,
        )
        self._task = self._progress.add_task(title, total=total, completed=start, terms="")
        self._title = title

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, record: Record) -> None:
        """Show the newest record; where there is no terminal, a plain line every 10 %."""
        watched = [
            f"{name.replace('_', ' ')} {value:.3g}  " for name, value in record.extras.items()
        ]
        terms = (
            f"distortion {record.distortion:.1f}  rate {record.rate:.2f}  {''.join(watched[:1])}"
            f"active {record.active_latents}  {record.images_per_second:,.0f} images/s"
        )
        self.move(record.images, record.images_per_second, terms)

    def move(self, images: int, speed: float, terms: str) -> None:
        """Show where training stands, its terms written out by the caller."""
        if not self._plain:
            self._progress.update(self._task, completed=images, terms=terms)
            return
        done = images / self._total
        if done >= self._next_plain:
            left = (self._total - images) / max(speed, 1e-9)
            print(f"{self._title}  {done:4.0%}  {terms}  {left:,.0f} s left", file=sys.stderr)
            self._next_plain = math.floor(done * 10 + 1) / 10


def warn(line: str) -> None:
    """Print one warning line on stderr."""
    print(f"warning: {line}", file=sys.stderr)
