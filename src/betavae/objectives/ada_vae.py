"""Ada-GVAE and Ada-ML-VAE (Locatello et al. 2020): pairs of images that share most factors."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional
from typing_extensions import Self

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch, Sampler, changed_factors
from betavae.data.pairs import consecutive, listed_pairs
from betavae.models.latents import GaussianPosterior
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, Weight, asks, check_weights

Average = Callable[[GaussianPosterior, GaussianPosterior], GaussianPosterior]
"""What two posteriors of a pair become where the factor is shared."""
Told = Literal["nothing", "count", "factors"]


def pair_divergence(first: GaussianPosterior, second: GaussianPosterior) -> Tensor:
    """Return KL(q(z_j|x1) || q(z_j|x2)) of every pair and latent, (B, M), in nats.

    Source: Locatello et al. 2020, Section 4.1.

    >>> at = GaussianPosterior(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    >>> pair_divergence(at, GaussianPosterior(torch.zeros(1, 2), torch.zeros(1, 2)))
    tensor([[0., 2.]])
    """
    ratio = torch.exp(first.log_var - second.log_var)
    distance = (first.mean - second.mean).square() * torch.exp(-second.log_var)
    return 0.5 * (ratio + distance - 1 + second.log_var - first.log_var)


def changed_latents(divergence: Tensor, count: Tensor | None = None) -> Tensor:
    """Say which latents (B, M) differ within their pair, True where they do.

    Args:
        divergence: (B, M) from `pair_divergence`.
        count: (B,) how many differ: those of the largest divergence. None finds it for each pair:
            those at or above half way between its smallest and its largest divergence.

    Source: Locatello et al. 2020, Section 4.1: known k, and Eq. 6.

    >>> changed_latents(torch.tensor([[0.1, 5.0, 0.3, 2.6]]))
    tensor([[False,  True, False,  True]])
    >>> changed_latents(torch.tensor([[0.1, 5.0, 0.3, 2.6]]), torch.tensor([1]))
    tensor([[False,  True, False, False]])
    """
    if count is not None:
        ranks = divergence.argsort(dim=1, descending=True).argsort(dim=1)
        return ranks < count[:, None]
    middle = (divergence.amax(dim=1, keepdim=True) + divergence.amin(dim=1, keepdim=True)) / 2
    return divergence >= middle


def mean_of_moments(first: GaussianPosterior, second: GaussianPosterior) -> GaussianPosterior:
    """Return the Gaussians with the mean of the means and the mean of the variances.

    Source: Hosoya 2019 (GVAE), as in Locatello et al. 2020, Section 4.1.

    >>> a = GaussianPosterior(torch.tensor([[0.0]]), torch.tensor([[1.0]]).log())
    >>> b = GaussianPosterior(torch.tensor([[4.0]]), torch.tensor([[3.0]]).log())
    >>> [float(part) for part in (mean_of_moments(a, b).mean, mean_of_moments(a, b).log_var.exp())]
    [2.0, 2.0]
    """
    log_var = torch.logaddexp(first.log_var, second.log_var) - math.log(2)
    return GaussianPosterior((first.mean + second.mean) / 2, log_var)


def normalised_product(first: GaussianPosterior, second: GaussianPosterior) -> GaussianPosterior:
    """Return the geometric mean of the two densities: precisions are averaged, and weigh the means.

    The product itself, of twice the precision, would make a pair of equal posteriors narrower
    than each of them; the authors' code takes this mean, and so do we.

    Source: Bouchacourt et al. 2018 (ML-VAE), as in Locatello et al. 2020, Section 4.1.

    >>> a = GaussianPosterior(torch.tensor([[0.0]]), torch.tensor([[1.0]]).log())
    >>> b = GaussianPosterior(torch.tensor([[4.0]]), torch.tensor([[3.0]]).log())
    >>> both = normalised_product(a, b)
    >>> round(float(both.mean), 4), round(float(both.log_var.exp()), 4)
    (1.0, 1.5)
    """
    weight = torch.sigmoid(second.log_var - first.log_var)  # of the first: its share of precision
    log_var = math.log(2) - torch.logaddexp(-first.log_var, -second.log_var)
    return GaussianPosterior(second.mean + weight * (first.mean - second.mean), log_var)


def halves(both: GaussianPosterior) -> tuple[GaussianPosterior, GaussianPosterior]:
    """Part the posteriors of first images, then second ones, (2B, M), into (B, M) each."""
    rows = len(both.mean) // 2
    return both.map(lambda tensor: tensor[:rows]), both.map(lambda tensor: tensor[rows:])


def shared_average(both: GaussianPosterior, average: Average, changed: Tensor) -> GaussianPosterior:
    """Return the posteriors of pairs (2B, M), the latents that did not change averaged.

    Args:
        both: the first images' posteriors, then the second images'.
        average: see `Average`.
        changed: (B, M) bool, the latents to leave as they are.
    """
    first, second = halves(both)
    shared = average(first, second)
    return GaussianPosterior(
        *(
            torch.cat((torch.where(changed, a, s), torch.where(changed, b, s)))
            for a, b, s in zip(first, second, shared, strict=True)
        )
    )


def adagvae(
    beta: Weight = 1.0, *, sampler: Sampler | None = None, told: Told = "nothing"
) -> Objective:
    """Make the objective of Ada-GVAE: a beta-VAE on pairs, their shared latents averaged.

    Args:
        beta: weight of the rate, or a schedule of it.
        sampler: draws the pairs (`betavae.data.batches`, `betavae.data.pairs`); None takes
            `changed_factors()`.
        told: what the learner is told of a pair. ``nothing``: the latents that changed are found
            from their divergence. ``count``: how many factors changed, so as many latents of the
            largest divergence. ``factors``: which factors changed; latent j then belongs to
            factor j, and latents beyond the factors are never averaged (the group variant, GVAE).

    It assumes that a pair shares all but a few factors. A step sees twice the images of a batch;
    its terms are means over both images of a pair.

    Source: Locatello et al. 2020, Section 4, Eqs. 4-6.

    Raises:
        InputError: for a negative beta, or an unknown `told`.
    """
    return _on_pairs("adagvae", mean_of_moments, beta, sampler, told)


def adamlvae(
    beta: Weight = 1.0, *, sampler: Sampler | None = None, told: Told = "nothing"
) -> Objective:
    """Make the objective of Ada-ML-VAE: as `adagvae`, averaged by the product of the posteriors.

    Args:
        beta: weight of the rate, or a schedule of it.
        sampler: as in `adagvae`.
        told: as in `adagvae`; ``factors`` is ML-VAE.

    Source: Locatello et al. 2020, Section 4; `normalised_product`.

    Raises:
        InputError: as `adagvae`.
    """
    return _on_pairs("adamlvae", normalised_product, beta, sampler, told)


def _on_pairs(
    name: str, average: Average, beta: Weight, sampler: Sampler | None, told: Told
) -> Objective:
    check_weights(beta=beta)
    if told not in ("nothing", "count", "factors"):
        raise InputError(f"told must be nothing, count or factors, got '{told}'")

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        if batch.other is None or batch.other.shape != batch.images.shape:
            raise InputError(f"{name} needs pairs: a second image for each of the batch")
        if told != "nothing" and (batch.changed is None or batch.changed.dim() != 2):
            raise InputError(f"told {told} needs pairs whose changed factors are known")
        moved: list[Tensor] = []

        def between(both: GaussianPosterior) -> GaussianPosterior:
            changed = _changed(both, batch.changed, told)
            moved.append(changed.sum(dim=1, dtype=both.mean.dtype).mean())
            return shared_average(both, average, changed)

        found = step.forward(model, torch.cat((batch.images, batch.other)), between)
        weight = step.at(beta)
        values: dict[str, Tensor | float] = {
            "changed_latents": step.ranks.average(moved[0]), "beta": weight
        }  # fmt: skip
        return Terms.of(found, found.distortion + weight * found.rate, values)

    return asks(objective, gaussian=name, sampler=sampler or changed_factors())


@torch.no_grad()
def _changed(both: GaussianPosterior, factors: Tensor | None, told: Told) -> Tensor:
    """Return the latents (B, M) that are not averaged, from what the learner is told."""
    if told != "factors" or factors is None:
        count = factors.sum(dim=1) if told == "count" and factors is not None else None
        return changed_latents(pair_divergence(*halves(both)), count)
    latents = both.mean.shape[1]
    if factors.shape[1] > latents:
        raise InputError(f"told factors needs a latent a factor, {factors.shape[1]}, got {latents}")
    return functional.pad(factors, (0, latents - factors.shape[1]), value=True)


class PairOptions(Options):
    """Where an objective's pairs come from."""

    pairs: str = Field(
        "factors",
        description="Where pairs come from: factors (two images that differ in a few), frames "
        "(an image and the next), or a table (CSV) of two file names a line.",
    )
    changes: int | None = Field(
        None, ge=1, description="Factors that differ in a pair. [default: 1 to all but one]"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pairs != "factors" and self.changes is not None:
            raise ValueError(f"changes needs pairs=factors, got pairs={self.pairs}")
        return self

    @property
    def sampler(self) -> Sampler:
        """How the pairs are drawn."""
        if self.pairs == "factors":
            return changed_factors(self.changes)
        return consecutive if self.pairs == "frames" else listed_pairs(Path(self.pairs))


class _AdaOptions(PairOptions):
    beta: float = Field(1.0, ge=0, description="Weight of the rate.")
    told: Told = Field(
        "nothing", description="What is told of a pair: nothing, the count, or the factors changed."
    )

    @model_validator(mode="after")
    def _told_of_factors(self) -> Self:
        if self.pairs != "factors" and self.told != "nothing":
            raise ValueError(f"told={self.told} needs pairs=factors, got pairs={self.pairs}")
        return self


class AdaGVAEOptions(_AdaOptions):
    """Pairs that share most factors; shared latents get mean moments (Locatello et al. 2020)."""

    name: Literal["adagvae"] = "adagvae"
    title = "Ada-GVAE"

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return adagvae(self.beta, sampler=self.sampler, told=self.told)


class AdaMLVAEOptions(_AdaOptions):
    """Pairs that share most factors; shared latents get the product (Locatello et al. 2020)."""

    name: Literal["adamlvae"] = "adamlvae"
    title = "Ada-ML-VAE"

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return adamlvae(self.beta, sampler=self.sampler, told=self.told)
