"""SlowVAE (Klindt et al. 2021): between frames a code moves rarely, by a Laplace distribution."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae.data.batches import Batch, Sampler, changed_factors
from betavae.models.latents import GaussianPosterior
from betavae.models.vae import VAE
from betavae.objectives.ada_vae import PairOptions, halves
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, Weight, asks, check_weights


def laplace_divergence(posterior: GaussianPosterior, centre: Tensor, decay: float) -> Tensor:
    """Return KL(N(m, s^2) || Laplace(centre, 1 / decay)) of every latent, (B, M), in nats.

    In closed form: with d = m - centre and the mean of a folded normal,
    ``E|z - centre| = s sqrt(2 / pi) exp(-d^2 / 2 s^2) + d erf(d / s sqrt 2)``, it is
    ``decay E|z - centre| - log(decay / 2) - (1 + log(2 pi s^2)) / 2``.

    Args:
        posterior: (B, M).
        centre: (B, M), where the previous frame's codes are.
        decay: the Laplace distribution's lambda, > 0.

    Source: Klindt et al. 2021, Eq. 9 and Appendix; their code subtracts half of the entropy, and
    its cross-entropy weighs twice ours at the same gamma.

    >>> at = GaussianPosterior(torch.zeros(1, 1), torch.zeros(1, 1))
    >>> laplace_divergence(at, torch.zeros(1, 1), 1.0)
    tensor([[0.0721]])
    """
    distance = posterior.mean - centre
    ratio = distance * torch.exp(-0.5 * posterior.log_var)
    spread = math.sqrt(2 / math.pi) * torch.exp(0.5 * (posterior.log_var - ratio.square()))
    folded = spread + distance * torch.erf(ratio / math.sqrt(2))
    entropy = 0.5 * (1 + math.log(2 * math.pi) + posterior.log_var)
    return decay * folded - math.log(decay / 2) - entropy


def slowvae(
    gamma: Weight = 10.0,
    *,
    beta: Weight = 1.0,
    decay: float = 6.0,
    sampler: Sampler | None = None,
) -> Objective:
    """Make the objective ``distortion + (beta * rate + gamma * slowness) / 2`` on pairs of frames.

    Slowness is the mean over both directions of a pair of `laplace_divergence`, summed over the
    latents: each frame's posterior against a Laplace distribution around the other's mean. The
    half is there as of a pair one frame pays the rate and the other the slowness.

    Args:
        gamma: weight of the slowness, or a schedule of it.
        beta: weight of the rate, or a schedule of it.
        decay: lambda of the Laplace distribution: the larger, the rarer a latent should move.
        sampler: draws the pairs (`betavae.data.batches`, `betavae.data.pairs`); None takes
            `changed_factors()`.

    It assumes Gaussian latents, and pairs in which most factors hardly change. A step sees twice
    the images of a batch; its terms are means over both images of a pair.

    Source: Klindt et al. 2021, "Towards nonlinear disentanglement in natural data with temporal
    sparse coding", Eq. 9; gamma 10 and lambda 6 are the numbers of their code, in which
    gamma 10 weighs the cross-entropy as 20 does here.

    Raises:
        InputError: for a negative weight, or a decay that is not positive.
    """
    check_weights(gamma=gamma, beta=beta)
    if not 0 < decay < math.inf:
        raise InputError(f"decay must be > 0 and finite, got {decay}")

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        if batch.other is None or batch.other.shape != batch.images.shape:
            raise InputError("slowvae needs pairs: a second image for each of the batch")
        found_slowness: list[Tensor] = []

        def between(both: GaussianPosterior) -> GaussianPosterior:
            first, second = halves(both)
            there = laplace_divergence(second, first.mean, decay)
            back = laplace_divergence(first, second.mean, decay)
            found_slowness.append((there + back).sum(dim=1).mean() / 2)
            return both

        found = step.forward(model, torch.cat((batch.images, batch.other)), between)
        slowness = step.ranks.average(found_slowness[0])
        rate_weight, slow_weight = step.at(beta), step.at(gamma)
        loss = found.distortion + (rate_weight * found.rate + slow_weight * slowness) / 2
        return Terms.of(found, loss, {"slowness": slowness, "beta": rate_weight / 2})

    return asks(objective, gaussian="slowvae", sampler=sampler or changed_factors())


class SlowVAEOptions(PairOptions):
    """Between two frames a code moves rarely: a Laplace prior of its steps (Klindt et al. 2021)."""

    name: Literal["slowvae"] = "slowvae"
    title = "SlowVAE"
    gamma: float = Field(10.0, ge=0, description="Weight of the slowness.")
    beta: float = Field(1.0, ge=0, description="Weight of the rate.")
    decay: float = Field(6.0, gt=0, description="Lambda of the steps' Laplace distribution.")

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return slowvae(self.gamma, beta=self.beta, decay=self.decay, sampler=self.sampler)
