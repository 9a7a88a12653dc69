"""The mutual information gap: is a factor in one latent, and in one only?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints, check_log_var
from betavae.metrics._shared.binning import (
    bin_codes,
    count_tables,
    entropy,
    information_matrix,
    normalised_gaps,
)
from betavae.metrics._shared.checks import Seed, as_generator, check_choice, check_count
from betavae.metrics._shared.gridded import grid_information, make_grid
from betavae.metrics._shared.groups import relabel
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import (
    Scored,
    draw_blocks,
    jackknife_error,
    normal_interval,
)

PROTOCOLS = ("locatello2019", "chen2018")


@dataclass(frozen=True)
class MigResult(Scored):
    """A mutual information gap and its parts.

    Attributes:
        score: mean over factors of `per_factor`, in [0, 1].
        interval: 95 % interval over rows (delete-a-block jackknife).
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        per_factor: (K,) normalised gap of each factor.
        mutual_information: (M, K) I(latent; factor) in nats.
        factor_entropies: (K,) entropy of each factor in nats.
        bins: bins of a latent, or None where densities were used.
        factor_columns: the factors scored.
    """

    per_factor: Floats
    mutual_information: Floats
    factor_entropies: Floats
    bins: int | None
    factor_columns: tuple[int, ...]


def mig_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "locatello2019",
    log_var: Any = None,
    factor_columns: Sequence[int] | None = None,
    bins: int = 20,
    rng: Seed = 0,
) -> MigResult:
    """Mutual information gap: how far the best latent for a factor is ahead of the second best.

    ``MIG = 1/K sum_k (I(z_j*; v_k) - I(z_j2; v_k)) / H(v_k)``, with j* and j2 the latents that
    hold the most and the second most information about factor k. With one latent the runner-up
    holds 0.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known (see `bin_factors` for continuous ones);
            names come with a data frame or a `factor_table`.
        protocol: ``"locatello2019"``: every factor; equal-width histograms of the codes with
            `bins` bins. ``"chen2018"``: z drawn from q(z | x), so `log_var` is needed; entropies
            of the aggregate posterior of all rows and of each factor value; for the factors of
            the 2D shapes, told by their names, all but the shape.
        log_var: (N, M) log variances of q(z | x), for ``"chen2018"``.
        factor_columns: the columns of `factors` to score; None: as the protocol says.
        bins: bins of a latent, for ``"locatello2019"``.
        rng: seed or Generator; only draws the blocks of rows behind the interval.

    Returns:
        `MigResult`; ``float(result)`` is the score, in [0, 1].

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Chen et al. 2018; public code of the same authors for the four
    factors; Locatello et al. 2019 for the histograms.

    Misses: a latent that mixes several factors (only the factors' side is looked at); see
    `modularity_score`. A factor that takes two latents by nature (orientation as sine and
    cosine) counts as badly coded. The variants share a name and give different numbers: the
    histogram of means ignores the posterior's noise and is coarser, samples from q(z | x) know
    about dead latents. Chen et al. estimate entropies from 10,000 samples; here the densities
    are computed on a grid (see `gridded`), without sampling noise, from all rows.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> float(mig_score(factors, factors))
    1.0
    >>> float(mig_score(factors[:, [0, 0]], factors))  # a duplicated latent leaves no gap
    0.0
    """
    chen = protocol == "chen2018"
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng, without_shape=chen)
    codes, values, columns = given.codes, given.values, given.columns
    if chen:
        log_var = check_log_var(log_var, codes, f"for protocol {protocol!r}")
    generator = as_generator(rng)
    blocks = draw_blocks(len(codes), generator)
    if chen:
        information, entropies, interval = _posterior_gaps(codes, log_var, values, blocks)
    else:
        check_count(bins, "bins", 2)
        tables = count_tables(bin_codes(codes, bins), bins, values, blocks)
        totals = [t.sum(axis=0) for t in tables]
        information, entropies = information_matrix(totals)
        left_out = information_matrix([a - t for a, t in zip(totals, tables, strict=True)])
        error = jackknife_error(normalised_gaps(*left_out).mean(axis=-1))
        score = float(normalised_gaps(information, entropies).mean())
        interval = normal_interval(score, error)
    per_factor = normalised_gaps(information, entropies)
    return MigResult(
        score=float(per_factor.mean()),
        interval=interval,
        protocol=protocol,
        about=given.about,
        per_factor=per_factor,
        mutual_information=information,
        factor_entropies=entropies,
        bins=bins if protocol == "locatello2019" else None,
        factor_columns=columns,
    )


def _posterior_gaps(
    mean: Array, log_var: Array, values: Ints, blocks: Ints
) -> tuple[Floats, Floats, tuple[float, float]]:
    """chen2018: information (M, K), entropies (K,) and the jackknife interval of their MIG."""
    n_latents, n_factors = mean.shape[1], values.shape[1]
    labels = [relabel(values[:, k]) for k in range(n_factors)]

    def one_latent(j: int) -> list[float]:
        grid = make_grid(mean[:, j], log_var[:, j])
        return [grid_information(grid, *labels[k])[0] for k in range(n_factors)]

    information = np.array(thread_map(one_latent, range(n_latents)))
    sizes = [np.bincount(groups[groups >= 0]) for groups, _ in labels]
    entropies = np.array([float(entropy(s.astype(np.float64))) for s in sizes])
    score = float(normalised_gaps(information, entropies).mean())
    # The interval needs only each factor's two best latents; a quarter of the blocks is enough.
    n_blocks = min(5, int(blocks.max()) + 1)

    def leave_out(item: tuple[int, int]) -> tuple[int, int, list[float]]:
        j, k = item
        grid, (groups, n_groups) = make_grid(mean[:, j], log_var[:, j]), labels[k]
        return (
            j,
            k,
            [
                grid_information(grid, np.where(blocks % n_blocks == b, -1, groups), n_groups)[0]
                for b in range(n_blocks)
            ],
        )

    best = np.argsort(-information, axis=0, kind="stable")[:2]
    pairs = [(int(j), k) for k in range(n_factors) for j in best[:, k]]
    left = np.zeros((n_blocks, n_latents, n_factors))
    for j, k, kept in thread_map(leave_out, pairs):
        left[:, j, k] = kept
    error = jackknife_error(normalised_gaps(left, entropies).mean(axis=-1))
    return information, entropies, normal_interval(score, error)
