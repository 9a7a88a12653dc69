"""Disentanglement, completeness and informativeness, from how a regressor weighs the latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.boosting import boosted_trees
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.linear import standardise
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, accuracy_interval, repeats_interval

PROTOCOLS = ("locatello2019", "fast", "eastwood2018", "lasso-cv")
ALPHA = 0.02
"""The Lasso's penalty in the authors' code (qedr), for codes and factors of unit variance."""


@dataclass(frozen=True)
class DciResult(Scored):
    """DCI scores and the importances behind them.

    Attributes:
        score: the disentanglement, in [0, 1].
        interval: 95 % interval of `score` over repeats (Student's t); None for a single fit,
            whose importances carry no error of their own.
        protocol: which regressor.
        about: rows, factors, seed and version behind the number.
        disentanglement: does each latent matter for one factor only, in [0, 1].
        completeness: does each factor depend on one latent only, in [0, 1].
        informativeness: test accuracy, or for the Lasso protocols R^2 on test rows.
        informativeness_interval: 95 % interval over test rows; None for a Lasso.
        per_latent: (M,) disentanglement of each latent.
        per_factor: (K,) completeness of each factor.
        informativeness_per_factor: (K,) test accuracy (or R^2) of each factor.
        informativeness_train: the same as `informativeness`, on the training rows.
        importance: (M, K) weight of each latent for each factor, mean over repeats.
        repeats: independent draws of rows, each fitted; every number is their mean.
        n_train: rows to train on (of the first factor).
        n_test: rows to test on (of the first factor).
        factor_columns: the factors scored.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_interval: tuple[float, float] | None
    per_latent: Floats
    per_factor: Floats
    informativeness_per_factor: Floats
    informativeness_train: float
    importance: Floats
    repeats: int
    n_train: int
    n_test: int
    factor_columns: tuple[int, ...]


def dci_scores(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "locatello2019",
    factor_columns: Sequence[int] | None = None,
    draws: Draws | None = None,
    rng: Seed = 0,
) -> DciResult:
    """Disentanglement, completeness and informativeness of codes.

    A regressor predicts each factor from all latents; ``R_jk`` is the weight it gives latent j
    for factor k. With ``P_jk = R_jk / sum_k R_jk`` and ``Q_jk = R_jk / sum_j R_jk``:

    - ``D_j = 1 - H_K(P_j)``, entropy in base K; the disentanglement is their mean, weighted by
      each latent's share of all weight, so that dead latents count nothing;
    - ``C_k = 1 - H_M(Q_k)``, entropy in base M; the completeness is their plain mean for
      ``"eastwood2018"``, else weighted by each factor's share;
    - the informativeness is how well the factors are predicted on rows not trained on.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"locatello2019"``: gradient boosted trees, 100 stages of depth 3, every split
            considered, as scikit-learn's GradientBoostingClassifier grows them by default; a
            minute or two for 2D shapes. ``"fast"``: 30 stages that learn at 0.3 instead of 100 at
            0.1, split between 128 quantiles; within a few hundredths of the former.
            ``"eastwood2018"``: as the authors' code: Lasso with penalty 0.02, codes and factors
            standardised, ``R = |coefficient|``; factors count as ordered numbers.
            ``"lasso-cv"``: the same with a penalty chosen by cross-validation.
        factor_columns: the columns of `factors` to score; None: all.
        draws: `n_train` and `n_test` rows, 10,000 and 5,000 by default; with too few rows, two
            thirds and one third of them. `repeats`: independent draws of rows to fit on, by
            default 5 for the Lasso, 1 for trees, which are slow; the interval needs 2 or more.
        rng: seed or Generator; draws the rows.

    Returns:
        `DciResult`; ``float(result)`` is the disentanglement, in [0, 1].

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Eastwood & Williams 2018 and their code, qedr (penalty, plain mean; informativeness as
    an error, here as 1 - NRMSE^2 = R^2); Locatello et al. 2019 (boosted trees, accuracy; the
    completeness weighted by factor).

    Misses: it says what one regressor leans on, not what the latents hold: of two latents that
    hold the same, trees may take either. Deep enough trees read a factor off a mixture, so the
    numbers depend on the regressor's capacity. The Lasso sees linear relations only.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2).repeat(9, axis=0)
    >>> result = dci_scores(factors, factors, protocol="fast")
    >>> round(result.disentanglement, 3), round(result.completeness, 3), result.informativeness
    (1.0, 1.0, 1.0)
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    codes, values, columns = given.codes, given.values, given.columns
    lasso = protocol in ("eastwood2018", "lasso-cv")
    n_train, n_test, repeats = draw_counts(
        draws, n_train=(10_000, 10), n_test=(5_000, 1), repeats=(5 if lasso else 1, 1)
    )
    jobs = []
    generators = as_generator(rng).spawn(repeats)
    for generator in generators:
        for k in range(len(columns)):
            known = np.flatnonzero(values[:, k] >= 0)
            train, test = split_rows(known, n_train, n_test, generator)
            jobs.append((values[:, k], train, test))

    def one(job: tuple[Ints, Ints, Ints]) -> tuple[Floats, float, float]:
        if lasso:
            return _fit_lasso(codes, *job, ALPHA if protocol == "eastwood2018" else None)
        return _fit_trees(codes, *job, protocol == "fast")

    # Longest first, or a 40-valued factor taken last keeps one core waiting.
    order = sorted(range(len(jobs)), key=lambda i: -int(jobs[i][0].max()))
    fits = dict(zip(order, thread_map(one, [jobs[i] for i in order]), strict=True))
    shape = (repeats, len(columns))
    importance = np.stack([fits[i][0] for i in range(len(jobs))]).reshape(*shape, -1)
    trained = np.array([fits[i][1] for i in range(len(jobs))]).reshape(shape)
    tested = np.array([fits[i][2] for i in range(len(jobs))]).reshape(shape)
    latents = [weighted_purity(matrix.T) for matrix in importance]
    complete = [weighted_purity(matrix) for matrix in importance]
    if protocol == "eastwood2018":
        complete = [(float(each.mean()), each) for _, each in complete]
    scores = [score for score, _ in latents]
    accuracy = float(tested.mean())
    n_learnt, n_tested = len(jobs[0][1]), len(jobs[0][2])
    # Repeats that cannot have rows of their own vary less than other rows would make them.
    shared = n_tested / n_learnt if repeats * (n_learnt + n_tested) > len(codes) else 0.0
    return DciResult(
        score=float(np.mean(scores)),
        interval=repeats_interval(scores, shared=shared) if repeats > 1 else None,
        protocol=protocol,
        about=given.about,
        disentanglement=float(np.mean(scores)),
        completeness=float(np.mean([score for score, _ in complete])),
        informativeness=accuracy,
        informativeness_interval=(
            None if lasso else accuracy_interval(accuracy, sum(len(job[2]) for job in jobs))
        ),
        per_latent=np.mean([each for _, each in latents], axis=0),
        per_factor=np.mean([each for _, each in complete], axis=0),
        informativeness_per_factor=tested.mean(axis=0),
        informativeness_train=float(trained.mean()),
        importance=importance.mean(axis=0).T,
        repeats=repeats,
        n_train=n_learnt,
        n_test=n_tested,
        factor_columns=columns,
    )


def weighted_purity(importance: Array) -> tuple[float, Floats]:
    """``1 - entropy`` of each row (in base of its length), and their mean weighted by row sums.

    A row without weight has purity 0 and no part in the mean. With one column there is nothing to
    mix: purity 1.

    >>> weighted_purity(np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    (0.6, array([1., 0., 0.]))
    """
    total = importance.sum(axis=1)
    share = importance / np.maximum(total, 1e-300)[:, None]
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    purity = 1 - entropy / np.log(max(importance.shape[1], 2))
    purity = np.where(total > 0, np.clip(purity, 0, 1), 0.0)
    return float((purity * total).sum() / max(total.sum(), 1e-300)), purity


def _fit_trees(
    codes: Array, column: Ints, train: Ints, test: Ints, fast: bool
) -> tuple[Floats, float, float]:
    """Fit boosted trees: importance (M,), training accuracy and test accuracy."""
    # A value that no training row has cannot be predicted: it stays -1 and counts as wrong.
    labels, n_values = relabel(np.where(np.isin(column, column[train]), column, -1))
    y, y_test = labels[train], labels[test]
    if n_values < 2:
        return np.zeros(codes.shape[1]), 1.0, float((y_test == 0).mean())
    options: dict[str, Any] = {"stages": 30, "rate": 0.3, "bins": 128} if fast else {}
    importance, answers, test_answers = boosted_trees(
        codes[train], y, n_values, codes[test], **options
    )
    return importance, float((answers == y).mean()), float((test_answers == y_test).mean())


def _fit_lasso(
    codes: Array, column: Ints, train: Ints, test: Ints, alpha: float | None
) -> tuple[Floats, float, float]:
    """Fit a Lasso: absolute coefficients (M,), R^2 on training rows and on test rows.

    `alpha` is the penalty; None: chosen by cross-validation.
    """
    from sklearn.linear_model import Lasso, LassoCV

    x, x_test = standardise(codes[train], codes[test])
    y, y_test = standardise(column[train, None], column[test, None])
    # Both sides are standardised, so that a penalty of 1 zeroes every coefficient.
    if alpha is None:
        model = LassoCV(cv=5, alphas=np.geomspace(1, 1e-3, 16), max_iter=10_000)
    else:
        model = Lasso(alpha=alpha, max_iter=10_000)
    model.fit(x, y[:, 0])
    scores = []
    for features, target in ((x, y[:, 0]), (x_test, y_test[:, 0])):
        error = ((model.predict(features) - target) ** 2).mean()
        scores.append(float(1 - error / max(target.var(), 1e-300)))
    return np.abs(model.coef_), scores[0], scores[1]
