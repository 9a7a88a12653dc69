"""Quantised latents: every latent is one of a few levels (QLAE, FSQ)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from betavae._system.options import Options
from betavae.models.latents import OfTensor
from betavae.models.likelihoods import at_least_float32


class QuantisedPosterior(NamedTuple):
    """One level a latent, for sure.

    Attributes:
        raw: (B, M) the encoder's numbers.
        value: (B, M) the levels nearest to them; their gradient is the code book's.
        place: (B, M) int64, which level of each latent's book, in the book's own order.
        used: (B, M, levels) ones where a level is taken.
        pull: () weight of the squares that draw levels to numbers, and ...
        hold: () ... numbers to levels.
    """

    raw: Tensor
    value: Tensor
    place: Tensor
    used: Tensor
    pull: Tensor
    hold: Tensor

    @property
    def codes(self) -> Tensor:
        """The levels, (B, M)."""
        return self.value

    def sample(self, noise: Tensor) -> Tensor:
        """Return the levels; the gradient passes straight through to the encoder's numbers."""
        return self.raw + (self.value - self.raw).detach()

    def rate_per_latent(self) -> Tensor:
        """Return the entropy of each latent's levels over the batch, (M,) nats.

        The level follows from the image, so this is the information that a latent carries; a
        batch of B cannot show more than log B. It has no gradient.
        """
        shares = self.used.mean(dim=0)
        return -torch.xlogy(shares, shares).sum(dim=1)

    def penalty(self) -> Tensor:
        """Return quantisation and commitment losses, a scalar: sums over latents, batch mean.

        Source: Hsu et al. 2023, Section 4.1.
        """
        pull = (self.value - self.raw.detach()).square().sum(dim=1).mean()
        hold = (self.value.detach() - self.raw).square().sum(dim=1).mean()
        return self.pull * pull + self.hold * hold

    def arrays(self) -> dict[str, Tensor]:
        """Return the indices."""
        return {"index": self.place}

    def map(self, function: OfTensor) -> QuantisedPosterior:
        """Return the posterior with `function` applied to everything that has a row an image."""
        raw, value, place, used = (function(part) for part in self[:4])
        return QuantisedPosterior(raw, value, place, used, self.pull, self.hold)


class Quantised(nn.Module):
    """M latents, each rounded to the nearest of its own learnt levels; the prior is uniform.

    Args:
        latents: M.
        levels: size of a latent's code book.
        quantisation: weight of the squares that draw levels to the encoder's numbers.
        commitment: weight of the squares that draw the numbers to their levels.

    Both losses are counted as the rest is, in nats per image: sums over latents. Hsu et al. take
    means over pixels and latents, so that their 0.01 is 0.01 N/M here: 4.1 for 64x64 pixels and
    ten latents (their file for dSprites has 0.001).

    Source: Hsu et al. 2023, "Disentanglement via Latent Quantization", Section 4.

    >>> latent = Quantised(2, levels=3)
    >>> latent.book[0].tolist(), latent(torch.tensor([[0.1, -2.0]])).place.tolist()
    ([-0.5, 0.0, 0.5], [[1, 0]])
    """

    weights: Tensor

    def __init__(
        self, latents: int, levels: int = 10, quantisation: float = 4.1, commitment: float = 4.1
    ) -> None:
        super().__init__()
        self.latents = self.encoder_outputs = self.decoder_inputs = self.noise_columns = latents
        start = torch.linspace(-0.5, 0.5, levels) if levels > 1 else torch.zeros(1)
        self.book = nn.Parameter(start.repeat(latents, 1))
        self.register_buffer("weights", torch.tensor([quantisation, commitment]), persistent=False)

    def forward(self, parameters: Tensor) -> QuantisedPosterior:
        """Return the nearest levels of numbers (B, M)."""
        raw = at_least_float32(parameters)
        index = self._nearest(raw)
        used = functional.one_hot(index, self.book.shape[1]).to(raw.dtype)
        value = (used * self.book).sum(dim=2)
        pull, hold = self.weights.to(raw.dtype).unbind()
        return QuantisedPosterior(raw, value, index, used, pull, hold)

    def _nearest(self, numbers: Tensor) -> Tensor:
        return (numbers.detach()[:, :, None] - self.book.detach()).abs().argmin(dim=2)

    def prior(self, noise: Tensor) -> Tensor:
        """Return levels drawn alike, (n, M), for standard normal noise (n, M)."""
        count = self.book.shape[1]
        index = (torch.special.ndtr(noise) * count).long().clamp(max=count - 1)
        return self._taken(index)

    def decoder_codes(self, codes: Tensor) -> Tensor:
        """Return the levels nearest to codes (B, M)."""
        return self._taken(self._nearest(codes))

    def _taken(self, index: Tensor) -> Tensor:
        return self.book.t().gather(0, index)

    def book_of(self, latent: int) -> Tensor:
        """Return a latent's levels in rising order."""
        return self.book[latent].detach().sort().values

    def levels(self, latent: int, count: int, limit: float = 3.0) -> Tensor:
        """Return `count` levels of the book, evenly by their place in it, the ends included."""
        return spread(self.book_of(latent), count)


class FiniteScalar(nn.Module):
    """M latents, each bounded and rounded to fixed levels in -1 to 1: FSQ.

    Nothing but encoder and decoder is learnt, and there are no further losses. The levels are even
    from -1 to 1, of an odd number those of the paper; of an even one the paper's are off-centre.

    Args:
        latents: M.
        levels: how many a latent has.

    Source: Mentzer et al. 2023, "Finite Scalar Quantization", Section 3.

    >>> FiniteScalar(1, levels=5)(torch.tensor([[0.0], [9.0], [-9.0]])).codes.flatten().tolist()
    [0.0, 1.0, -1.0]
    """

    ends: Tensor

    def __init__(self, latents: int, levels: int = 10) -> None:
        super().__init__()
        self.latents = self.encoder_outputs = self.decoder_inputs = self.noise_columns = latents
        self.count = levels
        ends = torch.linspace(-1, 1, levels) if levels > 1 else torch.zeros(1)
        self.register_buffer("ends", ends, persistent=False)

    def forward(self, parameters: Tensor) -> QuantisedPosterior:
        """Return the levels of numbers (B, M)."""
        bounded = at_least_float32(parameters).tanh()
        index = self._nearest(bounded)
        used = functional.one_hot(index, self.count).to(bounded.dtype)
        none = bounded.new_zeros(())
        return QuantisedPosterior(bounded, self.ends.to(bounded)[index], index, used, none, none)

    def _nearest(self, numbers: Tensor) -> Tensor:
        place = (numbers.detach().clamp(-1, 1) + 1) / 2 * (self.count - 1)
        return place.round().long()

    def prior(self, noise: Tensor) -> Tensor:
        """Return levels drawn alike, (n, M), for standard normal noise (n, M)."""
        index = (torch.special.ndtr(noise) * self.count).long().clamp(max=self.count - 1)
        return self.ends[index]

    def decoder_codes(self, codes: Tensor) -> Tensor:
        """Return the levels nearest to codes (B, M)."""
        return self.ends.to(codes)[self._nearest(codes)]

    def book_of(self, latent: int) -> Tensor:
        """Return a latent's levels in rising order."""
        return self.ends

    def levels(self, latent: int, count: int, limit: float = 3.0) -> Tensor:
        """Return `count` levels, evenly by their place, the ends included."""
        return spread(self.ends, count)


def spread(book: Tensor, count: int) -> Tensor:
    """Return `count` entries of a book, evenly by their place in it.

    >>> spread(torch.tensor([0.0, 1.0, 5.0]), 5).tolist()
    [0.0, 0.0, 1.0, 5.0, 5.0]
    """
    place = torch.linspace(0, len(book) - 1, count, dtype=torch.float64)
    return book[place.round().long()]


class QuantisedLatent(Options):
    """Levels instead of numbers: a learnt code book a latent (QLAE), or fixed levels (FSQ)."""

    name: Literal["quantised"] = "quantised"
    title = "quantised"

    levels: int = Field(10, ge=1, le=10_000, description="Levels of each latent.")
    rule: Literal["qlae", "fsq"] = Field(
        "qlae", description="qlae learns the levels (Hsu et al. 2023); fsq has fixed ones."
    )
    quantisation: float = Field(
        4.1, ge=0, description="Weight that draws levels to the encoder's numbers (qlae)."
    )
    commitment: float = Field(
        4.1, ge=0, description="Weight that draws the encoder's numbers to levels (qlae)."
    )

    def make(self, latents: int) -> Quantised | FiniteScalar:
        """Return the latent module of M latents."""
        if self.rule == "fsq":
            return FiniteScalar(latents, self.levels)
        return Quantised(latents, self.levels, self.quantisation, self.commitment)
