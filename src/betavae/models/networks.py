"""Encoders and decoders: the paper's Table 1, Burgess's, and a small one made for speed.

A network is a function (image_shape, outputs, inputs) -> (encoder, decoder). The encoder maps
images (B, C, H, W) to (B, `outputs`), the decoder (B, `inputs`) to raw pixel parameters
(B, C, H, W). How many numbers that are, the latent says (`betavae.models.latents`): with M
Gaussian latents 2M from the encoder, means and log variances, and M to the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

from torch import nn

from betavae._system.errors import InputError, did_you_mean
from betavae.models.centred import Centred, Restored
from betavae.models.dense import Dense, DenseOfPixels
from betavae.models.layers import Doubling, Places

ImageShape = tuple[int, int, int]
Pair = tuple[nn.Module, nn.Module]
"""An encoder and its decoder."""
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


def _smooth(layers: Sequence[nn.Module]) -> list[nn.Module]:
    """Return layers with SiLU for ReLU."""
    return [nn.SiLU() if isinstance(layer, nn.ReLU) else layer for layer in layers]


def fc(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Table 1, 2D shapes: FC 1200, 1200 ReLU; FC 1200 x3 tanh."""
    pixels = math.prod(image_shape)
    encoder = nn.Sequential(
        nn.Flatten(),
        DenseOfPixels(pixels, 1200),
        nn.ReLU(),
        Dense(1200, 1200),
        nn.ReLU(),
        nn.Linear(1200, outputs),
    )
    hidden = [m for _ in range(2) for m in (Dense(1200, 1200), nn.Tanh())]
    decoder = nn.Sequential(
        nn.Linear(inputs, 1200), nn.Tanh(), *hidden,
        Dense(1200, pixels), nn.Unflatten(1, image_shape),
    )  # fmt: skip
    return encoder, decoder


def mlp(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Ours, for rows of numbers and small images: FC 256, 256 ReLU, and the reverse."""
    pixels = math.prod(image_shape)
    encoder = nn.Sequential(
        nn.Flatten(), *_dense([pixels, 256, 256], nn.ReLU), nn.Linear(256, outputs)
    )
    decoder = nn.Sequential(
        *_dense([inputs, 256, 256], nn.ReLU),
        nn.Linear(256, pixels),
        nn.Unflatten(1, image_shape),
    )
    return encoder, decoder


def halvings(height: int, width: int) -> int:
    """Return how often both sides are halved: down to about 4 pixels, as far as they are even.

    >>> halvings(64, 64), halvings(128, 128), halvings(48, 80), halvings(144, 144)
    (4, 5, 3, 4)
    """
    even = (math.gcd(height, width) & -math.gcd(height, width)).bit_length() - 1
    return min(int(math.log2(min(height, width) // 4)), even)


def _convolutional(
    image_shape: ImageShape,
    numbers: tuple[int, int],
    channels: Sequence[int],
    dense: Sequence[int],
) -> Pair:
    """Stride-2 convolutions down to about 4x4, then dense layers; the decoder is the reverse.

    `channels` is for 64x64 images; smaller ones drop its first layers, larger ones repeat it.
    """
    outputs, inputs = numbers
    colours, height, width = image_shape
    depth = halvings(height, width)
    widths = [channels[0]] * (depth - len(channels)) + list(
        channels[max(0, len(channels) - depth) :]
    )
    small = (widths[-1], height >> depth, width >> depth)
    encoder = nn.Sequential(
        *_halving([colours, *widths]),
        nn.Flatten(),
        *_dense([math.prod(small), *dense], nn.ReLU),
        nn.Linear(dense[-1], outputs),
    )
    decoder = nn.Sequential(
        *_dense([inputs, *reversed(dense), math.prod(small)], nn.ReLU),
        nn.Unflatten(1, small),
        *_doubling([*reversed(widths), colours]),
    )
    return encoder, decoder


def conv(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Table 1, chairs, CelebA and faces: conv 32, 32, 64, 64 (4x4, stride 2), FC 256, ReLU."""
    return _convolutional(image_shape, (outputs, inputs), (32, 32, 64, 64), (256,))


def burgess(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Burgess et al. 2018: conv 32 x4 (4x4, stride 2), FC 256, 256, ReLU."""
    return _convolutional(image_shape, (outputs, inputs), (32, 32, 32, 32), (256, 256))


def patch(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Ours, for speed: pixels to channels on a 16x16 grid, conv 32, 32, FC 256, 256, ReLU.

    Nearly all arithmetic of the stride-2 networks is spent at full and half resolution. Here
    blocks of (H/16)^2 pixels become channels (pixel unshuffle), so the same two lower layers
    do the work for a fraction of the cost; docs/findings/preset.md has the measurements.
    """
    colours, height, width = image_shape
    block, features = _block(height, width), 32
    pixels = colours * block**2
    small = (features, height // block // 4, width // block // 4)
    flat = math.prod(small)
    encoder = nn.Sequential(
        nn.PixelUnshuffle(block),
        *_halving([pixels, features, features]),
        nn.Flatten(),
        *_dense([flat, 256, 256], nn.ReLU),
        nn.Linear(256, outputs),
    )
    decoder = nn.Sequential(
        *_dense([inputs, 256, 256, flat], nn.ReLU),
        nn.Unflatten(1, small),
        *_doubling([features, features, pixels]),
        nn.PixelShuffle(block),
    )
    return encoder, decoder


def place(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Ours: the encoder of `patch`, narrower and with SiLU, and a decoder alike at all places.

    With a convolutional decoder the code of an orientation means something else at every
    position; one function of place shares its meaning over all of them, which disentangles
    sooner (docs/findings/all-five-factors.md).
    """
    colours, height, width = image_shape
    block, features = _block(height, width), 32
    pixels = colours * block**2
    encoder = nn.Sequential(
        nn.PixelUnshuffle(block),
        nn.Conv2d(pixels, features, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(features, features, 4, 2, 1),
        nn.SiLU(),
        nn.Flatten(),
        *_dense([features * (height // block // 4) * (width // block // 4), 128, 128], nn.SiLU),
        nn.Linear(128, outputs),
    )
    decoder = nn.Sequential(
        Places(inputs, (height // block, width // block), pixels), nn.PixelShuffle(block)
    )
    return encoder, decoder


def photo(image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Ours, for grey and colour pictures up to 256: blocks to channels, conv to 4x4, all SiLU.

    As in `patch` the highest resolution is left to blocks, but small ones, so that edges of blocks
    hardly show; below them the channels grow as the grid shrinks. SiLU has no units that die.
    It begins at the mean image (`betavae.models.centred`); docs/findings/photos.md has the
    measurements.
    """
    colours, height, width = image_shape
    block = _block(height, width, across=32)
    pixels, grid = colours * block**2, (height // block, width // block)
    depth = halvings(*grid)
    widths = [32, *[64] * (depth - 2), 128][-depth:]
    small = (widths[-1], grid[0] >> depth, grid[1] >> depth)
    encoder = nn.Sequential(
        Centred(image_shape),
        nn.PixelUnshuffle(block),
        *_smooth(_halving([pixels, *widths])),
        nn.Flatten(),
        *_dense([math.prod(small), 256], nn.SiLU),
        nn.Linear(256, outputs),
    )
    decoder = nn.Sequential(
        *_dense([inputs, 256, math.prod(small)], nn.SiLU),
        nn.Unflatten(1, small),
        *_smooth(_doubling([*reversed(widths), pixels])),
        nn.PixelShuffle(block),
        Restored(image_shape),
    )
    return encoder, decoder


def _block(height: int, width: int, across: int = 16) -> int:
    """Return the largest block that leaves `across` or more a side, a multiple of 4 along both."""
    largest = max(1, min(height, width) // across)
    return next(b for b in range(largest, 0, -1) if height % (4 * b) == 0 == width % (4 * b))


Network = Callable[[ImageShape, int, int], Pair]
NETWORKS: dict[str, Network] = {
    network.__name__: network for network in (fc, conv, burgess, patch, place, photo, mlp)
}
SMALL = ("patch", "place", "mlp")  # a step of few images gains nothing from a second thread
ANY_SIZE = ("fc", "mlp")  # fully connected: images of any height and width, and rows of numbers
MULTIPLE, LARGEST = 16, 256  # of the convolutional ones


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


def build_network(name: str, image_shape: ImageShape, outputs: int, inputs: int) -> Pair:
    """Return (encoder, decoder) of network `name` for images (C, H, W).

    Args:
        name: a key of `NETWORKS`.
        image_shape: (C, H, W).
        outputs: numbers that the encoder gives, the latent's `encoder_outputs`.
        inputs: numbers that the decoder takes, the latent's `decoder_inputs`.

    Raises:
        InputError: for an unknown name, or, of the convolutional ones, images with a side that
            is no multiple of 16, or greater than 256.
    """
    if name not in NETWORKS:
        raise InputError(
            f"network must be one of {', '.join(NETWORKS)}, got '{name}'"
            f"{did_you_mean(name, NETWORKS)}"
        )
    if name not in ANY_SIZE and not takes_size(image_shape):
        _, height, width = image_shape
        raise InputError(
            f"network {name} needs images with sides that are multiples of {MULTIPLE} up to "
            f"{LARGEST}, got {height}x{width}; networks {' and '.join(ANY_SIZE)} take any size"
        )
    return NETWORKS[name](image_shape, outputs, inputs)


def takes_size(image_shape: ImageShape) -> bool:
    """Say whether the convolutional networks take images of this shape."""
    return all(side % MULTIPLE == 0 and 0 < side <= LARGEST for side in image_shape[1:])


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
