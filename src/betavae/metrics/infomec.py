"""InfoMEC: modularity, compactness and explicitness, all from information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.binning import entropy
from betavae.metrics._shared.checks import (
    Array,
    Floats,
    Ints,
    Seed,
    as_generator,
    check_count,
    check_labelled,
)
from betavae.metrics._shared.groups import relabel
from betavae.metrics._shared.linear import fit_linear, standardise
from betavae.metrics._shared.neighbours import neighbour_information
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, repeats_interval

PROTOCOLS = ("hsu2023",)
NEIGHBOURS = 10
"""Neighbours of the information estimate, as in the authors' public code."""


@dataclass(frozen=True)
class InfomecResult(Scored):
    """InfoMEC scores and the information behind them.

    Attributes:
        score: InfoM.
        interval: 95 % interval of InfoM over repeats (Student's t); None for one repeat.
        protocol: which published variant.
        infom: modularity: is each latent about one factor, in [0, 1].
        infoc: compactness: is each factor in one latent, in [0, 1].
        infoe: explicitness: share of the factors a linear classifier can use, at most 1.
        infoc_interval: as `interval`, of InfoC.
        infoe_interval: as `interval`, of InfoE.
        normalised_information: (M, K) I(latent; factor) / H(factor), mean over repeats.
        live: (M,) latents that count: their range exceeds a twentieth of the widest.
        n_samples: rows of a repeat.
        repeats: independent draws of rows.
        factor_columns: the factors used.
    """

    score: float
    interval: tuple[float, float] | None
    protocol: str
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

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, K >= 2, -1 where not known.
        protocol: ``"hsu2023"``.
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
    given = check_labelled(codes, factors, protocol, PROTOCOLS, factor_columns, several=True)
    codes, values, columns = given.codes, given.values, given.columns
    check_count(n_samples, "n_samples", 20)
    check_count(repeats, "repeats")
    spread = np.ptp(codes, axis=0).astype(np.float64)
    live = spread > spread.max() / 20
    jobs = []
    for generator in as_generator(rng).spawn(repeats):
        rows = np.sort(generator.permutation(len(codes))[:n_samples])
        noise = generator.spawn(len(columns))
        jobs += [(rows, values[rows, k], noise[k]) for k in range(len(columns))]

    def one(job: tuple[Ints, Ints, np.random.Generator]) -> tuple[Floats, float]:
        rows, column, generator = job
        known = rows[column >= 0]
        labels, n_values = relabel(column[column >= 0])
        z, _ = standardise(codes[known], codes[known[:1]])
        information = [
            neighbour_information(z[:, j], labels, NEIGHBOURS, generator) for j in range(z.shape[1])
        ]
        of_factor = float(entropy(np.bincount(labels).astype(np.float64)))
        return np.array(information) / max(of_factor, 1e-300), _explicitness(z, labels, n_values)

    done = thread_map(one, jobs)
    matrices = np.stack([d[0] for d in done]).reshape(repeats, len(columns), -1)
    infoe = np.array([d[1] for d in done]).reshape(repeats, -1).mean(axis=1)
    infom = [_concentration(matrix[:, live].T) for matrix in matrices]
    infoc = [_concentration(matrix[:, live]) for matrix in matrices]
    several = repeats > 1
    return InfomecResult(
        score=float(np.mean(infom)),
        interval=repeats_interval(infom) if several else None,
        protocol=protocol,
        infom=float(np.mean(infom)),
        infoc=float(np.mean(infoc)),
        infoe=float(infoe.mean()),
        infoc_interval=repeats_interval(infoc) if several else None,
        infoe_interval=repeats_interval(list(infoe)) if several else None,
        normalised_information=matrices.mean(axis=0).T,
        live=live,
        n_samples=min(n_samples, len(codes)),
        repeats=repeats,
        factor_columns=columns,
    )


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


def _explicitness(z: Floats, labels: Ints, n_values: int) -> float:
    """Share of a factor's cross-entropy that a linear softmax classifier removes."""
    counts = np.bincount(labels, minlength=n_values)
    weights = len(labels) / (n_values * counts[labels])
    # The published classifier has no penalty; this one keeps separable classes finite.
    coef, offset = fit_linear(z, labels, n_values, link="softmax", ridge=1e-4, weights=weights)
    scores = z @ coef + offset
    scores -= scores.max(axis=1, keepdims=True)
    loss = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels]
    # Without latents and with balanced classes the best guess is uniform.
    return float(1 - loss.mean() / np.log(n_values))
