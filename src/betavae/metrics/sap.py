"""Separated attribute predictability: the gap between the two best latents for a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.binning import gap
from betavae.metrics._shared.checks import (
    NotComputable,
    Seed,
    as_generator,
    check_choice,
)
from betavae.metrics._shared.correlation import check_numbered, pair_sums, squared_correlation
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.labelled import check_labelled
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
        about: rows, factors, seed and version behind the number.
        per_factor: (K,) gap of each factor.
        predictability: (M, K) R^2, or test accuracy, of each factor from each latent alone.
        n_train: rows to train on; None for ``"kumar2018"``, which uses all rows.
        n_test: rows to test on; None likewise.
        factor_columns: the factors scored.
    """

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
    draws: Draws | None = None,
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
        draws: `n_train` and `n_test` rows for the SVM, 10,000 and 5,000 by default; with too few
            rows, two thirds and one third of them.
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
    generator = as_generator(rng)
    train: int | None = None
    test: int | None = None
    if protocol == "kumar2018":
        given, known = check_numbered(codes, factors, factor_columns, rng)
        blocks = draw_blocks(len(given.codes), generator)
        sums = pair_sums(given.codes, given.values, known, blocks)
        matrix = squared_correlation(sums.sum(axis=0))
        gaps = _gaps(matrix)
        interval = jackknife_interval(
            [sums], lambda t: float(_gaps(squared_correlation(t[0])).mean())
        )
    else:
        given = check_labelled(codes, factors, factor_columns, rng)
        n_train, n_test = draw_counts(draws, n_train=(10_000, 2), n_test=(5_000, 1))
        matrix, correct, train, test = _svm_accuracy(
            given.codes, given.values, (n_train, n_test), generator
        )
        gaps = _gaps(matrix)
        error = np.sqrt(np.mean(_gap_variances(matrix, correct)) / len(gaps))
        interval = normal_interval(float(gaps.mean()), float(error))
    return SapResult(
        score=float(gaps.mean()),
        interval=interval,
        protocol=protocol,
        about=given.about,
        per_factor=gaps,
        predictability=matrix,
        n_train=train,
        n_test=test,
        factor_columns=given.columns,
    )


def _gaps(matrix: Array) -> Floats:
    best = [gap(matrix[:, k]) for k in range(matrix.shape[1])]
    return np.array([first - second for _, first, second in best])


def _svm_accuracy(
    codes: Array, values: Ints, counts: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, list[Array], int, int]:
    """Test accuracy (M, K), which test rows were right (a (M, n) array a factor), rows used."""
    from sklearn.svm import LinearSVC

    jobs = []
    for k in range(values.shape[1]):
        labels, _ = relabel(values[:, k])
        train, test = split_rows(np.flatnonzero(labels >= 0), *counts, rng)
        if labels[train].min() == labels[train].max():
            raise NotComputable(
                f"a classifier of factor {k} needs two of its values among the rows to learn "
                f"from, got one: the others are too rare in {len(train)} rows"
            )
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
