"""Choosing models without labels: UDR and ModelCentrality compare models with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, Floats, check_codes, check_log_var
from betavae.metrics._shared.binning import bin_factors
from betavae.metrics._shared.checks import Seed, as_generator, check_choice, check_count
from betavae.metrics._shared.linear import standardise
from betavae.metrics._shared.moments import live_latents
from betavae.metrics._shared.results import About, Scored, normal_interval
from betavae.metrics.factor_vae import factor_vae_score
from betavae.metrics.rate import rate_per_latent

UDR_PROTOCOLS = ("lasso", "spearman")
CENTRALITY_PROTOCOLS = ("lin2020",)


@dataclass(frozen=True)
class ModelScores(Scored):
    """A score for each of several models, from comparing them in pairs.

    Attributes:
        score: mean of `scores`.
        interval: 95 % interval of `score` over models.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        scores: (models,) score of each model; higher is better.
        pairwise: (models, models) score of each pair; the diagonal is 0.
        best: index of the model with the highest score.
        n_samples: rows compared.
    """

    scores: Floats
    pairwise: Floats
    best: int
    n_samples: int


def udr_scores(
    codes: Sequence[Any],
    *,
    protocol: str = "lasso",
    log_vars: Sequence[Any] | None = None,
    n_samples: int = 10_000,
    rng: Seed = 0,
) -> ModelScores:
    """Unsupervised disentanglement ranking: do models find the same latents, one for one?

    For models i and j, ``R(a, b)`` relates latent a of i to latent b of j. With r the largest
    entry of each row or column, over the informative latents,
    ``UDR_ij = 1/(d_i + d_j) (sum_b r_b^2 / sum_a R(a, b) + sum_a r_a^2 / sum_b R(a, b))``;
    a model's score is the median of its pairs.

    Args:
        codes: two or more arrays (N, M): the codes of several models for the same rows.
        protocol: ``"lasso"``: R is the absolute weight of latent a in a Lasso (penalty 0.1) that
            predicts latent b, both standardised. ``"spearman"``: the absolute rank correlation.
        log_vars: log variances of each model; then a latent is informative when its rate exceeds
            0.01 nats, as published. None: when it is not dead by `live_latents`.
        n_samples: rows to compare, at most N.
        rng: seed or Generator; draws the rows.

    Returns:
        `ModelScores`; `.scores` has one value a model, in [0, 1] (a Lasso's shrinkage caps it
        near 0.9); ``float(result)`` is their mean.

    Raises:
        InputError: for codes or options that cannot be used, naming which.

    Source: Duan et al. 2020; public code (disentanglement_lib), which
    averages rows and columns apart: the same when both models have as many informative latents.

    Misses: a mistake all models make alike scores high. Entangled models look alike only by
    chance, which is what the method rests on. Models with one informative latent score high.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 3))
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    >>> same, other = udr_scores([z, -z[:, ::-1]]), udr_scores([z, z @ turn])
    >>> float(same) > 0.85 > float(other)
    True
    """
    check_choice(protocol, "protocol", UDR_PROTOCOLS)
    models = _check_models(codes)
    if log_vars is None:
        live = [live_latents(z) for z in models]
    else:
        if len(log_vars) != len(models):
            raise InputError(
                f"log_vars must have one array a model, expected {len(models)}, got {len(log_vars)}"
            )
        live = [
            rate_per_latent(z, check_log_var(v, z, "for every model")).per_latent > 0.01
            for z, v in zip(models, log_vars, strict=True)
        ]
    rows = _draw_rows(len(models[0]), n_samples, rng)
    kept = [z[rows][:, alive] for z, alive in zip(models, live, strict=True)]
    relate = _lasso_weights if protocol == "lasso" else _rank_correlation
    if protocol == "lasso":
        kept = [standardise(z, z[:1])[0] for z in kept]
    else:
        from scipy.stats import rankdata

        kept = [standardise(rankdata(z, axis=0), z[:1])[0] for z in kept]
    n = len(kept)
    pairwise = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j and kept[i].size and kept[j].size:
                pairwise[i, j] = _one_to_one(relate(kept[i], kept[j]))
    return _ranked(
        pairwise,
        np.array([np.median(np.delete(pairwise[:, j], j)) for j in range(n)]),
        protocol,
        _about(models, rows, rng),
    )


def model_centrality(
    codes: Sequence[Any],
    *,
    protocol: str = "lin2020",
    bins: int = 10,
    n_samples: int = 10_000,
    rng: Seed = 0,
) -> ModelScores:
    """ModelCentrality: how well do the other models disentangle this one, and it them?

    ``s_i = 1/(n - 1) sum_{j != i} (B_ij + B_ji) / 2``, B_ij the FactorVAE score of model j's codes
    with model i's latents in the place of ground-truth factors. The model nearest to all others,
    their medoid, is the one to choose.

    Args:
        codes: two or more arrays (N, M): the codes of several models for the same rows.
        protocol: ``"lin2020"``.
        bins: equal-frequency bins of a latent that stands for a factor.
        n_samples: rows to compare, at most N.
        rng: seed or Generator; draws the rows.

    Returns:
        `ModelScores`; `.scores` has one value a model, in [0, 1]; `.best` is the medoid.

    Raises:
        InputError: for codes or options that cannot be used, naming which.

    Source: Lin et al. 2020 (InfoGAN-CR and ModelCentrality). They hold a latent of
    model i fixed, generate images and encode them with model j; here, without generators, rows on
    which model i's latent falls in the same bin take the place of those images, and the score is
    the exact one.

    Misses: as `udr_scores`: it finds the most typical model, which is the best only where good
    models agree and bad ones do not.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 3))
    >>> noise = np.random.default_rng(1).normal(size=(2000, 3))
    >>> result = model_centrality([z, -z[:, ::-1], noise])
    >>> bool(result.scores[2] < min(result.scores[:2]))
    True
    """
    check_choice(protocol, "protocol", CENTRALITY_PROTOCOLS)
    check_count(bins, "bins", 2)
    models = _check_models(codes)
    rows = _draw_rows(len(models[0]), n_samples, rng)
    kept = [z[rows][:, live_latents(z)] for z in models]
    n = len(kept)
    # Scaled to fractions, so that bin_factors cuts whole-numbered codes into bins too.
    factors = [bin_factors(_as_fractions(z), bins=bins) if z.size else None for z in kept]
    pairwise = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j and factors[i] is not None and kept[j].size:
                pairwise[i, j] = float(factor_vae_score(kept[j], factors[i], protocol="exact"))
    both = (pairwise + pairwise.T) / 2
    return _ranked(pairwise, both.sum(axis=1) / (n - 1), protocol, _about(models, rows, rng))


def _check_models(codes: Sequence[Any]) -> list[Array]:
    if (isinstance(codes, np.ndarray) and codes.ndim == 2) or len(codes) < 2:
        raise InputError(
            "codes must be two or more (N, M) arrays, one a model, "
            f"got {1 if isinstance(codes, np.ndarray) else len(codes)}"
        )
    models = [check_codes(z, f"codes[{i}]") for i, z in enumerate(codes)]
    sizes = {len(z) for z in models}
    if len(sizes) > 1:
        raise InputError(
            f"codes must have the same rows for every model, got {[len(z) for z in models]} rows"
        )
    return models


def _draw_rows(n: int, n_samples: int, rng: Seed) -> Array:
    check_count(n_samples, "n_samples", 2)
    return np.sort(as_generator(rng).permutation(n)[:n_samples])


def _as_fractions(z: Array) -> Floats:
    return np.asarray(z / (np.abs(z).max(axis=0) * 1.1 + 1e-300))


def _lasso_weights(one: Floats, other: Floats) -> Floats:
    """Absolute Lasso weights (latents of one, latents of other), one predicting other."""
    from sklearn.linear_model import Lasso

    weights = Lasso(alpha=0.1).fit(one, other).coef_
    return np.asarray(np.abs(np.reshape(weights, (other.shape[1], one.shape[1]))).T)


def _rank_correlation(one: Floats, other: Floats) -> Floats:
    """Absolute correlation (latents of one, latents of other) of standardised ranks."""
    return np.asarray(np.abs(one.T @ other) / len(one))


def _one_to_one(relation: Floats) -> float:
    """Share of each latent's relations that is with a single latent, times its strength."""
    score = 0.0
    for axis in (0, 1):
        total, best = relation.sum(axis=axis), relation.max(axis=axis)
        score += float(np.where(total > 0, best**2 / np.maximum(total, 1e-300), 0.0).sum())
    return score / sum(relation.shape)


def _ranked(pairwise: Floats, scores: Floats, protocol: str, about: About) -> ModelScores:
    error = float(np.std(scores, ddof=1)) / len(scores) ** 0.5
    mean = float(scores.mean())
    return ModelScores(
        score=mean,
        interval=normal_interval(mean, error),
        protocol=protocol,
        about=about,
        scores=scores,
        pairwise=pairwise,
        best=int(scores.argmax()),
        n_samples=about.rows,
    )


def _about(models: list[Array], rows: Array, rng: Seed) -> About:
    """Say what was compared: the rows drawn, and the latents of the widest model."""
    return About.of((len(rows), max(z.shape[1] for z in models)), rng)
