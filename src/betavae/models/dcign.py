"""DC-IGN: an autoencoder taught by batches in which one factor moves (Kulkarni et al. 2015).

In two forms. ``mean``: deterministic codes, clamped to their batch mean, as the paper's text says.
``first``: as in the authors' code, a VAE whose means and log variances are both clamped to those of
the first image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.models.latents import GaussianPosterior
from betavae.models.methods import FitOptions
from betavae.models.networks import check_square

CHANNELS = (96, 48, 48)  # Table 1 of Higgins et al. 2017: 3x3 convolutions, pooled each
INVARIANCE = 0.01  # the authors' weight of the pull of inactive latents to their batch mean


class DCIGN(nn.Module):
    """An encoder to M codes and a mirrored decoder.

    Args:
        image_shape: (C, H, W), H = W a multiple of 8.
        latents: number of codes, M.
        variational: whether the encoder gives means and log variances, else deterministic codes.

    Source: Kulkarni et al. 2015; Higgins et al. 2017, A.1 and Table 1.

    >>> model = DCIGN((1, 32, 32), 10).eval()
    >>> model.decode(model.code_means(torch.zeros(2, 1, 32, 32))).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latents: int, *, variational: bool = False
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        small, (wide, middle, narrow) = side // 8, CHANNELS
        self.latents, self.variational = latents, variational
        self.encoder = nn.Sequential(
            *_shrinking(channels, wide),
            *_shrinking(wide, middle),
            *_shrinking(middle, narrow),
            nn.Flatten(),
            nn.Linear(narrow * small**2, latents * (2 if variational else 1)),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latents, narrow * small**2),
            nn.ReLU(True),
            nn.Unflatten(1, (narrow, small, small)),
            *_growing(narrow, middle),
            *_growing(middle, wide),
            Growing(wide, channels),
        )

    def code_means(self, images: Tensor) -> Tensor:
        """Return the codes, or their means, (B, M) of images (B, C, H, W) in [0, 1]."""
        codes: Tensor = self.encoder(images)
        return codes[:, : self.latents]

    def encode(self, images: Tensor) -> GaussianPosterior:
        """Return q(z|x) of images (B, C, H, W) in [0, 1], in the variational form."""
        return GaussianPosterior(*self.encoder(images).chunk(2, dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        """Return the mean images (B, C, H, W) in [0, 1] of codes (B, M)."""
        return torch.sigmoid(self.decoder(latents))


def _shrinking(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(True)]


def _growing(inputs: int, outputs: int) -> list[nn.Module]:
    return [Growing(inputs, outputs), nn.ReLU(True)]


class Growing(nn.Conv2d):
    """A 3x3 convolution of the image enlarged twofold by repeating pixels, padded with 0.

    Computed as the transposed convolution that it equals, of stride 2 with a 4x4 kernel whose
    taps are sums of the 3x3's: 16 products a pixel of the small image where there were 36.

    >>> layer, x = Growing(2, 3), torch.randn(1, 2, 4, 4)
    >>> plain = torch.nn.functional.conv2d(
    ...     x.repeat_interleave(2, 2).repeat_interleave(2, 3), layer.weight, layer.bias, padding=1)
    >>> torch.allclose(layer(x), plain, atol=1e-5)
    True
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, outputs, 2H, 2W) for input (B, inputs, H, W)."""
        # Along each side: 0 1 2 -> 2, 1 + 2, 0 + 1, 0.
        turned = self.weight.flip(2, 3).transpose(0, 1)
        tall = torch.nn.functional.pad(turned, (0, 1, 0, 1))
        tall = tall + tall.roll(1, 2)
        wide = tall + tall.roll(1, 3)
        return torch.nn.functional.conv_transpose2d(input, wide, self.bias, stride=2, padding=1)


def dcign(image_shape: tuple[int, int, int], latents: int, *, variational: bool = False) -> DCIGN:
    """Build DC-IGN for images (C, H, W); see `DCIGN`.

    Raises:
        InputError: when the images are not square with a side that is a multiple of 8.
    """
    check_square("dcign", image_shape, 8)
    return DCIGN(image_shape, latents, variational=variational)


def assigned_latents(grid: Factors, latents: int) -> list[list[int]]:
    """Say which latents belong to each factor; what is over, at least one, belongs to none.

    Every factor has one latent, and the factor "shape" (else the first), which has no order,
    all that are left but one spare: with ten latents and the 2D shapes 5, 1, 1, 1, 1 and a spare.

    Raises:
        InputError: for fewer latents than one a factor and a spare.

    >>> assigned_latents(Factors(("shape", "posX"), (3, 32)), 5)
    [[0, 1, 2], [3]]
    """
    factors = len(grid.names)
    if latents < factors + 1:
        raise InputError(
            f"latents must be >= {factors + 1} with method dcign (one a factor and a spare), "
            f"got {latents}"
        )
    identity = grid.names.index("shape") if "shape" in grid.names else 0
    assigned, start = [], 0
    for factor in range(factors):
        count = latents - factors if factor == identity else 1
        assigned.append(list(range(start, start + count)))
        start += count
    return assigned


class _Clamp(torch.autograd.Function):
    """`clamp_inactive`, with the gradient rule that goes with it."""

    @staticmethod
    def forward(codes: Tensor, active: Tensor, first: bool) -> Tensor:
        return torch.where(active, codes, codes[:1] if first else codes.mean(dim=0, keepdim=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        codes, active = ctx.saved_tensors
        pull = (codes - codes.mean(dim=0, keepdim=True)) * (INVARIANCE / len(codes))
        return torch.where(active, gradient, pull), None, None


def clamp_inactive(codes: Tensor, active: Tensor, *, first: bool = False) -> Tensor:
    """Set the latents that may not move in this batch to their batch mean, or the first image's.

    Backward, they get ``(z - mean z) / 100`` an image in the place of their gradient, which
    teaches the encoder not to move them; the active ones get their own. The loss being a mean
    over the batch, the rule is divided by its size as well.

    Args:
        codes: (B, M).
        active: (M,) bool, the latents of the factor that varies.
        first: clamp to the first image of the batch, as the authors' code does, which pulls to
            the mean none the less.

    Source: Kulkarni et al. 2015, Section 3.1; SelectiveOutputClamp and SelectiveGradientFilter
    of their code.

    >>> clamp_inactive(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([True, False]))
    tensor([[0., 2.],
            [2., 2.]])
    """
    clamped: Tensor = _Clamp.apply(codes, active, first)  # type: ignore[no-untyped-call]
    return clamped


class DCIGNMethod(FitOptions):
    """DC-IGN: an autoencoder taught by batches in which one factor moves."""

    name: Literal["dcign"] = "dcign"
    title = "DC-IGN"
    clamp: Literal["mean", "first"] = Field(
        "mean",
        description="mean: deterministic codes, clamped to the batch mean; first: as in the "
        "authors' code, a VAE (means, log variances, KL) clamped to the first image.",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "latents": 10,
        "batch": 20,
        "optimiser": {"name": "adam", "learning_rate": 5e-4},
    }

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length."""
        return "dcign's unsupervised start"
