"""Modularity: does each latent hold information about one factor only?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats
from betavae.metrics._shared.binning import bin_codes, count_tables, information_matrix
from betavae.metrics._shared.checks import Seed, as_generator, check_choice, check_count
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.moments import live_latents
from betavae.metrics._shared.results import Scored, draw_blocks, jackknife_interval

PROTOCOLS = ("ridgeway2018", "ridgeway2018-live", "locatello2019")
EPSILON = 1e-4
"""Share of the rows below which the authors' code leaves out a cell of the contingency table."""


@dataclass(frozen=True)
class ModularityResult(Scored):
    """A modularity score and its parts.

    Attributes:
        score: mean over the latents that count, in [0, 1].
        interval: 95 % interval over rows (delete-a-block jackknife).
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        per_latent: (M,) modularity of each latent, 0 for one without information.
        live: (M,) which latents count.
        mutual_information: (M, K) I(latent bin; factor) in nats.
        bins: bins of a latent.
        factor_columns: the factors used.
    """

    per_latent: Floats
    live: Array
    mutual_information: Floats
    bins: int
    factor_columns: tuple[int, ...]


def modularity_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "ridgeway2018",
    factor_columns: Sequence[int] | None = None,
    bins: int = 20,
    dead_std: float = 0.05,
    rng: Seed = 0,
) -> ModularityResult:
    """Mean over latents of how close the information it holds is to being about one factor.

    ``modularity_j = 1 - sum_{k != k*} I_jk^2 / (I_jk*^2 (K - 1))``, with I the mutual information
    of latent j and factor k, and k* the factor it knows most about.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, K >= 2, -1 where not known.
        protocol: ``"ridgeway2018"``: every latent counts, as in the authors' code, which leaves
            cells with less than a ten-thousandth of the rows out of the information.
            ``"locatello2019"``: the same with every cell. ``"ridgeway2018-live"``: dead latents
            are dropped, by `live_latents`, and every cell counts. A latent without any
            information counts as 0.
        factor_columns: the columns of `factors` to use; None: all.
        bins: equal-width bins of a latent.
        dead_std: standard deviation up to which a latent is dead, for ``"ridgeway2018-live"``.
        rng: seed or Generator; only draws the blocks of rows behind the interval.

    Returns:
        `ModularityResult`; ``float(result)`` is the score, in [0, 1]; 0 without a live latent.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Ridgeway & Mozer 2018; Locatello et al. 2019 and its public code (20 bins).

    Misses: whether a factor is coded at all (all latents about one factor score 1; so do
    duplicated latents): read it with `explicitness_score`. A dead latent's information is
    estimation noise, which looks unmodular, and a VAE has many: counting them, as the authors'
    and other public code does, scores the number of spare latents. Squares make it lenient:
    random rotations of five factors still score about 0.6 to 0.9.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> float(modularity_score(factors, factors))
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng, several=True)
    codes, values, columns = given.codes, given.values, given.columns
    check_count(bins, "bins", 2)
    live = np.ones(codes.shape[1], bool)
    if protocol == "ridgeway2018-live":
        live = live_latents(codes, dead_std)
    blocks = draw_blocks(len(codes), as_generator(rng))
    tables = count_tables(bin_codes(codes, bins), bins, values, blocks)

    def information_of(totals: list[Array]) -> Floats:
        if protocol == "ridgeway2018":
            return np.stack([_authors_information(t) for t in totals], axis=1)
        return information_matrix(totals)[0]

    information = information_of([t.sum(axis=0) for t in tables])

    def mean_live(totals: list[Array]) -> float:
        per_latent = _per_latent(information_of(totals))[live]
        return float(per_latent.mean()) if len(per_latent) else 0.0

    return ModularityResult(
        score=mean_live([t.sum(axis=0) for t in tables]),
        interval=jackknife_interval(tables, mean_live),
        protocol=protocol,
        about=given.about,
        per_latent=_per_latent(information),
        live=live,
        mutual_information=information,
        bins=bins,
        factor_columns=columns,
    )


def _authors_information(table: Array) -> Floats:
    """Information (M,) from counts (M, bins, V), without the cells below `EPSILON` of the rows."""
    joint = table / table.sum(axis=(1, 2), keepdims=True)
    product = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    kept = joint > EPSILON
    ratio = np.where(kept, joint, 1.0) / np.where(kept, product, 1.0)
    return np.asarray((np.where(kept, joint, 0.0) * np.log(ratio)).sum(axis=(1, 2)))


def _per_latent(information: Floats) -> Floats:
    """Modularity (M,) of each latent from mutual information (M, K)."""
    # Plug-in information of a constant latent is 0 up to rounding: 1e-12 nats is nothing.
    squared = np.where(information > 1e-12, information, 0.0) ** 2
    best = squared.max(axis=1)
    others = squared.sum(axis=1) - best
    ratio = others / np.maximum(best * (squared.shape[1] - 1), 1e-300)
    return np.asarray(np.where(best > 0, 1 - ratio, 0.0))
