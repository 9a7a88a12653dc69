"""Separated attribute predictability: the gap between the two best latents for a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.binning import gap
from betavae.metrics._shared.checks import (
    Array,
    Floats,
    Ints,
    Seed,
    as_generator,
    check_choice,
    check_codes,
    check_columns,
    check_count,
    check_labelled,
    check_matrix,
)
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, draw_blocks, jackknife_interval, normal_interval

PROTOCOLS = ("locatello2019", "kumar2018")


@dataclass(frozen=True)
class SapResult(Scored):
    """A SAP score and its parts.

    Attributes:
        score: mean over factors of `per_factor`, in [0, 1].
        interval: 95 % interval, over rows (``"kumar2018"``) or over test rows.
        protocol: which published variant.
        per_factor: (K,) gap of each factor.
        predictability: (M, K) R^2, or test accuracy, of each factor from each latent alone.
        n_train: rows to train on; None for ``"kumar2018"``, which uses all rows.
        n_test: rows to test on; None likewise.
        factor_columns: the factors scored.
    """

    score: float
    interval: tuple[float, float]
    protocol: str
    per_factor: Floats
    predictability: Floats
    n_train: int | None
    n_test: int | None
    factor_columns: tuple[int, ...]


def sap_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "locatello2019",
    factor_columns: Sequence[int] | None = None,
    n_train: int = 10_000,
    n_test: int = 5_000,
    rng: Seed = 0,
) -> SapResult:
    """Mean gap between how well the best and the second best single latent predict a factor.

    ``SAP = 1/K sum_k S(j*, k) - S(j2, k)``, S being how well latent j alone predicts factor k.
    With one latent the runner-up scores 0.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K). ``"kumar2018"`` takes any numbers; ``"locatello2019"`` whole numbers, -1
            where not known (also understood by ``"kumar2018"`` when a column is whole numbers).
        protocol: ``"locatello2019"``: S is the test accuracy of a linear SVM with balanced
            classes and C = 0.01. ``"kumar2018"``: S is R^2 of a line, i.e. the squared
            correlation, over all rows.
        factor_columns: the columns of `factors` to score; None: all.
        n_train: rows to train on; with too few rows, two thirds of them.
        n_test: rows to test on; with too few rows, the other third.
        rng: seed or Generator; draws the rows, and the blocks behind the interval.

    Returns:
        `SapResult`; ``float(result)`` is the score, in [0, 1].

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Kumar et al. 2018 (R^2 for factors with an order); Locatello et al. 2019
    (linear SVM for every factor).

    Misses: a line through the codes reads off only monotonic relations: an angle coded well but
    round a circle scores near 0. The variants are on different scales: R^2 reaches 1, while a
    line separates at best a few of 40 classes; for the same codes they differ several-fold.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> round(float(sap_score(factors, factors, protocol="kumar2018")), 6)
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    codes = check_codes(codes)
    generator = as_generator(rng)
    if protocol == "kumar2018":
        numbers, known, columns = _any_factors(factors, len(codes), factor_columns)
        moments = _moments(codes, numbers, known, draw_blocks(len(codes), generator))
        matrix = _r_squared(moments.sum(axis=0))
        gaps = _gaps(matrix)
        interval = jackknife_interval([moments], lambda t: float(_gaps(_r_squared(t[0])).mean()))
        train = test = None
    else:
        given = check_labelled(codes, factors, protocol, PROTOCOLS, factor_columns)
        values, columns = given.values, given.columns
        train, test = check_count(n_train, "n_train", 2), check_count(n_test, "n_test")
        matrix, correct, train, test = _svm_accuracy(codes, values, train, test, generator)
        gaps = _gaps(matrix)
        error = np.sqrt(np.mean(_gap_variances(matrix, correct)) / len(gaps))
        interval = normal_interval(float(gaps.mean()), float(error))
    return SapResult(float(gaps.mean()), interval, protocol, gaps, matrix, train, test, columns)


def _gaps(matrix: Array) -> Floats:
    best = [gap(matrix[:, k]) for k in range(matrix.shape[1])]
    return np.array([first - second for _, first, second in best])


def _any_factors(
    factors: Any, n_rows: int, factor_columns: Sequence[int] | None
) -> tuple[Floats, Array, tuple[int, ...]]:
    """Return factors as numbers (N, K), which of them are known (N, K), and the columns chosen."""
    array = check_matrix(factors, "factors", columns="K")
    columns = check_columns(factor_columns, array.shape[1])
    chosen = array[:, list(columns)]
    whole = bool((chosen == np.floor(chosen)).all())
    known = chosen >= 0 if whole else np.ones(chosen.shape, bool)
    if len(array) != n_rows:
        raise InputError(
            f"codes and factors must have the same number of rows, "
            f"got {n_rows} codes and {len(array)} factors"
        )
    for k in range(len(columns)):
        values = chosen[known[:, k], k]
        if not len(values) or values.min() == values.max():
            raise InputError(
                f"factors column {columns[k]} must take at least 2 values, "
                f"got {min(1, len(values))}"
            )
    return chosen.astype(np.float64), known, columns


def _moments(codes: Array, numbers: Floats, known: Array, blocks: Ints) -> Floats:
    """Sum 1, z, z^2, y, y^2 and z y over each block's rows with a known y: (B, M, K, 6)."""
    order = np.argsort(blocks, kind="stable")
    bounds = np.cumsum(np.bincount(blocks))
    # Centring first keeps the sums of squares from cancelling; R^2 does not change.
    centre = codes.mean(axis=0, dtype=np.float64)
    y_centre = (numbers * known).sum(axis=0) / known.sum(axis=0)
    out = np.empty((len(bounds), codes.shape[1], numbers.shape[1], 6))
    for b, rows in enumerate(np.split(order, bounds[:-1])):
        z, k = codes[rows] - centre, known[rows].astype(np.float64)
        y = (numbers[rows] - y_centre) * k
        sums = (k.sum(0), z.T @ k, (z**2).T @ k, y.sum(0), (y**2).sum(0), z.T @ y)
        for i, part in enumerate(sums):
            out[b, :, :, i] = part
    return out


def _r_squared(sums: Array) -> Floats:
    """Squared correlation (M, K) from the sums of `_moments`; 0 for a constant latent."""
    n, z, zz, y, yy, zy = np.moveaxis(sums, -1, 0)
    covariance, var_z, var_y = zy / n - z * y / n**2, zz / n - (z / n) ** 2, yy / n - (y / n) ** 2
    # 1e-12 is the floor of the public code, below which a latent counts as constant.
    return np.asarray(np.where(var_z > 1e-12, covariance**2 / np.maximum(var_z * var_y, 1e-300), 0))


def _svm_accuracy(
    codes: Array, values: Ints, n_train: int, n_test: int, rng: np.random.Generator
) -> tuple[Floats, list[Array], int, int]:
    """Test accuracy (M, K), which test rows were right (a (M, n) array a factor), rows used."""
    from sklearn.svm import LinearSVC

    jobs = []
    for k in range(values.shape[1]):
        labels, _ = relabel(values[:, k])
        train, test = split_rows(np.flatnonzero(labels >= 0), n_train, n_test, rng)
        jobs.append((labels[train], codes[train], labels[test], codes[test]))

    def one_pair(pair: tuple[int, int]) -> Array:
        j, k = pair
        y, x, y_test, x_test = jobs[k]
        # dual=False: the primal problem of one feature is tiny, and its solver draws nothing.
        model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
        model.fit(x[:, j : j + 1].astype(np.float64), y)
        return np.asarray(model.predict(x_test[:, j : j + 1]) == y_test)

    n_latents = codes.shape[1]
    right = thread_map(one_pair, [(j, k) for k in range(len(jobs)) for j in range(n_latents)])
    correct = [np.stack(right[k * n_latents : (k + 1) * n_latents]) for k in range(len(jobs))]
    accuracy = np.stack([c.mean(axis=1) for c in correct], axis=1)
    return accuracy, correct, len(jobs[0][0]), len(jobs[0][2])


def _gap_variances(matrix: Array, correct: list[Array]) -> Floats:
    """Variance of each factor's gap over its test rows (K,); the two latents share the rows."""
    variances = []
    for k, right in enumerate(correct):
        order = np.argsort(matrix[:, k], kind="stable")
        difference = right[order[-1]].astype(np.float64)
        if len(order) > 1:
            difference = difference - right[order[-2]]
        variances.append(difference.var() / right.shape[1])
    return np.array(variances)
