"""The scores that a run folder keeps, in score.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae._system.files import read_json, write_json
from betavae.metrics.summary import Results
from betavae.runs.made import current_weights
from betavae.training.run_folder import SCORES as SCORES

HELD_OUT = ", held out"  # ends the key and the protocol of a score on the images held out


@dataclass(frozen=True)
class Score:
    """One metric's result.

    Attributes:
        metric: its name.
        protocol: which published variant.
        score: the number.
        interval: its 95 % interval, or None.
        better: "higher", "lower" or "".
        details: what else the metric says, by name.
    """

    metric: str
    protocol: str
    score: float
    interval: tuple[float, float] | None = None
    better: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int | None:
        """The rows scored, where they are known."""
        rows = self.details.get("n_rows")
        return rows if isinstance(rows, int) else None

    @property
    def held_out(self) -> bool:
        """Whether only what the training never saw was scored; the protocol then says so."""
        return self.protocol.endswith(HELD_OUT)

    @property
    def collapsed(self) -> bool:
        """Whether the codes had no active latent, so that the score means nothing."""
        return self.details.get("collapsed") is True


def kept_scores(folder: Path) -> dict[str, Any]:
    """Return what a run's score.json holds, by "metric:protocol"; empty when there is none.

    Raises:
        InputError: when the file cannot be read, or holds something else.
    """
    path = folder / SCORES
    return read_json(path) if path.exists() else {}


def keep_scores(
    run_folder: Path, results: Results, weights: str = "", *, held_out: bool = False
) -> tuple[str, ...]:
    """Put results into score.json, by "metric:protocol", keeping those of other metrics.

    Scores of the images held out stand beside those of all, under keys of their own.

    Args:
        run_folder: the run.
        results: what was computed.
        weights: the digest of the weights that were scored, which every entry then carries;
            scores of other weights are taken out; empty where there is no run.
        held_out: whether only what the run's training never saw was scored.

    Returns:
        A sentence for each score that was on other rows and is replaced, one where what is
        kept beside the new scores is on other rows, and one for scores of other weights.
    """
    everything, found = kept_scores(run_folder), results.to_dict()["metrics"]
    if held_out:
        found = {f"{key}{HELD_OUT}": entry for key, entry in found.items()}
    if weights:
        found = {key: {**entry, "weights": weights} for key, entry in found.items()}
    kept = {key: entry for key, entry in everything.items() if _is_of(entry, weights)}
    said = [
        f"{SCORES}: {key} on {entry['n_rows']:,} rows was replaced by one on {results.n_rows:,}"
        for key, entry in kept.items()
        if key in found and _on_other_rows(entry, results)
    ]
    others = [key for key in kept if key not in found and _on_other_rows(kept[key], results)]
    if others:
        said.append(f"{SCORES} also keeps scores on other rows: {', '.join(others)}")
    if stale := sorted(everything.keys() - kept.keys()):
        said.append(f"{SCORES}: scores of other weights were taken out: {', '.join(stale)}")
    write_json(run_folder / SCORES, {**kept, **found}, allow_nan=False)
    return tuple(said)


def _on_other_rows(entry: Any, results: Results) -> bool:
    rows = entry.get("n_rows") if isinstance(entry, dict) else None
    return isinstance(rows, int) and rows != results.n_rows


def _is_of(entry: Any, weights: str) -> bool:
    return isinstance(entry, dict) and entry.get("weights", "") == weights


def stale_scores(folder: Path) -> list[str]:
    """Return the keys of the scores that were computed of other weights than the folder's."""
    if not (folder / SCORES).exists():
        return []
    try:
        weights = current_weights(folder)
        found = {k: e for k, e in kept_scores(folder).items() if isinstance(e, dict)}
        return sorted(key for key, entry in found.items() if not _is_of(entry, weights))
    except InputError:
        return []


def read_scores(folder: Path) -> list[Score] | None:
    """Return a run's scores; none when it was not scored, None when the file is damaged.

    Those of other weights than the folder's are left out.
    """
    if not (folder / SCORES).exists():
        return []
    try:
        found, weights = kept_scores(folder), current_weights(folder)
    except InputError:
        return None
    scores = [
        score
        for key, entry in found.items()
        if (score := _score(key, entry)) and _is_of(entry, weights)
    ]
    return scores if scores or stale_scores(folder) else None


def _score(key: str, entry: Any) -> Score | None:
    """Read one entry, keyed "metric:protocol"."""
    metric, _, protocol = key.partition(":")
    if not isinstance(entry, dict) or not protocol:
        return None
    value, details = entry.get("score"), entry.get("details")
    if value is None or not is_number(value):
        return None
    ends = entry.get("interval")
    pair = isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends))
    return Score(
        metric=metric,
        protocol=protocol,
        score=float(value),
        interval=(ends[0], ends[1]) if pair and isinstance(ends, list) else None,
        better=entry.get("better") or "",
        details={**entry, **(details if isinstance(details, dict) else {})},
    )


def first_of(metric: str, scores: Sequence[Score] | None) -> Score | None:
    """Return the first score of a metric, one of all images before one of those held out."""
    found = [score for score in scores or () if score.metric == metric]
    return min(found, key=lambda score: score.held_out, default=None)


def is_number(value: Any) -> bool:
    """Say whether a value out of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
