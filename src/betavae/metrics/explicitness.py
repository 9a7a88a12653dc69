"""Explicitness: can a linear classifier read every value of every factor off the codes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.checks import (
    Array,
    Floats,
    Ints,
    Seed,
    as_generator,
    check_count,
    check_labelled,
)
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.linear import fit_linear, standardise
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, normal_interval

PROTOCOLS = ("ridgeway2018", "locatello2019")


@dataclass(frozen=True)
class ExplicitnessResult(Scored):
    """An explicitness score and its parts.

    Attributes:
        score: mean over factors of the mean area under the ROC curve, chance 0.5, best 1.
        interval: 95 % interval over test rows (DeLong).
        protocol: which published variant.
        normalised: ``2 score - 1``: chance 0, best 1.
        per_factor: (K,) mean area over a factor's values, on test rows.
        train_score: the score on the training rows.
        n_train: rows to train on (of the first factor).
        n_test: rows to test on (of the first factor).
        factor_columns: the factors scored.
    """

    score: float
    interval: tuple[float, float]
    protocol: str
    normalised: float
    per_factor: Floats
    train_score: float
    n_train: int
    n_test: int
    factor_columns: tuple[int, ...]


def explicitness_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "ridgeway2018",
    factor_columns: Sequence[int] | None = None,
    n_train: int = 10_000,
    n_test: int = 5_000,
    rng: Seed = 0,
) -> ExplicitnessResult:
    """Mean area under the ROC curve of linear classifiers that read factors off the codes.

    ``E = 1/K sum_k 1/V_k sum_v AUC(v_k = v)``, each AUC that of telling one value of a factor
    from all its others by a linear function of all latents, on rows not trained on.

    Args:
        codes: (N, M) numbers; posterior means for a VAE. They are standardised first.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"ridgeway2018"``: one logistic regression a value (value against rest).
            ``"locatello2019"``: one softmax regression a factor, C = 1.
        factor_columns: the columns of `factors` to score; None: all.
        n_train: rows to train on; with too few rows, two thirds of them.
        n_test: rows to test on; with too few rows, the other third.
        rng: seed or Generator; draws the rows.

    Returns:
        `ExplicitnessResult`; ``float(result)`` is the score: chance 0.5, best 1.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Ridgeway & Mozer 2018; Locatello et al. 2019 and its public code.

    Misses: which latents are used: rotated codes are as explicit as aligned ones. A middle value
    of an ordered factor is not linearly separable from both its sides, so value against rest
    punishes plain "position = latent" codes (identity codes of ten values score about 0.75); the
    softmax variant reads them. Some authors report ``2 E - 1``: that is `.normalised`.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(2), range(2)), -1).reshape(-1, 2).repeat(50, axis=0)
    >>> float(explicitness_score(factors, factors))
    1.0
    """
    given = check_labelled(codes, factors, protocol, PROTOCOLS, factor_columns)
    codes, values, columns = given.codes, given.values, given.columns
    check_count(n_train, "n_train", 2)
    check_count(n_test, "n_test")
    generator = as_generator(rng)
    splits = []
    for k in range(len(columns)):
        labels, n_values = relabel(values[:, k])
        train, test = split_rows(np.flatnonzero(labels >= 0), n_train, n_test, generator)
        splits.append((labels, n_values, train, test))

    def one_factor(split: tuple[Ints, int, Ints, Ints]) -> tuple[float, float, float]:
        labels, n_values, train, test = split
        x_train, x_test = standardise(codes[train], codes[test])
        softmax = protocol == "locatello2019"
        # One-against-rest problems may be separable: the small ridge keeps them finite, and the
        # area under the curve does not depend on scale.
        coef, offset = fit_linear(
            x_train,
            labels[train],
            n_values,
            link="softmax" if softmax else "one_vs_rest",
            ridge=1.0 if softmax else 1e-2,
        )
        areas = []
        for x, rows in ((x_train, train), (x_test, test)):
            scores = x @ coef + offset
            if softmax:
                scores = scores - scores.max(axis=1, keepdims=True)
                scores = np.exp(scores)
                scores /= scores.sum(axis=1, keepdims=True)
            areas.append(area_under_curve(scores, labels[rows]))
        return areas[0][0], areas[1][0], areas[1][1]

    fits = np.array(thread_map(one_factor, splits))
    score = float(fits[:, 1].mean())
    error = float(np.sqrt(fits[:, 2].sum())) / len(fits)
    return ExplicitnessResult(
        score=score,
        interval=normal_interval(score, error),
        protocol=protocol,
        normalised=2 * score - 1,
        per_factor=fits[:, 1],
        train_score=float(fits[:, 0].mean()),
        n_train=len(splits[0][2]),
        n_test=len(splits[0][3]),
        factor_columns=columns,
    )


def area_under_curve(scores: Array, labels: Ints) -> tuple[float, float]:
    """Mean over classes of the area under the ROC curve of ``scores[:, class]``; its variance.

    Classes without a row, or with all of them, are left out. The variance is DeLong's, of the
    mean over classes, which share the rows.

    >>> area_under_curve(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 0]))[0]
    1.0
    """
    from scipy.stats import rankdata

    n = len(labels)
    counts = np.bincount(labels, minlength=scores.shape[1])
    used = np.flatnonzero((counts > 0) & (counts < n))
    influence = np.zeros(n)
    areas = []
    for c in used:
        own = labels == c
        # Placement of a row: the share of the other side that it is on the right side of.
        ranks = rankdata(scores[:, c])
        among_own = np.empty(n)
        among_own[own], among_own[~own] = rankdata(scores[own, c]), rankdata(scores[~own, c])
        n_own, n_rest = counts[c], n - counts[c]
        below = (ranks[own] - among_own[own]) / n_rest
        above = 1 - (ranks[~own] - among_own[~own]) / n_own
        area = below.mean()
        areas.append(area)
        influence[own] += (below - area) * n / n_own
        influence[~own] += (above - area) * n / n_rest
    if not areas:
        return 0.5, 0.0
    return float(np.mean(areas)), float((influence / len(areas)).var() / n)
