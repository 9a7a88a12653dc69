"""Augmentation: a pure function of the images and the generator, nothing but moved pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from betavae import Config, InputError, train
from betavae.data.augmentation import augment, varied
from betavae.data.batches import Batch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


IMAGES = torch.rand(64, 3, 32, 48, generator=generator(7))


def test_flip_mirrors_about_half_of_the_images() -> None:
    changed = augment(IMAGES, generator(), ["flip"])
    mirrored = (changed == IMAGES.flip(3)).flatten(1).all(dim=1)
    kept = (changed == IMAGES).flatten(1).all(dim=1)
    assert (mirrored ^ kept).all()
    assert 16 < int(mirrored.sum()) < 48


def test_crop_shifts_by_a_sixteenth_at_most() -> None:
    changed = augment(IMAGES, generator(), ["crop"])
    shifts = set()
    for before, after in zip(IMAGES, changed, strict=True):
        found = [
            (up, left)
            for up in range(-2, 3)
            for left in range(-3, 4)
            if torch.equal(after[:, 2:-2, 3:-3], before[:, 2 + up : 30 + up, 3 + left : 45 + left])
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) > 20


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_it_is_decided_by_the_generator_alone(dtype: torch.dtype) -> None:
    images = (IMAGES * 255).to(dtype)
    one, same, other = (augment(images, generator(s), ["flip", "crop"]) for s in (1, 1, 2))
    assert one.dtype == dtype
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert augment(images, generator(), []) is images


def test_unknown_kinds_are_one_line() -> None:
    with pytest.raises(InputError, match="augment must be some of flip, crop, got 'rotate'"):
        augment(IMAGES, generator(), ["flip", "rotate"])


def test_a_step_is_varied_alike_whenever_it_is_taken() -> None:
    batch = Batch(IMAGES, torch.arange(64), other=IMAGES)
    first, again = (varied(batch, "flip,crop", 3, 5) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, first.other)  # each image in its own way
    assert not torch.equal(first.images, varied(batch, "flip,crop", 3, 6).images)
    assert varied(batch, None, 3, 5) is batch


def test_training_takes_anybodys_data_and_augments_it() -> None:
    images = (np.random.default_rng(0).random((32, 16, 16)) * 255).astype(np.uint8)
    plain, flipped = (
        train(Config(beta=4, latents=2, images=64, augment=augment), images, progress=False)
        for augment in (None, "flip")
    )
    assert plain.records[-1].loss != flipped.records[-1].loss
    with pytest.raises(InputError, match="augment must be 'none', 'flip', 'crop' or 'flip,crop'"):
        Config.from_mapping({"augment": "spin"})
