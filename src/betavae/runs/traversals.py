"""Latent traversals: decode a seed image's code with one latent swept, the others kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.animation import save_gif, traversal_frames
from betavae.figures.style import latent_name
from betavae.runs.latent_ranges import Decode, Scale, decoder, sweep
from betavae.runs.made import writing
from betavae.runs.opened import OpenRun, open_run, seed_rows
from betavae.training.build import Model

SHOWN = 16  # latents shown at most unless asked for: a page of them
GIF_STEPS = 21  # values in one sweep of the animation: smooth, and about a megabyte


@dataclass(frozen=True)
class Traversals:
    """Decoded traversals, latents in the order of what they say.

    Attributes:
        images: (L, S, T, C, H, W) float32 in [0, 1]: latent, seed image, value.
        values: (T,) the values that the latent takes.
        latents: (L,) index of each latent.
        amounts: (L,) what each says, as `Scale.amounts`.
        unit: what that is counted in.
        inputs: (S, C, H, W) float32, the seed images.
        codes: (S, M) float32, their codes.
    """

    images: NDArray[np.float32]
    values: NDArray[np.float64]
    latents: NDArray[np.int64]
    amounts: NDArray[np.float64]
    unit: str
    inputs: NDArray[np.float32]
    codes: NDArray[np.float32]

    def figure(self) -> Figure:
        """Draw the traversals, a block a latent."""
        return figures.traversal(
            self.images,
            self.values,
            [latent_name(int(k)) for k in self.latents],
            rates=self.amounts,
            unit=self.unit,
            inputs=self.inputs,
        )


@torch.inference_mode()
def traverse(
    model: Model,
    seeds: Tensor,
    scale: Scale,
    *,
    span: float = 3.0,
    steps: int = 11,
    latents: Sequence[int] | None = None,
    batch: int = 512,
) -> Traversals:
    """Sweep each latent over [-span, span] from the code of every seed image.

    Args:
        model: in eval mode.
        seeds: (S, C, H, W) in [0, 1], on the model's device.
        scale: the units of the codes; the latents are ordered by its amounts, the largest first.
        span: how far from the centre, in deviations of the prior, or of the codes without one.
        steps: values a sweep, both ends included; latents that all take a few values only go
            through those instead.
        latents: which latents; all of them if None.
        batch: images decoded at a time.

    Raises:
        InputError: for fewer than 2 steps, a span that is not positive, no seeds, a scale of
            another length than the latents, or a latent that is not there.

    Source: Higgins et al. 2017, Section 4.1.

    >>> from betavae.config import Config
    >>> from betavae.models.vae import VAE
    >>> from betavae.training.build import build_model
    >>> vae = build_model(Config(network="patch", latents=3), (1, 32, 32)).eval()
    >>> scale = Scale.of_rates(np.array([0.1, 2.0, 1.0]))
    >>> shown = traverse(vae, torch.zeros(2, 1, 32, 32), scale, steps=5)
    >>> shown.images.shape, shown.latents.tolist()
    ((3, 2, 5, 1, 32, 32), [1, 2, 0])
    """
    order = ranked(scale.amounts, model.latents, latents)
    values = scale.sweep(span, steps)
    if seeds.ndim != 4 or len(seeds) == 0:
        raise InputError(f"seeds must be images (S, C, H, W), got shape {tuple(seeds.shape)}")
    means = model.code_means(seeds).float().cpu().numpy()
    return Traversals(
        images=sweep_images(decoder(model), means, order, scale.levels(values)[order], batch=batch),
        values=values,
        latents=order,
        amounts=scale.amounts[order],
        unit=scale.unit,
        inputs=seeds.float().cpu().numpy(),
        codes=means,
    )


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


def write_traversals(
    run_folder: Path,
    out: Path | None = None,
    *,
    data: str | None = None,
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
        data: another place of the run's images; where they are nowhere, the few that were kept
            with the run stand in for them.
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
    folder = run_folder if out is None else out
    with writing(folder, run_folder):
        run = open_run(run_folder, data=data, seed=seed, whole=False)
        return _write(run, folder, seeds=seeds, span=span, steps=steps, latents=latents, seed=seed)


def _write(
    run: OpenRun,
    folder: Path,
    *,
    seeds: int | Sequence[int],
    span: float,
    steps: int,
    latents: Sequence[int] | None,
    seed: int,
) -> list[Path]:
    scale = run.scale
    latents = leading(scale.amounts) if latents is None else latents
    images = run.dataset.images[seed_rows(run.dataset, seeds, np.random.default_rng(seed))]
    still = traverse(run.model, images, scale, span=span, steps=steps, latents=latents)
    moving = traverse(run.model, images, scale, span=span, steps=GIF_STEPS, latents=latents)
    frames = traversal_frames(
        moving.images,
        moving.values,
        [f"z{k}" for k in moving.latents],
        rates=moving.amounts,
        unit=moving.unit,
        inputs=moving.inputs,
    )
    return [
        figures.save(still.figure(), folder / "traversal.png", weights=[run.weights]),
        save_gif(frames, folder / "traversal.gif", [run.weights]),
    ]
