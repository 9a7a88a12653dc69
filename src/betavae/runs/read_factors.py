"""How well each factor can be read from a run's codes: what a high score may hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.metrics.readout import readout_score
from betavae.runs.opened import OpenRun, sample_rows
from betavae.runs.representation import represent

ROWS = 6000  # images that are read, a quarter of them as a test
FEW = 10  # values up to which a factor's are classes; above, numbers in order
LEARNED, NOT_LEARNED = 0.8, 0.25
HEART = 2  # the one of the 2D shapes that no turn but a whole one maps onto itself


@dataclass(frozen=True)
class FactorRead:
    """How well a factor can be read.

    Attributes:
        name: the factor's.
        share: 0 for no better than chance, 1 for always right: of classes (accuracy - chance) /
            (1 - chance), of numbers and angles R^2; never below 0.
        how: the same in words, as it was measured.
    """

    name: str
    share: float
    how: str


def read_factors(run: OpenRun, *, rows: int = ROWS, seed: int = 0) -> list[FactorRead]:
    """Read every factor of a run's data from its codes, by nearest neighbours among them.

    The turn of the 2D shapes is read from hearts alone: a square looks the same after a quarter.

    Args:
        run: the run.
        rows: images to read at most.
        seed: seed of their choice.

    Returns:
        One a factor that takes two values or more; none where the data has no factors.
    """
    chosen = sample_rows(run.dataset, rows, seed)
    factors = run.dataset.factors(chosen)
    if factors is None or len(chosen) < 50:
        return []
    codes = represent(run.model, run.dataset, rows=chosen).codes
    found = []
    for column, name in enumerate(run.dataset.factor_names):
        values = factors[:, column]
        if len(np.unique(values)) < 2:
            continue
        if run.dataset.name == "shapes2d" and name == "orientation":
            hearts = factors[:, run.dataset.factor_names.index("shape")] == HEART
            if hearts.sum() < 50:
                continue
            angles = 2 * np.pi * values[hearts] / 39  # both ends of 0..39 are the same turn
            found.append(_read(name, codes[hearts], angles, "circle", seed))
        else:
            kind = "classes" if len(np.unique(values)) <= FEW else "numbers"
            found.append(_read(name, codes, values, kind, seed))
    return found


def _read(
    name: str, codes: NDArray[np.float32], values: NDArray[Any], kind: Any, seed: int
) -> FactorRead:
    score = readout_score(codes, values, kind=kind, rng=seed)
    if kind != "classes":
        on = " of hearts" if kind == "circle" else ""
        return FactorRead(name, max(0.0, score), f"R²{on} {score:.2f}")
    _, counts = np.unique(values, return_counts=True)
    chance = counts.max() / counts.sum()
    share = max(0.0, (score - chance) / (1 - chance))
    return FactorRead(name, share, f"{score:.0%} right, by chance {chance:.0%}")


def hidden_by_score(found: Sequence[FactorRead], score: float | None) -> str:
    """Say which factors are not in the codes, and that a high score does not show it.

    Args:
        found: from `read_factors`.
        score: of the paper's metric, in [0, 1], or None.

    Returns:
        One or two sentences; an empty text where every factor can be read.

    >>> hidden_by_score([FactorRead("posX", 0.9, ""), FactorRead("shape", 0.1, "")], 0.99)
    'Not in the codes: shape. The score of 99.0 % does not show it: it asks which of a few \
factors two images share, and those that can be read are enough to answer.'
    """
    lost = [one.name for one in found if one.share < NOT_LEARNED]
    part = [one.name for one in found if NOT_LEARNED <= one.share < LEARNED]
    if not lost and not part:
        return ""
    said = []
    if lost:
        said.append(f"Not in the codes: {_listed(lost)}.")
    if part:
        said.append(f"In part: {_listed(part)}.")
    if lost and score is not None and score > 0.9:
        said.append(
            f"The score of {100 * score:.1f} % does not show it: it asks which of a few factors "
            "two images share, and those that can be read are enough to answer."
        )
    return " ".join(said)


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
