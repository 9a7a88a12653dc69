"""Encoders and decoders: the paper's Table 1, Burgess's, and a small one made for speed.

An encoder maps images (B, C, H, W) to (B, 2M): means, then log variances. A decoder maps
latents (B, M) to raw pixel parameters (B, C, H, W), of which the likelihood takes the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

from torch import nn

from betavae._system.errors import InputError, did_you_mean
from betavae.config import SIZES
from betavae.models.dense import Dense, DenseOfPixels
from betavae.models.layers import Doubling

ImageShape = tuple[int, int, int]
Module = TypeVar("Module", bound=nn.Module)
ARRANGED = (Dense, DenseOfPixels, Doubling)  # layers that torch has too, arranged for the CPU


def _dense(widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    """Fully connected layers, each followed by the activation."""
    return [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), activation())]


def _halving(channels: Sequence[int]) -> list[nn.Module]:
    """4x4 convolutions of stride 2, each followed by ReLU; every one halves the side."""
    return [m for a, b in pairwise(channels) for m in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU(True))]


def _doubling(channels: Sequence[int]) -> list[nn.Module]:
    """4x4 transposed convolutions of stride 2 with ReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for a, b in pairwise(channels):
        layers += [Doubling(a, b), nn.ReLU(True)]
    return layers[:-1]


def fc(image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Table 1, 2D shapes: FC 1200, 1200 ReLU; FC 1200 x3 tanh."""
    pixels = math.prod(image_shape)
    encoder = nn.Sequential(
        nn.Flatten(),
        DenseOfPixels(pixels, 1200),
        nn.ReLU(),
        Dense(1200, 1200),
        nn.ReLU(),
        nn.Linear(1200, 2 * latents),
    )
    hidden = [m for _ in range(2) for m in (Dense(1200, 1200), nn.Tanh())]
    decoder = nn.Sequential(
        nn.Linear(latents, 1200), nn.Tanh(), *hidden,
        Dense(1200, pixels), nn.Unflatten(1, image_shape),
    )  # fmt: skip
    return encoder, decoder


def mlp(image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Ours, for rows of numbers and small images: FC 256, 256 ReLU, and the reverse."""
    pixels = math.prod(image_shape)
    encoder = nn.Sequential(
        nn.Flatten(), *_dense([pixels, 256, 256], nn.ReLU), nn.Linear(256, 2 * latents)
    )
    decoder = nn.Sequential(
        *_dense([latents, 256, 256], nn.ReLU),
        nn.Linear(256, pixels),
        nn.Unflatten(1, image_shape),
    )
    return encoder, decoder


def _convolutional(
    image_shape: ImageShape, latents: int, channels: Sequence[int], dense: Sequence[int]
) -> tuple[nn.Module, nn.Module]:
    """Stride-2 convolutions down to 4x4, then dense layers; the decoder is the reverse.

    `channels` is for 64x64 images; 32x32 drops its first layer, 128x128 repeats it.
    """
    depth = int(math.log2(image_shape[1] // 4))
    widths = [channels[0]] * (depth - len(channels)) + list(
        channels[max(0, len(channels) - depth) :]
    )
    flat = widths[-1] * 16
    encoder = nn.Sequential(
        *_halving([image_shape[0], *widths]),
        nn.Flatten(),
        *_dense([flat, *dense], nn.ReLU),
        nn.Linear(dense[-1], 2 * latents),
    )
    decoder = nn.Sequential(
        *_dense([latents, *reversed(dense), flat], nn.ReLU),
        nn.Unflatten(1, (widths[-1], 4, 4)),
        *_doubling([*reversed(widths), image_shape[0]]),
    )
    return encoder, decoder


def conv(image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Table 1, chairs, CelebA and faces: conv 32, 32, 64, 64 (4x4, stride 2), FC 256, ReLU."""
    return _convolutional(image_shape, latents, (32, 32, 64, 64), (256,))


def burgess(image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Burgess et al. 2018: conv 32 x4 (4x4, stride 2), FC 256, 256, ReLU."""
    return _convolutional(image_shape, latents, (32, 32, 32, 32), (256, 256))


def patch(image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Ours, for speed: pixels to channels on a 16x16 grid, conv 32, 32, FC 256, 256, ReLU.

    Nearly all arithmetic of the stride-2 networks is spent at full and half resolution. Here
    blocks of (H/16)^2 pixels become channels (pixel unshuffle), so the same two lower layers
    do the work for a fraction of the cost; docs/preset.md has the measurements.
    """
    block, width = image_shape[1] // 16, 32
    pixels = image_shape[0] * block**2
    encoder = nn.Sequential(
        nn.PixelUnshuffle(block),
        *_halving([pixels, width, width]),
        nn.Flatten(),
        *_dense([16 * width, 256, 256], nn.ReLU),
        nn.Linear(256, 2 * latents),
    )
    decoder = nn.Sequential(
        *_dense([latents, 256, 256, 16 * width], nn.ReLU),
        nn.Unflatten(1, (width, 4, 4)),
        *_doubling([width, width, pixels]),
        nn.PixelShuffle(block),
    )
    return encoder, decoder


NETWORKS: dict[str, Callable[[ImageShape, int], tuple[nn.Module, nn.Module]]] = {
    "fc": fc,
    "conv": conv,
    "burgess": burgess,
    "patch": patch,
    "mlp": mlp,
}
ANY_SIZE = ("fc", "mlp")  # fully connected: images of any height and width, and rows of numbers


def check_square(method: str, image_shape: ImageShape, multiple: int) -> None:
    """Refuse images that a method's halvings do not divide.

    Raises:
        InputError: when they are not square with a side that is a multiple of `multiple`.
    """
    _, height, width = image_shape
    if height != width or height % multiple:
        raise InputError(
            f"{method} needs square images with a side that is a multiple of {multiple}, "
            f"got {height}x{width}"
        )


def build(name: str, image_shape: ImageShape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return (encoder, decoder) of network `name` for images (C, H, W).

    Raises:
        InputError: for an unknown name, or, of the convolutional ones, images that are not square
            of side 32, 64 or 128.
    """
    if name not in NETWORKS:
        raise InputError(
            f"network must be one of {', '.join(NETWORKS)}, got '{name}'"
            f"{did_you_mean(name, NETWORKS)}"
        )
    _, height, width = image_shape
    if name not in ANY_SIZE and (height != width or height not in SIZES):
        raise InputError(
            f"images must be square with side {', '.join(map(str, SIZES))}, got {height}x{width}; "
            f"networks {' and '.join(ANY_SIZE)} take any size"
        )
    return NETWORKS[name](image_shape, latents)


def plain(module: Module) -> Module:
    """Return a copy in which every layer is torch's own, as exporters know it.

    >>> type(plain(nn.Sequential(Doubling(3, 1)))[0]).__name__
    'ConvTranspose2d'
    """
    copy = deepcopy(module)
    for parent in list(copy.modules()):
        for name, child in parent.named_children():
            if isinstance(child, ARRANGED):
                setattr(parent, name, child.plain())
    return copy
