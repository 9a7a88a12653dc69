"""HFS (Roth et al. 2023): every combination of latent values must occur, however rarely."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import (
    Objective,
    Step,
    Terms,
    Weight,
    asks,
    check_pairs,
    check_weights,
)


def support_distance(codes: Tensor, picked: Tensor) -> Tensor:
    """Return how far the codes' support is from a product of intervals, a scalar >= 0.

    For every two latents, points are put together from values that these latents take in different
    rows. The distance of the pair is that of the point farthest from all codes, squared; the sum
    over all pairs is returned. It is 0 where every combination occurs.

    Args:
        codes: (B, M), M >= 2.
        picked: (P, M, M) int64 rows: point p of latents (i, j), i < j, is made of the values
            ``codes[picked[p, i, j], i]`` and ``codes[picked[p, j, i], j]``.

    Source: Roth et al. 2023, Eqs. 3-5: the pairwise Hausdorff distance, estimated from a batch. The
    squares, and random points in the place of all B^2, are those of the authors' code.

    >>> square = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> rows = torch.arange(4)
    >>> picked = torch.zeros(16, 2, 2, dtype=torch.long)
    >>> picked[:, 0, 1], picked[:, 1, 0] = rows.repeat(4), rows.repeat_interleave(4)
    >>> float(support_distance(square, picked))
    0.0
    >>> float(support_distance(square[[0, 3, 0, 3]], picked))  # a diagonal: two corners are missing
    1.0
    """
    first, second = torch.triu_indices(codes.shape[1], codes.shape[1], 1, device=codes.device)
    one, other = codes[:, first], codes[:, second]  # (B, pairs)
    made_one = one.gather(0, picked[:, first, second])  # (P, pairs)
    made_other = other.gather(0, picked[:, second, first])
    squares = (made_one[:, None] - one).square() + (made_other[:, None] - other).square()
    return squares.amin(dim=1).amax(dim=0).sum()


def narrowness(codes: Tensor) -> Tensor:
    """Return how much each latent's values (B, M) fall short of reaching from 0 to 1, summed.

    It keeps the support from shrinking to a point, where it would be a product of intervals too.

    Source: the authors' code ("minimal_support"), over the batch.

    >>> float(narrowness(torch.tensor([[-1.0, 0.5], [2.0, 0.5]])))
    1.0
    """
    low, high = codes.amin(dim=0), codes.amax(dim=0)
    return (torch.relu(1 - high) + torch.relu(low)).sum()


def hfs(
    gamma: Weight = 100.0, *, beta: Weight = 1.0, scale: float = 1.0, points: int = 100
) -> Objective:
    """Make ``distortion + beta rate + gamma d(S, product of S_j) + scale narrowness``.

    Only the support of the codes has to factorise, not their distribution, so that factors may be
    correlated in the data: it assumes that every combination of them occurs, however rarely.

    Args:
        gamma: weight of the distance between the means' support and the product of their ranges,
            or a schedule of it.
        beta: weight of the rate.
        scale: weight of what keeps each latent's range from shrinking.
        points: points of the product that are tried for each pair of latents.

    Source: Roth et al. 2023, "Disentanglement of Correlated Factors via Hausdorff Factorized
    Support", Eq. 6. All pairs of latents are summed; the authors' code draws 25 of them.

    Raises:
        InputError: for an option out of range.
    """
    check_weights(gamma=gamma, beta=beta, scale=scale)
    if points < 1:
        raise InputError(f"points must be >= 1, got {points}")

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        codes = found.posterior.codes
        rows, latents = codes.shape
        check_pairs("hfs", rows)
        if latents < 2:
            raise InputError(f"objective hfs compares latents: latents must be >= 2, got {latents}")
        picked = torch.randint(
            rows, (points, latents, latents), generator=step.generator, device=codes.device
        )
        distance, short = support_distance(codes, picked), narrowness(codes)
        weight = step.at(beta)
        loss = found.distortion + weight * found.rate + step.at(gamma) * distance + scale * short
        values: dict[str, Tensor | float] = {
            "support_distance_estimate": distance, "narrowness_estimate": short, "beta": weight
        }  # fmt: skip
        return Terms.of(found, loss, values)

    return asks(objective, gaussian="hfs")


class HFSOptions(Options):
    """Every combination of the latents' values must occur (Roth et al. 2023)."""

    name: Literal["hfs"] = "hfs"
    title = "HFS"
    gamma: float = Field(100.0, ge=0, description="Weight of the distance between supports.")
    beta: float = Field(1.0, ge=0, description="Weight of the rate.")
    scale: float = Field(1.0, ge=0, description="Weight that keeps ranges from shrinking.")
    points: int = Field(100, ge=1, le=10_000, description="Points tried for each pair of latents.")

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return hfs(self.gamma, beta=self.beta, scale=self.scale, points=self.points)
