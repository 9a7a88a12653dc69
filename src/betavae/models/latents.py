"""Latents: what a code is, between the encoder's numbers and the decoder's.

A latent module turns the encoder's output (B, `encoder_outputs`) into a posterior. A posterior is
a NamedTuple of tensors with the batch first, and has

- `codes`: (B, M), what metrics judge,
- `sample(noise)`: (B, `decoder_inputs`), what the decoder is given, for noise
  (B, `noise_columns`) of a standard normal,
- `rate_per_latent()`: (M,) nats, mean over the batch,
- `arrays()`: what a representation keeps, by name.

A latent of one's own is a module with the same attributes (docs/architecture.md).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, NoReturn, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from typing_extensions import Self

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.models.likelihoods import at_least_float32


class Posterior(Protocol):
    """What every latent's posterior answers; it is also a NamedTuple of its tensors."""

    @property
    def codes(self) -> Tensor:
        """The codes (B, M) that metrics judge."""

    def sample(self, noise: Tensor) -> Tensor:
        """Return what the decoder is given, (B, `decoder_inputs`)."""

    def rate_per_latent(self) -> Tensor:
        """Return the nats that each latent carries, (M,), mean over the batch."""

    def arrays(self) -> dict[str, Tensor]:
        """Return what a representation keeps, by name, each with the batch first."""

    def map(self, function: OfTensor) -> Self:
        """Return the posterior with `function` applied to each of its tensors."""


class OfTensor(Protocol):
    """Tensor -> tensor."""

    def __call__(self, tensor: Tensor, /) -> Tensor:
        """Return another tensor with as many dimensions."""


class Latent(Protocol):
    """What every latent module answers."""

    latents: int
    encoder_outputs: int
    decoder_inputs: int
    noise_columns: int

    def __call__(self, parameters: Tensor, /) -> Posterior:
        """Return the posterior for the encoder's output (B, `encoder_outputs`)."""

    def prior(self, noise: Tensor, /) -> Tensor:
        """Return draws from the prior for standard normal noise (n, `noise_columns`)."""

    def decoder_codes(self, codes: Tensor, /) -> Tensor:
        """Return what the decoder is given for codes (B, M)."""

    def levels(self, latent: int, count: int, limit: float) -> Tensor:
        """Return the values that a traversal gives to a latent."""


@runtime_checkable
class Levelled(Protocol):
    """A latent module of which some codes take a few values only."""

    def book_of(self, latent: int) -> Tensor | None:
        """Return the values that a latent takes, rising; None where it takes any."""


def gaussian_rate(mean: Tensor, log_var: Tensor) -> Tensor:
    """Return KL(N(mean, exp log_var) || N(0, 1)) per image and latent, in nats, >= 0.

    Args:
        mean: (B, M).
        log_var: (B, M).

    Source: Kingma & Welling 2014, Appendix B.

    >>> gaussian_rate(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    tensor([[0.5000]])
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


class GaussianPosterior(NamedTuple):
    """q(z|x) with independent Gaussian latents.

    Attributes:
        mean: (B, M).
        log_var: (B, M).

    >>> posterior = GaussianPosterior(torch.zeros(2, 3), torch.zeros(2, 3))
    >>> posterior.sample(torch.ones(2, 3))[0], posterior.rate_per_latent()
    (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    mean: Tensor
    log_var: Tensor

    @property
    def codes(self) -> Tensor:
        """The means, (B, M)."""
        return self.mean

    @property
    def stddev(self) -> Tensor:
        """The standard deviations, (B, M)."""
        return torch.exp(0.5 * self.log_var)

    def sample(self, noise: Tensor) -> Tensor:
        """Return the reparametrised sample, (B, M), for noise (B, M)."""
        return self.mean + self.stddev * noise

    def rate_per_latent(self) -> Tensor:
        """Return KL(q(z_j|x) || N(0, 1)), (M,) nats, mean over the batch."""
        return gaussian_rate(self.mean, self.log_var).mean(dim=0)

    def arrays(self) -> dict[str, Tensor]:
        """Return mean and log variance."""
        return {"mean": self.mean, "log_var": self.log_var}

    def map(self, function: OfTensor) -> GaussianPosterior:
        """Return the posterior with `function` applied to mean and log variance."""
        return GaussianPosterior(function(self.mean), function(self.log_var))


class Gaussian(nn.Module):
    """M independent Gaussians with a standard normal prior: the VAE's latent.

    Args:
        latents: M.

    Source: Kingma & Welling 2014.

    >>> Gaussian(2)(torch.tensor([[1.0, 2.0, 0.0, 0.0]])).mean
    tensor([[1., 2.]])
    """

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = self.decoder_inputs = self.noise_columns = latents
        self.encoder_outputs = 2 * latents

    def forward(self, parameters: Tensor) -> GaussianPosterior:
        """Return q(z|x) for means, then log variances (B, 2M); never in half precision."""
        mean, log_var = at_least_float32(parameters).chunk(2, dim=1)
        return GaussianPosterior(mean, log_var)

    def prior(self, noise: Tensor) -> Tensor:
        """Return draws from the prior, (n, M)."""
        return noise

    def decoder_codes(self, codes: Tensor) -> Tensor:
        """Return codes (B, M) as they are."""
        return codes

    def levels(self, latent: int, count: int, limit: float = 3.0) -> Tensor:
        """Return `count` values from -limit to limit deviations of the prior."""
        return torch.linspace(-limit, limit, count)


class PointPosterior(NamedTuple):
    """Codes without a distribution: what they carry has no bound, so no rate is counted.

    Attributes:
        point: (B, M).
    """

    point: Tensor

    @property
    def codes(self) -> Tensor:
        """The codes, (B, M)."""
        return self.point

    def sample(self, noise: Tensor) -> Tensor:
        """Return the codes themselves; the noise has no columns."""
        return self.point

    def rate_per_latent(self) -> Tensor:
        """Return zeros, (M,)."""
        return self.point.new_zeros(self.point.shape[1])

    def arrays(self) -> dict[str, Tensor]:
        """Return the codes."""
        return {"codes": self.point}

    def map(self, function: OfTensor) -> PointPosterior:
        """Return the posterior with `function` applied to the codes."""
        return PointPosterior(function(self.point))


class Point(nn.Module):
    """M numbers without a prior: a deterministic autoencoder.

    Args:
        latents: M.

    >>> Point(3)(torch.ones(1, 3)).sample(torch.zeros(1, 0))
    tensor([[1., 1., 1.]])
    """

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = self.encoder_outputs = self.decoder_inputs = latents
        self.noise_columns = 0

    def forward(self, parameters: Tensor) -> PointPosterior:
        """Return the codes for numbers (B, M)."""
        return PointPosterior(at_least_float32(parameters))

    def prior(self, noise: Tensor) -> Tensor:
        """Refuse: there is no prior to draw from.

        Raises:
            InputError: always.
        """
        raise InputError("latent point has no prior to sample from; encode images instead")

    def decoder_codes(self, codes: Tensor) -> Tensor:
        """Return codes (B, M) as they are."""
        return codes

    def levels(self, latent: int, count: int, limit: float = 3.0) -> Tensor:
        """Return `count` values from -limit to limit, in the codes' own unit."""
        return torch.linspace(-limit, limit, count)


class GaussianLatent(Options):
    """A diagonal Gaussian posterior and a standard normal prior."""

    name: Literal["gaussian"] = "gaussian"

    def make(self, latents: int) -> Gaussian:
        """Return the latent module of M latents."""
        return Gaussian(latents)


class CustomLatent(Options):
    """A latent module given from Python, which a configuration only names."""

    name: Literal["custom"] = "custom"

    def make(self, latents: int) -> NoReturn:
        """Refuse: the module itself must be given."""
        raise InputError("latent custom is a module: give it from Python, with latent=")


class PointLatent(Options):
    """Codes without a distribution: the rate is 0 whatever they carry."""

    name: Literal["point"] = "point"

    def make(self, latents: int) -> Point:
        """Return the latent module of M latents."""
        return Point(latents)
