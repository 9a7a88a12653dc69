"""Mild changes of training images for small sets: the same picture, mirrored or shifted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from betavae._system.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from betavae.data.batches import Batch

KINDS = ("flip", "crop")
SHIFT = 1 / 16  # of the side, at most, in each direction


def augment(images: Tensor, generator: torch.Generator, kinds: Collection[str]) -> Tensor:
    """Return the batch with every image changed at random, each in its own way.

    ``flip`` mirrors half of the images left to right. ``crop`` shifts each by up to a sixteenth of
    its sides, as if it had been cut out of a picture whose edge pixels go on.

    Args:
        images: (B, C, H, W), of any dtype, on any device.
        generator: a CPU generator, so that the draws are the same on every device.
        kinds: some of `KINDS`; nothing changes without one.

    Raises:
        InputError: for an unknown kind.

    >>> import torch
    >>> images = torch.arange(12.0).view(2, 1, 2, 3)
    >>> augment(images, torch.Generator().manual_seed(0), ["flip"]).shape
    torch.Size([2, 1, 2, 3])
    """
    import torch

    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise InputError(f"augment must be some of {', '.join(KINDS)}, got '{unknown[0]}'")
    if not kinds:
        return images
    count, _, height, width = images.shape
    rows = torch.arange(height).expand(count, height)
    columns = torch.arange(width).expand(count, width)
    if "flip" in kinds:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    if "crop" in kinds:
        up, left = (
            torch.randint(-most, most + 1, (count, 1), generator=generator)
            for most in (round(height * SHIFT), round(width * SHIFT))
        )
        rows = (rows + up).clamp(0, height - 1)
        columns = (columns + left).clamp(0, width - 1)
    # One gather: image, row and column of every pixel; channels come along.
    which = torch.arange(count, device=images.device)[:, None, None]
    rows, columns = rows.to(images.device), columns.to(images.device)
    picked = images.movedim(1, -1)[which, rows[:, :, None], columns[:, None, :]]
    return picked.movedim(-1, 1).contiguous()


def varied(batch: Batch, kinds: str | None, seed: int, step: int) -> Batch:
    """Return the batch of a training step with its images changed, the same for the same step.

    Args:
        batch: what the step would see.
        kinds: some of `KINDS`, parted by commas; nothing changes with None or "none".
        seed: of the run.
        step: number of the step.
    """
    if kinds in (None, "none"):
        return batch
    import numpy as np
    import torch

    mixed = int(np.random.SeedSequence((seed, step)).generate_state(1)[0])
    generator = torch.Generator().manual_seed(mixed)
    chosen = (kinds or "").split(",")
    images = augment(batch.images, generator, chosen)
    other = None if batch.other is None else augment(batch.other, generator, chosen)
    return replace(batch, images=images, other=other)
