"""The score of the beta-VAE paper: can a linear classifier tell which factor was held fixed?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, Ints
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import Groups
from betavae.metrics._shared.halves import draw_halves, resampled_interval
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.moments import moments
from betavae.metrics._shared.parallel import halves, thread_map
from betavae.metrics._shared.results import Scored
from betavae.metrics._shared.softmax import fit_softmax, train_softmax

PROTOCOLS = ("higgins2017", "higgins2017-adagrad", "locatello2019")
UNITS = {
    "prior": "the prior's",
    "std": "the largest latent's standard deviation",
    "given": "the codes' own",
}
UNIT_ROWS = 20_000
"""Rows drawn to measure the codes' unit by."""
GATHER_BYTES = 1 << 19
"""Codes gathered at a time while features are built, so that they are still in cache."""


@dataclass(frozen=True)
class HigginsResult(Scored):
    """A Higgins score and how it came about.

    Attributes:
        score: mean test accuracy over the classifier seeds, in [0, 1].
        interval: 95 % interval of `score`, over test points; below 50,000 rows over rows too.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        deviation: standard deviation over the classifier seeds (0 for one seed).
        scores: test accuracy of each classifier seed.
        n_pairs: L, pairs averaged into one point.
        n_train: training points of each classifier.
        n_test: test points of each classifier.
        unit: what the codes were counted in, in words.
        unit_size: that unit, in the codes' own.
        factor_columns: the factors that were held fixed.
        confusion: (K, K) test counts over all seeds; row: factor held fixed, column: answer.
        steps: optimiser steps of each classifier seed; 0 where L-BFGS went to the optimum; for
            ``"locatello2019"`` 1,000 means that it was stopped short of it.
    """

    deviation: float
    scores: tuple[float, ...]
    n_pairs: int
    n_train: int
    n_test: int
    unit: str
    unit_size: float
    factor_columns: tuple[int, ...]
    confusion: Ints
    steps: tuple[int, ...]


def higgins_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "higgins2017",
    factor_columns: Sequence[int] | None = None,
    unit: str | float = "std",
    draws: Draws | None = None,
    rng: Seed = 0,
) -> HigginsResult:
    """Score codes by how well a linear classifier names the factor that pairs of rows share.

    For one point: draw a factor y; for each of L pairs draw a value of y, then two rows with
    that value, everything else free; the feature is ``mean_L |code_a - code_b|`` (M,). A latent
    that encodes y alone hardly differs within the pairs, so a linear softmax classifier can read
    y off. The score is its accuracy on fresh points: chance is 1/K, best 1. Below 50,000 rows the
    fresh points are drawn from the half of the rows that the classifier did not see.

    Args:
        codes: (N, M) numbers, one row an image; posterior means, PCA scores, pixels. Vectors
            (N, M, D) count by their first principal component.
        factors: (N, K) whole numbers or text; -1 where not known. The rows may be any subset of
            a grid. Names come with a data frame or a `factor_table`. Factors that take one value
            only are left out, which the result says.
        protocol: ``"higgins2017"``: softmax regression at the optimum of its loss, L = 20 by
            default. ``"higgins2017-adagrad"``: the same loss by 30,000 steps of Adagrad at 1e-2
            on 64 points each, which ends short of the optimum. Both leave out the shape of the
            2D shapes (it is resampled freely), told by the factors' names. ``"locatello2019"``:
            every factor, L = 64, scikit-learn's LogisticRegression.
        factor_columns: the columns of `factors` to hold fixed; None: as the protocol says.
        unit: what codes are counted in, for the first two protocols. ``"prior"``: as they are,
            for codes under a unit-variance prior (Eq. 5 has no rescaling): codes that vary by
            less than about a thousandth of it score chance. ``"std"``: in the largest latent's
            standard deviation, for codes of unknown unit: a collapsed model's codes then look
            like any others. A number: that.
        draws: `n_pairs` is L, which the paper does not state: the score rises with it. `n_train`
            and `n_test` points, 10,000 and 5,000 by default; `repeats`, 3 by default, for which
            pairs and, for few rows, halves differ.
        rng: seed or numpy Generator.

    Returns:
        `HigginsResult`; ``float(result)`` is the score.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Higgins et al. 2017, Figure 5 (left), Appendix A.4, Eq. 5; the variant:
    Locatello et al. 2019 and its public code (10,000 / 5,000 points, mean of 64 pairs).

    Misses: a rotation within a pair of latents that belong to one factor, and one factor spread
    over several latents, both score 1. A linear classifier can also name K factors from K - 1
    latents, since "nothing else got smaller" points at the last: a factor that is not encoded at
    all may go unnoticed. Variants differ in L, in the factors, and in the classifier; the paper
    states neither L nor the number of points (docs/metrics.md). Numbers compare only within a
    protocol, an L and a unit.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> factors = rng.integers(0, 8, size=(4000, 3))
    >>> float(higgins_score(factors, factors, draws=Draws(1000, 1000, repeats=1))) > 0.99
    True
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    published = protocol != "locatello2019"
    given = check_labelled(
        codes, factors, factor_columns, rng, several=True, without_shape=published
    )
    codes, values, columns = given.codes, given.values, given.columns
    n_factors = values.shape[1]
    n_train, n_test, pairs, repeats = draw_counts(
        draws,
        n_train=(10_000, n_factors),
        n_test=(5_000, 1),
        n_pairs=(20 if published else 64, 1),
        repeats=(3, 1),
    )
    generator = as_generator(rng)
    unit_name, size = ("given", 1.0) if not published else _unit(codes, unit, generator)

    def one_seed(own: np.random.Generator) -> tuple[Ints, int]:
        learn, fresh = draw_halves(values, own)
        train, train_labels = draw_features(codes, learn, n_train, pairs, own)
        draw_test = partial(draw_features, codes, fresh, n_test, pairs, own)
        if published:
            train /= train.dtype.type(size)
            if protocol == "higgins2017":
                fit = fit_softmax(train, train_labels, n_factors)
            else:
                fit = train_softmax(train, train_labels, n_factors, rng=own)
            test, test_labels = draw_test()
            answers, taken = fit.predict(test / test.dtype.type(size)), fit.steps
        else:  # this fit draws nothing, so the test points can be drawn beside it
            jobs: list[Callable[[], Any]] = [
                partial(_logistic_regression, train, train_labels),
                draw_test,
            ]
            (predict, taken), (test, test_labels) = thread_map(lambda job: job(), jobs)
            answers = predict(test)
        counts = np.zeros((n_factors, n_factors), np.int64)
        np.add.at(counts, (test_labels, answers), 1)
        return counts, taken

    def score_without(rows: Ints, own: np.random.Generator) -> float:
        # At the optimum whatever the protocol: what the rows do to it is the same, and it is fast.
        learn, fresh = draw_halves(values, own, rows)
        train, train_labels = draw_features(codes, learn, n_train, pairs, own)
        test, test_labels = draw_features(codes, fresh, n_test, pairs, own)
        fit = fit_softmax(train / train.dtype.type(size), train_labels, n_factors)
        return float((fit.predict(test / test.dtype.type(size)) == test_labels).mean())

    counts, steps = zip(*thread_map(one_seed, generator.spawn(repeats)), strict=True)
    scores = [float(np.trace(c) / n_test) for c in counts]
    score = float(np.mean(scores))
    return HigginsResult(
        score=score,
        interval=resampled_interval(
            score, (n_test * repeats, n_test), values, generator, score_without
        ),
        protocol=protocol,
        about=given.about,
        deviation=float(np.std(scores, ddof=1)) if repeats > 1 else 0.0,
        scores=tuple(scores),
        n_pairs=pairs,
        n_train=n_train,
        n_test=n_test,
        unit=UNITS.get(unit_name, unit_name),
        unit_size=size,
        factor_columns=columns,
        confusion=np.sum(counts, axis=0),
        steps=steps,
    )


def _unit(codes: Array, unit: str | float, rng: np.random.Generator) -> tuple[str, float]:
    """Return the unit's name and its size in the codes' own."""
    if isinstance(unit, str):
        if check_choice(unit, "unit", ("prior", "std")) == "prior":
            return unit, 1.0
        some = codes[rng.integers(len(codes), size=UNIT_ROWS)]
        return unit, float(np.sqrt(moments(some)[1].max())) or 1.0
    if isinstance(unit, bool) or not np.isfinite(unit) or unit <= 0:
        raise InputError(f"unit must be 'prior', 'std' or a number > 0, got {unit!r}")
    return f"{unit:g}", float(unit)


def draw_features(
    codes: Array, groups: list[Groups], n: int, n_pairs: int, rng: np.random.Generator
) -> tuple[Array, Ints]:
    """Draw n points: features (n, M), the mean over L pairs of |difference|, sorted labels (n,)."""
    labels = np.sort(rng.integers(len(groups), size=n))
    # Pairs first: the mean over them then runs along whole lines.
    both = np.empty((2, n_pairs, n), np.int64)

    def pick(job: tuple[int, np.random.Generator]) -> None:
        k, own = job
        mine = slice(*np.searchsorted(labels, (k, k + 1)))
        values = groups[k].draw_values((n_pairs, mine.stop - mine.start), own)
        both[:, :, mine] = groups[k].draw_pairs(values, own)

    thread_map(pick, list(enumerate(rng.spawn(len(groups)))))
    dtype = np.float64 if codes.dtype == np.float64 else np.float32
    features = np.empty((n, codes.shape[1]), dtype)
    size = max(1, GATHER_BYTES // (n_pairs * codes.shape[1] * features.itemsize))

    def fill(starts: range) -> None:
        for start in starts:
            part = slice(start, start + size)
            one, other = codes.take(np.ascontiguousarray(both[:, :, part]), axis=0)
            if codes.dtype == np.uint8:
                # Unsigned pixels wrap round when subtracted; a byte is a quarter of the traffic.
                difference = np.maximum(one, other) - np.minimum(one, other)
            else:
                difference = one.astype(dtype, copy=False)
                np.subtract(difference, other, out=difference)
                np.abs(difference, out=difference)
            features[part] = difference.mean(axis=0, dtype=dtype)

    thread_map(fill, halves(n, size))
    return features, labels


def _logistic_regression(train: Array, labels: Ints) -> tuple[Callable[[Array], Ints], int]:
    """scikit-learn's LogisticRegression with its default C = 1, run to its optimum."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Another solver's optimum is the same; Newton's steps are few and cheap with few latents.
    solver = "newton-cholesky" if train.shape[1] <= 64 else "lbfgs"
    model = LogisticRegression(solver=solver, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by `steps`
        model.fit(train, labels)
    return model.predict, int(np.max(model.n_iter_))
