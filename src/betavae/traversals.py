"""Latent traversals: decode a seed image's code with one latent swept, the others kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from betavae import figures
from betavae.data.dataset import Dataset
from betavae.errors import InputError
from betavae.figures.animation import save_gif, traversal_frames
from betavae.figures.style import latent_name
from betavae.models.methods import Model
from betavae.models.vae import VAE
from betavae.representation import represent
from betavae.runs import load_run, open_run, seed_rows

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Codes (n, M) in, images (n, C, H, W) in [0, 1] out: how any method draws."""

SHOWN = 16  # latents shown at most unless asked for: a page of them
GIF_STEPS = 21  # values in one sweep of the animation: smooth, and about a megabyte


@dataclass(frozen=True)
class Traversals:
    """Decoded traversals, latents in the order of their rate.

    Attributes:
        images: (L, S, T, C, H, W) float32 in [0, 1]: latent, seed image, value.
        values: (T,) the values that the latent takes.
        latents: (L,) index of each latent.
        rates: (L,) nats per image.
        inputs: (S, C, H, W) float32, the seed images.
        codes: (S, M) float32, their posterior means.
    """

    images: NDArray[np.float32]
    values: NDArray[np.float64]
    latents: NDArray[np.int64]
    rates: NDArray[np.float64]
    inputs: NDArray[np.float32]
    codes: NDArray[np.float32]


@torch.inference_mode()
def traverse(
    model: Model,
    seeds: Tensor,
    rates: NDArray[np.float64],
    *,
    span: float = 3.0,
    steps: int = 11,
    latents: Sequence[int] | None = None,
    units: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    batch: int = 512,
) -> Traversals:
    """Sweep each latent over [-span, span] from the posterior mean of every seed image.

    Args:
        model: in eval mode.
        seeds: (S, C, H, W) in [0, 1], on the model's device.
        rates: (M,) nats per image; the latents are ordered by it, the largest first.
        span: how far from 0; the prior's standard deviation is 1.
        steps: values a sweep, both ends included.
        latents: which latents; all of them if None.
        units: (M,) centres and (M,) scales that the values are counted in, for codes without a
            prior; a centre of 0 and a scale of 1 if None.
        batch: images decoded at a time.

    Raises:
        InputError: for fewer than 2 steps, a span that is not positive, no seeds, rates of
            another length than the latents, or a latent that is not there.

    Source: Higgins et al. 2017, Section 4.1.

    >>> from betavae.config import Config
    >>> vae = VAE.from_config(Config(network="patch", latents=3), (1, 32, 32)).eval()
    >>> shown = traverse(vae, torch.zeros(2, 1, 32, 32), np.array([0.1, 2.0, 1.0]), steps=5)
    >>> shown.images.shape, shown.latents.tolist()
    ((3, 2, 5, 1, 32, 32), [1, 2, 0])
    """
    order = ranked(rates, model.latents, latents)
    values = sweep(span, steps)
    if seeds.ndim != 4 or len(seeds) == 0:
        raise InputError(f"seeds must be images (S, C, H, W), got shape {tuple(seeds.shape)}")
    means = model.code_means(seeds).float().cpu().numpy()
    centres, scales = (np.zeros(model.latents), np.ones(model.latents)) if units is None else units
    levels = centres[order, None] + scales[order, None] * values
    return Traversals(
        images=sweep_images(decoder(model), means, order, levels, batch=batch),
        values=values,
        latents=order,
        rates=np.asarray(rates, np.float64)[order],
        inputs=seeds.float().cpu().numpy(),
        codes=means,
    )


def decoder(model: Model) -> Decode:
    """Return a model's decoder as a function of arrays."""
    weight = next(chain(model.parameters(), model.buffers()))

    @torch.inference_mode()
    def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        latents = torch.from_numpy(np.ascontiguousarray(codes)).to(weight)
        images: NDArray[np.float32] = model.decode(latents).float().cpu().numpy()
        return images

    return decode


def sweep_images(
    decode: Decode,
    codes: NDArray[np.float32],
    latents: Sequence[int] | NDArray[np.int64],
    levels: NDArray[np.float64],
    *,
    batch: int = 512,
) -> NDArray[np.float32]:
    """Decode codes with one entry replaced, for any method that can draw a code.

    Args:
        decode: codes (n, M) -> images (n, C, H, W).
        codes: (S, M) the codes to start from.
        latents: (L,) which entry moves.
        levels: (L, T) the values that each takes.
        batch: codes decoded at a time.

    Returns:
        (L, S, T, C, H, W) images.

    >>> def paint(codes):
    ...     return codes[:, :1, None, None]
    >>> sweep_images(paint, np.zeros((1, 2), np.float32), [0, 1], np.ones((2, 3))).ravel().tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    shape = (len(latents), len(codes), levels.shape[1])
    moving = np.broadcast_to(codes[None, :, None], (*shape, codes.shape[1])).copy()
    for place, latent in enumerate(latents):
        moving[place, :, :, latent] = levels[place]
    flat = moving.reshape(-1, codes.shape[1])
    parts = [decode(flat[start : start + batch]) for start in range(0, len(flat), batch)]
    images = np.concatenate(parts)
    return images.reshape(*shape, *images.shape[1:])


def sweep(span: float, steps: int) -> NDArray[np.float64]:
    """Return `steps` values from -span to span.

    Raises:
        InputError: for fewer than 2 steps or a span that is not a positive number.

    >>> sweep(3, 5).tolist()
    [-3.0, -1.5, 0.0, 1.5, 3.0]
    """
    if steps < 2:
        raise InputError(f"steps must be >= 2, got {steps}")
    if not (span > 0 and math.isfinite(span)):
        raise InputError(f"span must be a number > 0, got {span:g}")
    return np.linspace(-span, span, steps)


def ranked(
    rates: NDArray[np.float64], count: int, latents: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """Return latents by decreasing rate: all `count` of them, or the chosen ones.

    Raises:
        InputError: when there is not one rate a latent, or a chosen latent is not there or
            chosen twice.
    """
    if np.shape(rates) != (count,):
        raise InputError(f"rates must be ({count},), one a latent, got shape {np.shape(rates)}")
    order = figures.by_rate(rates)
    if latents is None:
        return order
    if len(latents) == 0 or len(set(latents)) < len(latents):
        raise InputError(f"latents must name each latent once, got {list(latents)}")
    for latent in latents:
        if not 0 <= latent < count:
            raise InputError(f"latents must be in 0..{count - 1}, got {latent}")
    return order[np.isin(order, list(latents))]


def leading(rates: NDArray[np.float64], most: int = SHOWN) -> list[int]:
    """Return the latents of the largest rates, at most `most` of them.

    >>> leading(np.array([0.1, 3.0, 2.0]), most=2)
    [1, 2]
    """
    return [int(k) for k in figures.by_rate(rates)[:most]]


def code_units(
    model: Model, dataset: Dataset, *, sample: int = 1024, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the standard deviation of every code, each (M,), over some images."""
    count = min(sample, len(dataset.images))
    rows = np.random.default_rng(seed).choice(len(dataset.images), count, replace=False)
    codes = represent(model, dataset, rows=np.sort(rows)).mean.astype(np.float64)
    return codes.mean(axis=0), codes.std(axis=0)


def write_traversals(
    run_folder: Path,
    out: Path | None = None,
    *,
    seeds: int | Sequence[int] = 3,
    span: float = 3.0,
    steps: int = 11,
    latents: Sequence[int] | None = None,
    seed: int = 0,
) -> list[Path]:
    """Draw a run's traversals: traversal.png for paper, traversal.gif for the screen.

    Args:
        run_folder: the run; of a method without a prior on its codes, latents run over so many
            standard deviations about their means over the data.
        out: folder to write to; the run folder if None.
        seeds: how many seed images to draw from the run's data set, or their row numbers.
        span: latents run over [-span, span].
        steps: values in the PNG; the GIF takes finer ones.
        latents: which latents; all of them, but at most the 16 of the largest rate, if None.
        seed: seed of the choice of images.

    Returns:
        The two files.

    Raises:
        InputError: when the run, its data or an option cannot be used, or the disk is full.
    """
    sweep(span, steps)
    model, _, dataset = load_run(run_folder)
    if isinstance(model, VAE):
        rates, units = open_run(run_folder, seed=seed).rates, None
    else:
        rates, units = np.zeros(model.latents), code_units(model, dataset, seed=seed)
    latents = leading(rates) if latents is None else latents
    images = dataset.images[seed_rows(dataset, seeds, np.random.default_rng(seed))]
    still = traverse(model, images, rates, span=span, steps=steps, latents=latents, units=units)
    names = [latent_name(int(k)) for k in still.latents]
    figure = figures.traversal(
        still.images,
        still.values,
        names,
        rates=still.rates if units is None else None,
        inputs=still.inputs,
    )
    moving = traverse(
        model, images, rates, span=span, steps=GIF_STEPS, latents=latents, units=units
    )
    frames = traversal_frames(
        moving.images,
        moving.values,
        [f"z{k}" for k in moving.latents],
        rates=moving.rates if units is None else None,
        inputs=moving.inputs,
    )
    folder = run_folder if out is None else out
    return [
        figures.save(figure, folder / "traversal.png"),
        save_gif(frames, folder / "traversal.gif"),
    ]
