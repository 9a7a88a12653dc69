"""InfoMEC: modularity, compactness and explicitness, all from information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.binning import entropy, table_information
from betavae.metrics._shared.checks import (
    NotComputable,
    Seed,
    as_generator,
    check_choice,
    check_count,
)
from betavae.metrics._shared.groups import relabel
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.linear import fit_linear, standardise
from betavae.metrics._shared.neighbours import neighbour_information
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import (
    Scored,
    jackknife_error,
    normal_interval,
    repeats_interval,
)

PROTOCOLS = ("hsu2023", "hsu2023-discrete", "hsu2023-100")
NEIGHBOURS = 10
"""Neighbours of the information estimate, as in the authors' public code."""
BLOCKS = 5
"""Blocks of rows, left out in turn, behind the interval of repeats that share rows."""


@dataclass(frozen=True)
class InfomecResult(Scored):
    """InfoMEC scores and the information behind them.

    Attributes:
        score: InfoM.
        interval: 95 % interval of InfoM: over repeats (Student's t), or over rows where the
            repeats share them; None for one repeat.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        infom: modularity: is each latent about one factor, in [0, 1].
        infoc: compactness: is each factor in one latent, in [0, 1].
        infoe: explicitness: share of the factors a linear classifier can use, at most 1.
        infoc_interval: as `interval`, of InfoC.
        infoe_interval: as `interval`, of InfoE.
        normalised_information: (M, K) I(latent; factor) / H(factor), mean over repeats.
        live: (M,) latents that count: their range exceeds a twentieth of the widest, or for
            discrete latents 0.
        n_samples: rows of a repeat.
        repeats: independent draws of rows.
        factor_columns: the factors used.
    """

    infom: float
    infoc: float
    infoe: float
    infoc_interval: tuple[float, float] | None
    infoe_interval: tuple[float, float] | None
    normalised_information: Floats
    live: Array
    n_samples: int
    repeats: int
    factor_columns: tuple[int, ...]


def infomec_scores(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "hsu2023",
    factor_columns: Sequence[int] | None = None,
    n_samples: int = 10_000,
    repeats: int = 2,
    rng: Seed = 0,
) -> InfomecResult:
    """Modularity (InfoM), compactness (InfoC) and explicitness (InfoE) of codes.

    With ``N_jk = I(z_j; v_k) / H(v_k)`` over the live latents:

    - ``InfoM = (mean_j max_k N_jk / sum_k N_jk - 1/K) / (1 - 1/K)``,
    - ``InfoC = (mean_k max_j N_jk / sum_j N_jk - 1/M) / (1 - 1/M)``,
    - ``InfoE = mean_k 1 - L_k(z) / L_k()``: L_k is the cross-entropy of factor k under the best
      linear softmax classifier that sees all latents, or none.

    Information is estimated from nearest neighbours (see `neighbours`), so codes are not binned.
    For discrete latents it is that of their counts, and the classifier sees one number a value.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, K >= 2, -1 where not known.
        protocol: ``"hsu2023"``: continuous latents, InfoE at the classifier's optimum.
            ``"hsu2023-discrete"``: for latents of few values, such as quantised codes.
            ``"hsu2023-100"``: continuous latents, the classifier stopped after 100 iterations of
            L-BFGS, as in the authors' code; InfoE is then a lower bound.
        factor_columns: the columns of `factors` to use; None: all.
        n_samples: rows of a repeat (at most N); estimates and classifiers use the same rows.
        repeats: independent draws of rows; the intervals need 2 or more.
        rng: seed or Generator; draws the rows.

    Returns:
        `InfomecResult`; ``float(result)`` is InfoM. With a single live latent InfoC is 1; with
        none, InfoM and InfoC are 0.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Hsu et al. 2023 (Disentanglement via Latent Quantization), and the authors'
    public code for neighbours, pruning and class weights.

    Misses: the ratios forget amounts: a latent that barely knows one factor is as modular as one
    that is it, so small estimation noise in spare latents costs InfoM (that is why latents of
    small range are pruned, by range, an outlier away from being kept). InfoE is linear and
    measured on the rows it is fitted on.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2).repeat(30, axis=0)
    >>> result = infomec_scores(factors, factors, repeats=1)
    >>> round(result.infom, 2), round(result.infoc, 2)
    (1.0, 1.0)
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng, several=True)
    codes, values, columns = given.codes, given.values, given.columns
    check_count(n_samples, "n_samples", 20)
    check_count(repeats, "repeats")
    discrete = protocol == "hsu2023-discrete"
    if discrete:
        codes = _value_numbers(codes)
    spread = np.ptp(codes, axis=0).astype(np.float64)
    live = spread > (0.0 if discrete else spread.max() / 20)
    generator = as_generator(rng)
    size = min(n_samples, len(codes))
    overlap = repeats > 1 and repeats * size > len(codes)
    draws = [(np.sort(own.permutation(len(codes))[:size]), own) for own in generator.spawn(repeats)]
    if overlap:  # repeats share rows: leave out a block of them at a time, to see what rows do
        order = generator.permutation(len(codes))[:size]
        draws += [(np.setdiff1d(order, b), generator) for b in np.array_split(order, BLOCKS)]
    jobs = []
    for rows, own in draws:
        noise = own.spawn(len(columns))
        jobs += [(rows, values[rows, k], noise[k]) for k in range(len(columns))]

    def one(job: tuple[Ints, Ints, np.random.Generator]) -> tuple[Floats, float]:
        rows, column, own = job
        known = rows[column >= 0]
        labels, n_values = relabel(column[column >= 0])
        of_factor = max(float(entropy(np.bincount(labels).astype(np.float64))), 1e-300)
        if discrete:
            information = _count_information(codes[known], labels, n_values)
            z = _one_hot(codes[known])
        else:
            z, _ = standardise(codes[known], codes[known[:1]])
            information = np.array(
                [neighbour_information(z[:, j], labels, NEIGHBOURS, own) for j in range(z.shape[1])]
            )
        stopped = 100 if protocol == "hsu2023-100" else None
        return information / of_factor, _explicitness(z, labels, n_values, stopped)

    done = thread_map(one, jobs)
    matrices = np.stack([d[0] for d in done]).reshape(len(draws), len(columns), -1)
    infoe = np.array([d[1] for d in done]).reshape(len(draws), -1).mean(axis=1)
    infom = np.array([_concentration(matrix[:, live].T) for matrix in matrices])
    infoc = np.array([_concentration(matrix[:, live]) for matrix in matrices])

    def interval(each: Floats, bounds: tuple[float, float]) -> tuple[float, float] | None:
        if overlap:
            mean, error = float(each[:repeats].mean()), jackknife_error(each[repeats:])
            return normal_interval(mean, error, bounds)
        return repeats_interval(list(each), bounds) if repeats > 1 else None

    return InfomecResult(
        score=float(infom[:repeats].mean()),
        interval=interval(infom, (0.0, 1.0)),
        protocol=protocol,
        about=given.about,
        infom=float(infom[:repeats].mean()),
        infoc=float(infoc[:repeats].mean()),
        infoe=float(infoe[:repeats].mean()),
        infoc_interval=interval(infoc, (0.0, 1.0)),
        infoe_interval=interval(infoe, (-np.inf, 1.0)),
        normalised_information=matrices[:repeats].mean(axis=0).T,
        live=live,
        n_samples=size,
        repeats=repeats,
        factor_columns=columns,
    )


def _value_numbers(codes: Array) -> Ints:
    """Give each latent's values (N, M) numbers from 0; refuse latents of a value a row."""
    numbered = np.empty(codes.shape, np.int64)
    for j in range(codes.shape[1]):
        values, numbered[:, j] = np.unique(codes[:, j], return_inverse=True)
        if len(values) > max(2, len(codes) // 2):
            raise NotComputable(
                f"latents must be discrete for protocol 'hsu2023-discrete', got {len(values)} "
                f"values of latent {j} in {len(codes)} rows"
            )
    return numbered


def _count_information(codes: Ints, labels: Ints, n_values: int) -> Floats:
    """Information (M,) of each discrete latent with the factor, from their joint counts."""
    information = []
    for column in codes.T:
        size = int(column.max()) + 1
        table = np.bincount(column * n_values + labels, minlength=size * n_values)
        table = table.reshape(1, size, n_values).astype(np.float64)
        information.append(table_information(table)[0][0])
    return np.array(information)


def _one_hot(codes: Ints) -> Floats:
    """Return a column for each value of each latent, (N, columns)."""
    parts = [column[:, None] == np.unique(column) for column in codes.T]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _concentration(share: Floats) -> float:
    """Mean over rows of largest / sum, rescaled so that evenly spread is 0 and one entry is 1."""
    rows, width = share.shape
    if rows == 0 or width == 0:
        return 0.0
    if width == 1:
        return 1.0
    total = share.sum(axis=1)
    # A row without any information is as spread as can be.
    ratio = np.where(total > 0, share.max(axis=1) / np.maximum(total, 1e-300), 1 / width)
    return float((ratio.mean() - 1 / width) / (1 - 1 / width))


def _explicitness(z: Floats, labels: Ints, n_values: int, stopped: int | None) -> float:
    """Share of a factor's cross-entropy that a linear softmax classifier removes.

    `stopped`: iterations to stop after, without a penalty, as published; None: the optimum.
    """
    if stopped is not None:
        loss = _stopped_loss(z, labels, stopped)
    else:
        counts = np.bincount(labels, minlength=n_values)
        weights = len(labels) / (n_values * counts[labels])
        # The published classifier has no penalty; this one keeps separable classes finite.
        coef, offset = fit_linear(z, labels, n_values, ridge=1e-4, weights=weights)
        scores = z @ coef + offset
        scores -= scores.max(axis=1, keepdims=True)
        each = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels]
        loss = float(each.mean())
    # Without latents and with balanced classes the best guess is uniform.
    return float(1 - loss / np.log(n_values))


def _stopped_loss(z: Floats, labels: Ints, iterations: int) -> float:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is meant to stop early
        model.fit(z, labels)
    p = model.predict_proba(z)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p, 1e-16)).mean())
