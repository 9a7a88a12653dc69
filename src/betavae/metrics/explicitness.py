"""Explicitness: can a linear classifier read every value of every factor off the codes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.linear import fit_linear, fit_one_vs_rest, standardise
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, normal_interval

PROTOCOLS = ("ridgeway2018", "locatello2019")


@dataclass(frozen=True)
class ExplicitnessResult(Scored):
    """An explicitness score and its parts.

    Attributes:
        score: mean over factors of the mean area under the ROC curve, chance 0.5, best 1: on the
            rows fitted for ``"ridgeway2018"``, on other rows for ``"locatello2019"``.
        interval: 95 % interval over those rows (DeLong).
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        normalised: ``2 score - 1``: chance 0, best 1.
        per_factor: (K,) mean area over a factor's values, on the rows of `score`.
        train_score: the same mean on the rows fitted.
        test_score: the same mean on other rows; NaN where all rows were fitted.
        n_train: rows to train on (of the first factor).
        n_test: rows to test on (of the first factor).
        factor_columns: the factors scored.
    """

    normalised: float
    per_factor: Floats
    train_score: float
    test_score: float
    n_train: int
    n_test: int
    factor_columns: tuple[int, ...]


def explicitness_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "ridgeway2018",
    factor_columns: Sequence[int] | None = None,
    draws: Draws | None = None,
    rng: Seed = 0,
) -> ExplicitnessResult:
    """Mean area under the ROC curve of linear classifiers that read factors off the codes.

    ``E = 1/K sum_k 1/V_k sum_v AUC(v_k = v)``, each AUC that of telling one value of a factor
    from all its others by a linear classifier of all latents.

    Args:
        codes: (N, M) numbers; posterior means for a VAE. They are standardised first.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"ridgeway2018"``: one logistic regression a value (value against rest, C =
            1e10), their probabilities divided by their sum, and the area measured on the rows
            fitted, as the authors' code does. ``"locatello2019"``: one softmax regression a
            factor, C = 1, measured on rows not fitted.
        factor_columns: the columns of `factors` to score; None: all.
        draws: `n_train` rows to fit, 10,000 by default, with too few rows all of them, or two
            thirds for ``"locatello2019"``; `n_test` other rows, 5,000, or what is left.
        rng: seed or Generator; draws the rows.

    Returns:
        `ExplicitnessResult`; ``float(result)`` is the score: chance 0.5, best 1.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Ridgeway & Mozer 2018; Locatello et al. 2019 and its public code.

    Misses: which latents are used: rotated codes are as explicit as aligned ones. A middle value
    of an ordered factor is not linearly separable from both its sides; dividing by the sum lets
    the classifiers of its neighbours help, so "position = latent" codes still stay below 1 (the
    factors of the 2D shapes themselves score 0.93). Some authors report ``2 E - 1``: that is
    `.normalised`. With few rows the fit is measured on what it was fitted to: see `.test_score`.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(2), range(2)), -1).reshape(-1, 2).repeat(50, axis=0)
    >>> float(explicitness_score(factors, factors))
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    codes, values, columns = given.codes, given.values, given.columns
    n_train, n_test = draw_counts(draws, n_train=(10_000, 2), n_test=(5_000, 1))
    softmax = protocol == "locatello2019"
    scored = 1 if softmax else 0  # which rows the score is measured on: others, or those fitted
    generator = as_generator(rng)
    splits = []
    for k in range(len(columns)):
        labels, n_values = relabel(values[:, k])
        train, test = _draw_rows(np.flatnonzero(labels >= 0), n_train, n_test, softmax, generator)
        splits.append((labels, n_values, train, test))

    def one_factor(split: tuple[Ints, int, Ints, Ints]) -> list[tuple[float, float]]:
        labels, n_values, train, test = split
        x_train, x_test = standardise(codes[train], codes[test])
        if softmax:
            coef, offset = fit_linear(x_train, labels[train], n_values, ridge=1.0)
        else:
            coef, offset = fit_one_vs_rest(x_train, labels[train], n_values, ridge=1e-10)
        areas = []
        for x, rows in ((x_train, train), (x_test, test)):
            scores = x @ coef + offset
            shares = _softmax(scores) if softmax else _logistic_shares(scores)
            areas.append(area_under_curve(shares, labels[rows]) if len(rows) else (np.nan, 0.0))
        return areas

    fits = np.array(thread_map(one_factor, splits))  # (K, 2 sets of rows, area and variance)
    score = float(fits[:, scored, 0].mean())
    error = float(np.sqrt(fits[:, scored, 1].sum())) / len(fits)
    return ExplicitnessResult(
        score=score,
        interval=normal_interval(score, error),
        protocol=protocol,
        about=given.about,
        normalised=2 * score - 1,
        per_factor=fits[:, scored, 0],
        train_score=float(fits[:, 0, 0].mean()),
        test_score=float(fits[:, 1, 0].mean()),
        n_train=len(splits[0][2]),
        n_test=len(splits[0][3]),
        factor_columns=columns,
    )


def _draw_rows(
    rows: Ints, n_train: int, n_test: int, keep_some: bool, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Draw rows to fit and other rows; without `keep_some`, those are what fitting leaves over."""
    if keep_some:
        return split_rows(rows, n_train, n_test, rng)
    drawn = rng.permutation(rows)
    return drawn[:n_train], drawn[n_train : n_train + n_test]


def _softmax(scores: Floats) -> Floats:
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


def _logistic_shares(scores: Floats) -> Floats:
    """Probability of each value against the rest, divided by their sum (n, values).

    In logarithms: far from every boundary all probabilities round to 0, and their shares do not.
    """
    log = -np.logaddexp(0.0, -scores)
    return _softmax(log)


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
