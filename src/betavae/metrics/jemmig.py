"""RMIG and JEMMIG: the mutual information gap made to look at latents as well as factors."""

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
    gap,
    information_matrix,
    normalised_gaps,
    table_information,
)
from betavae.metrics._shared.checks import Seed, as_generator, check_choice, check_count
from betavae.metrics._shared.gridded import densities, make_grid
from betavae.metrics._shared.groups import relabel
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, draw_blocks, jackknife_interval

PROTOCOLS = ("carbonneau2022", "do2020")


@dataclass(frozen=True)
class JemmigResult(Scored):
    """A JEMMIG score and its parts.

    Attributes:
        score: mean over factors of `per_factor`, in [0, 1].
        interval: 95 % interval over rows (delete-a-block jackknife).
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        per_factor: (K,) score of each factor.
        rmig: RMIG, the gap I* - I2 of the same tables over H(factor), mean over factors.
        mutual_information: (M, K) I(latent bin; factor) in nats.
        joint_entropies: (M, K) H(latent bin, factor) in nats.
        factor_entropies: (K,) entropy of each factor in nats.
        bins: bins of a latent.
        factor_columns: the factors scored.
    """

    per_factor: Floats
    rmig: float
    mutual_information: Floats
    joint_entropies: Floats
    factor_entropies: Floats
    bins: int
    factor_columns: tuple[int, ...]


def jemmig_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "carbonneau2022",
    log_var: Any = None,
    factor_columns: Sequence[int] | None = None,
    bins: int | None = None,
    rng: Seed = 0,
) -> JemmigResult:
    """Joint entropy minus mutual information gap: MIG that also asks for one factor a latent.

    ``JEMMIG_k = H(z_j*, v_k) - I(z_j*; v_k) + I(z_j2; v_k)``, with z in bins and j*, j2 as in
    `mig_score`. It is 0 when z_j* is v_k relabelled, and grows when z_j* also holds something
    else. The score is ``1/K sum_k 1 - JEMMIG_k / (H(v_k) + log bins)``.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"carbonneau2022"``: codes in equal-width bins from their smallest to their
            largest value, 10 by default. ``"do2020"``: z from q(z | x), so `log_var` is needed,
            in equal-width bins over [-4, 4], 100 by default; mass outside goes to the end bins.
        log_var: (N, M) log variances of q(z | x), for ``"do2020"``.
        factor_columns: the columns of `factors` to score; None: all.
        bins: bins of a latent; None: as the protocol says.
        rng: seed or Generator; only draws the blocks of rows behind the interval.

    Returns:
        `JemmigResult` with `.rmig` beside it; ``float(result)`` is the score, in [0, 1].

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Do & Tran 2020 (ICLR), the interpretability metrics RMIG and JEMMIG, and their public
    code for bins and range; the form that grows with quality: Carbonneau et al. 2022 and their
    public code.

    Misses: a constant latent has no joint entropy to spare, and scores
    ``1 - H(v) / (H(v) + log bins)`` where noise scores about 0: read it beside the gap, `.rmig`.
    A perfect latent scores 1 only when every value of the factor falls in a bin of its own, so
    numbers compare within one `bins`. Do & Tran report JEMMIG itself (less is better); the review
    and its public code turn it round, as here, for both protocols.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> round(float(jemmig_score(factors, factors)), 6)
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    codes, values, columns = given.codes, given.values, given.columns
    blocks = draw_blocks(len(codes), as_generator(rng))
    if protocol == "do2020":
        spread = check_log_var(log_var, codes, f"for protocol {protocol!r}")
        bins = check_count(100 if bins is None else bins, "bins", 2)
        tables = _posterior_tables(codes, spread, values, blocks, bins)
    else:
        bins = check_count(10 if bins is None else bins, "bins", 2)
        tables = count_tables(bin_codes(codes, bins), bins, values, blocks)
    used = bins

    def per_factor(tables: list[Array]) -> Floats:
        scores = []
        for table in tables:
            information, of_factor = table_information(table)
            best, first, second = gap(information)
            joint = float(entropy(table[best], axis=(0, 1)))
            scores.append(1 - (joint - first + second) / (of_factor + np.log(used)))
        return np.array(scores)

    totals = [t.sum(axis=0) for t in tables]
    information, entropies = information_matrix(totals)
    scores = per_factor(totals)
    return JemmigResult(
        score=float(scores.mean()),
        interval=jackknife_interval(tables, lambda t: float(per_factor(t).mean())),
        protocol=protocol,
        about=given.about,
        per_factor=scores,
        rmig=float(normalised_gaps(information, entropies).mean()),
        mutual_information=information,
        joint_entropies=np.stack([entropy(t, axis=(1, 2)) for t in totals], axis=1),
        factor_entropies=entropies,
        bins=used,
        factor_columns=columns,
    )


def _posterior_tables(
    mean: Array, log_var: Array, values: Ints, blocks: Ints, bins: int
) -> list[Array]:
    """do2020: expected counts of z ~ q(z | x) by block, latent, bin of [-4, 4] and value."""
    n_blocks = min(5, int(blocks.max()) + 1)
    edges = np.linspace(-4, 4, bins + 1)[1:-1]
    tables = []
    for k in range(values.shape[1]):
        groups, n_groups = relabel(values[:, k])
        cells = np.where(groups < 0, -1, (blocks % n_blocks) * n_groups + groups)
        n_cells = n_blocks * n_groups
        weight = np.bincount(cells[cells >= 0], minlength=n_cells)[:, None]

        def one_latent(j: int, cells: Ints = cells, n: int = n_cells, w: Array = weight) -> Array:
            grid = make_grid(mean[:, j], log_var[:, j])
            density, _ = densities(grid, cells, n)
            # Mass below each bin edge, linear within a cell.
            below = np.cumsum(density, axis=1) * grid.width
            at = np.clip((edges - grid.low) / grid.width + 0.5, 0, grid.cells - 1e-9)
            i = at.astype(np.int64)
            left = np.where(i > 0, below[:, i - 1], 0.0)
            mass = left + (at - i) * (below[:, i] - left)
            mass = np.diff(np.concatenate([0 * mass[:, :1], mass, 0 * mass[:, :1] + 1], 1), axis=1)
            return np.asarray(np.maximum(mass, 0) * w)

        table = np.stack(thread_map(one_latent, range(mean.shape[1])))  # (M, blocks * V, bins)
        shape = (mean.shape[1], n_blocks, n_groups, bins)
        tables.append(table.reshape(shape).transpose(1, 0, 3, 2))
    return tables
