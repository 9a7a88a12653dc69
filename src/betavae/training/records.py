"""What training tells the world: metrics.jsonl, and warnings."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.files import file_bytes, write_beside
from betavae._system.text import printable
from betavae.objectives.terms import Terms

RECORDS = "metrics.jsonl"
ACTIVE_NATS = 0.1  # a latent that carries less than this on average counts as inactive
COLLAPSED_NATS = 0.1
FIXED = ("images", "seconds", "images_per_second", "learning_rate", "loss")
DERIVED = ("rate_per_latent", "beta_norm", "active_latents")


@dataclass(frozen=True)
class Record:
    """One line of metrics.jsonl: means over the steps since the line before, nats per image.

    Attributes:
        images: shown so far.
        seconds: of training so far.
        images_per_second: since the line before.
        learning_rate: of the last step.
        loss: what is minimised.
        terms: the learner's values by name, such as distortion, rate and beta.
        rate_per_latent: nats that each latent carries; empty where that is not known.
        beta_norm: beta normalised, beta M/N; None where there is no beta.
    """

    images: int
    seconds: float
    images_per_second: float
    learning_rate: float
    loss: float
    terms: dict[str, float]
    rate_per_latent: list[float] = field(default_factory=list)
    beta_norm: float | None = None

    @property
    def rate(self) -> float:
        """KL(q(z|x) || p(z)), in nats."""
        return self.terms["rate"]

    @property
    def distortion(self) -> float:
        """-log p(x|z), in nats."""
        return self.terms["distortion"]

    @property
    def beta(self) -> float | None:
        """The weight of the rate, None where the objective has none."""
        return self.terms.get("beta")

    @property
    def active_latents(self) -> int:
        """Latents that carry more than 0.1 nats."""
        return sum(rate > ACTIVE_NATS for rate in self.rate_per_latent)

    def to_json(self) -> str:
        """Return the record as one JSON line, the terms beside the rest."""
        line: dict[str, Any] = {"images": self.images, "seconds": self.seconds, "loss": self.loss}
        line |= self.terms
        if self.beta_norm is not None:
            line["beta_norm"] = self.beta_norm
        if self.rate_per_latent:
            line["rate_per_latent"] = self.rate_per_latent
            line["active_latents"] = self.active_latents
        line["learning_rate"] = self.learning_rate
        line["images_per_second"] = self.images_per_second
        return json.dumps({key: _rounded(value) for key, value in line.items()})

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read what `to_json` wrote.

        Raises:
            ValueError: when the line is no record.
        """
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("a record is a JSON object")
        rates = found.get("rate_per_latent", [])
        numbers = {name: value for name, value in found.items() if name not in DERIVED}
        numeric = [*numbers.values(), *(rates if isinstance(rates, list) else [rates, None])]
        missing = [name for name in FIXED if name not in numbers]
        if missing or any(type(value) not in (int, float) for value in numeric):
            raise ValueError(f"a record holds numbers, and {', '.join(FIXED)}")
        if type(found["images"]) is not int or not 0 <= found["images"] < 1 << 63:
            raise ValueError("a record counts images")
        terms = {name: float(numbers.pop(name)) for name in list(numbers) if name not in FIXED}
        norm = found.get("beta_norm")
        if norm is not None and type(norm) not in (int, float):
            raise ValueError("beta_norm is a number")
        return cls(**numbers, terms=terms, rate_per_latent=rates, beta_norm=norm)


def _rounded(value: Any) -> Any:
    """Round every float in a record's field to six digits."""
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def mean_record(records: list[Record], since: int) -> Record:
    """Return one record for all, averaged by their images, of which `since` were seen before.

    Beta is the last one's.
    """
    last = records[-1]
    ends = [since, *(record.images for record in records)]
    weights = [end - start for start, end in pairwise(ends)]

    def mean(values: list[float | None]) -> float:
        known = [(w, v) for w, v in zip(weights, values, strict=True) if v is not None]
        return math.fsum(w * v for w, v in known) / sum(w for w, _ in known)

    return replace(
        last,
        loss=mean([record.loss for record in records]),
        terms={
            name: value if name == "beta" else mean([record.terms.get(name) for record in records])
            for name, value in last.terms.items()
        },
        rate_per_latent=[
            mean(list(rates))
            for rates in zip(*(record.rate_per_latent for record in records), strict=True)
        ],
    )


def term_series(records: Sequence[Record]) -> dict[str, tuple[list[int], list[float]]]:
    """Return the images seen and the values of each term, of the records that have it.

    An objective of several parts need not record the same terms in all of them.
    """
    series: dict[str, tuple[list[int], list[float]]] = {}
    for record in records:
        for name, value in record.terms.items():
            seen, values = series.setdefault(name, ([], []))
            seen.append(record.images)
            values.append(value)
    return series


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
        self._averaged: tuple[str, ...] = ()
        self._settings: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Training time so far, earlier processes of the same run included."""
        return self.seconds_before + time.perf_counter() - self.started

    @torch.no_grad()
    def add(self, terms: Terms) -> None:
        """Take in one step's terms; nothing is read back from the device.

        Where the terms have other names than the last step's, the means begin anew.
        """
        tensors = {k: v for k, v in terms.values.items() if isinstance(v, Tensor)}
        if self._averaged != tuple(tensors):
            self._averaged, self._sums, self._steps = tuple(tensors), None, 0
        self._settings = {k: float(v) for k, v in terms.values.items() if not isinstance(v, Tensor)}
        values = torch.stack((terms.loss, *tensors.values())).detach()
        if terms.per_latent is not None:
            values = torch.cat((values, terms.per_latent.detach()))
        self._sums = values if self._sums is None else self._sums + values
        self._steps += 1

    def record(self, images_seen: int, learning_rate: float) -> Record:
        """Close the window: return the means since the last record."""
        if self._sums is None:
            raise RuntimeError("record() needs at least one add() before it")
        loss, *rest = (self._sums / self._steps).tolist()
        count = len(self._averaged)
        terms = dict(zip(self._averaged, rest[:count], strict=True)) | self._settings
        now = time.perf_counter()
        speed = (images_seen - self._since) / max(now - self._time, 1e-9)
        self._since, self._time, self._sums, self._steps = images_seen, now, None, 0
        return Record(
            images=images_seen,
            seconds=self.seconds,
            images_per_second=speed,
            learning_rate=learning_rate,
            loss=loss,
            terms=terms,
            rate_per_latent=rest[count:],
            beta_norm=terms["beta"] * self.beta_norm if "beta" in terms else None,
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
    for line in file_bytes(path).decode("utf-8", "replace").splitlines():
        record = _record(line)
        if record is not None and record.images <= images_seen:
            kept.append(line + "\n")
    with write_beside(path) as beside:
        beside.write_text("".join(kept), encoding="utf-8")


def read_records(path: Path) -> list[Record]:
    """Return the records of a metrics.jsonl; none when it is missing; a torn last line is left out.

    Raises:
        InputError: when a line before the last is not a record.
    """
    if not path.exists():
        return []
    lines = file_bytes(path).decode("utf-8", "replace").splitlines()
    records = [_record(line) for line in lines]
    bad = [number for number, record in enumerate(records, start=1) if record is None]
    if bad and bad[0] < len(lines):
        raise InputError(f"{path} is damaged: line {bad[0]} is not a record")
    return [record for record in records if record is not None]


def _record(line: str) -> Record | None:
    try:
        return Record.from_json(line)
    except (ValueError, OverflowError, RecursionError):
        return None


def warn(line: str) -> None:
    """Print one warning line on stderr."""
    print(f"warning: {printable(line)}", file=sys.stderr)
