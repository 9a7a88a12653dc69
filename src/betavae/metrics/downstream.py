"""Downstream efficiency: how well are factors predicted from few labels?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.boosting import boosted_trees
from betavae.metrics._shared.checks import (
    NotComputable,
    Seed,
    as_generator,
    check_choice,
    check_count,
)
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import relabel
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.linear import fit_linear, standardise
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, repeats_interval

PROTOCOLS = ("logistic", "trees")
LABELS = (10, 100, 1000)


@dataclass(frozen=True)
class DownstreamResult(Scored):
    """Accuracy from few labels.

    Attributes:
        score: mean over factors and numbers of labels of the test accuracy, in [0, 1].
        interval: 95 % interval over repeats (Student's t); None for one repeat.
        protocol: which classifier.
        about: rows, factors, seed and version behind the number.
        labels: numbers of labelled rows; those that the rows do not allow are left out.
        accuracy: (labels,) mean test accuracy over factors.
        per_factor: (labels, K) test accuracy of each factor.
        chance: (K,) share of the commonest value of each factor.
        efficiency: accuracy with 100 labels (or the second number) over that with the most.
        repeats: independent draws of the labelled rows.
        n_test: rows to test on.
        factor_columns: the factors used.
    """

    labels: tuple[int, ...]
    accuracy: Floats
    per_factor: Floats
    chance: Floats
    efficiency: float
    repeats: int
    n_test: int
    factor_columns: tuple[int, ...]


def downstream_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "logistic",
    factor_columns: Sequence[int] | None = None,
    labels: Sequence[int] = LABELS,
    draws: Draws | None = None,
    rng: Seed = 0,
) -> DownstreamResult:
    """Accuracy of classifiers that learn each factor from 10, 100 and 1,000 labelled codes.

    What the paper's introduction promises of disentangled codes: that new tasks need few labels.

    Args:
        codes: (N, M) numbers; posterior means for a VAE. They are standardised on the labelled
            rows for the logistic regression.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"logistic"``: softmax regression, C = 1. ``"trees"``: gradient boosted trees,
            30 stages of depth 3 that learn at 0.3, split between 128 quantiles.
        factor_columns: the columns of `factors` to use; None: all that take several values.
        labels: numbers of labelled rows.
        draws: `n_test` rows to test on, 2,000 by default, at most half of those known; `repeats`,
            3 by default, independent draws of the labelled rows.
        rng: seed or Generator; draws the rows.

    Returns:
        `DownstreamResult`; ``float(result)`` is the mean accuracy. `.chance` is what naming the
        commonest value gives, and no score of codes without structure is below about that.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Higgins et al. 2017, Section 1; Locatello et al. 2019, Section 5.4: logistic regression
    and boosted trees, "statistical efficiency" as the ratio of accuracies with 100 and with
    10,000 labels; `.efficiency` is with 1,000 in the place of 10,000.

    Misses: whether codes are disentangled: any codes that a classifier reads well score high
    (Locatello et al. found no clear gain). A value that no labelled row has counts as wrong.

    >>> factors = np.stack(np.meshgrid(range(2), range(2)), -1).reshape(-1, 2).repeat(300, axis=0)
    >>> result = downstream_score(factors, factors)
    >>> result.labels, round(float(result), 2)
    ((10, 100), 1.0)
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    z, values, columns = given.codes, given.values, given.columns
    numbers = tuple(sorted(check_count(n, "labels", 2) for n in labels))
    n_test, repeats = draw_counts(draws, n_test=(2_000, 1), repeats=(3, 1))
    numbered = [relabel(values[:, k]) for k in range(len(columns))]
    fewest = min(int((y >= 0).sum()) for y, _ in numbered)
    n_test = min(n_test, fewest // 2)
    used = tuple(n for n in numbers if n <= fewest - n_test)
    if not used:
        raise NotComputable(
            f"{numbers[0]} labelled rows and as many to test on need {2 * numbers[0]} rows with "
            f"known factors, got {fewest}"
        )
    jobs = []
    for own in as_generator(rng).spawn(repeats):
        for y, _ in numbered:
            drawn = own.permutation(np.flatnonzero(y >= 0))
            jobs += [(y, drawn[n_test : n_test + n], drawn[:n_test]) for n in used]

    def one(job: tuple[Ints, Ints, Ints]) -> float:
        y, train, test = job
        return _accuracy(z[train], y[train], z[test], y[test], protocol == "trees")

    right = np.array(thread_map(one, jobs)).reshape(repeats, len(columns), len(used))
    scores = right.mean(axis=(1, 2))
    per_factor = right.mean(axis=0).T
    accuracy = per_factor.mean(axis=1)
    # Repeats that cannot have rows of their own to learn from vary too little.
    few = repeats * (used[-1] + n_test) > fewest
    shared = min(n_test / used[-1], 1.0) if few else 0.0
    return DownstreamResult(
        score=float(scores.mean()),
        interval=repeats_interval(list(scores), shared=shared) if repeats > 1 else None,
        protocol=protocol,
        about=given.about,
        labels=used,
        accuracy=accuracy,
        per_factor=per_factor,
        chance=np.array([np.bincount(y[y >= 0]).max() / (y >= 0).sum() for y, _ in numbered]),
        efficiency=float(accuracy[min(1, len(used) - 1)] / max(accuracy[-1], 1e-300)),
        repeats=repeats,
        n_test=n_test,
        factor_columns=columns,
    )


def _accuracy(x: Array, y: Ints, x_test: Array, y_test: Ints, trees: bool) -> float:
    """Test accuracy of a classifier that knows the values among `y` only."""
    values, labels = np.unique(y, return_inverse=True)
    if len(values) == 1:
        return float((y_test == values[0]).mean())
    if trees:
        answers = boosted_trees(x, labels, len(values), x_test, stages=30, rate=0.3, bins=128)[2]
    else:
        train, test = standardise(x, x_test)
        coef, offset = fit_linear(train, labels, len(values), ridge=1.0)
        answers = (test @ coef + offset).argmax(axis=1)
    return float((values[answers] == y_test).mean())
