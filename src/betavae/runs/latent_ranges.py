"""Where a model's codes lie, and how much each of them says: what traversals and sliders need."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.errors import InputError, check_range
from betavae.data.dataset import Dataset
from betavae.models.latents import Latent, Levelled
from betavae.runs.representation import represent
from betavae.training.build import Model
from betavae.training.records import ACTIVE_NATS

Floats = NDArray[np.float64]
Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Codes (n, M) in, images (n, C, H, W) in [0, 1] out: how any method draws."""

MOST_STEPS = 1001  # values in a sweep: more cannot be told apart, and take all memory
SAMPLE = 1024  # images over which codes without a prior are measured
DRAWN = 64  # of them, from which it is tried what each latent does to the picture


@dataclass(frozen=True)
class Scale:
    """The units of a model's latents.

    Attributes:
        centres: (M,) where each lies: 0 with a prior, else its mean over images.
        scales: (M,) the prior's deviation, 1, else its deviation over images.
        amounts: (M,) what each says: its rate in nats per image where there is a prior, else its
            share in percent of all that the latents do to the picture.
        prior: whether the codes have a prior.
        books: by latent the values that it takes, rising, None where it takes any; empty where
            all take any.
    """

    centres: Floats
    scales: Floats
    amounts: Floats
    prior: bool
    books: tuple[Floats | None, ...] = ()

    @classmethod
    def of_latent(cls, latent: Latent, rates: Floats) -> Scale:
        """Return the scale of a VAE's latents with these rates (M,).

        A latent of a few values lies about the middle of its book, whose ends are 3 deviations
        away.
        """
        found = cls.of_rates(rates)
        if not isinstance(latent, Levelled):
            return found
        books = [latent.book_of(k) for k in range(len(rates))]
        known = tuple(None if b is None else b.double().cpu().numpy() for b in books)
        for k, book in enumerate(known):
            if book is not None:
                found.centres[k] = (book[0] + book[-1]) / 2
                found.scales[k] = (book[-1] - book[0]) / 6 or 1.0
        return replace(found, books=known)

    @classmethod
    def of_rates(cls, rates: Floats) -> Scale:
        """Return the scale of codes with a standard normal prior and these rates (M,)."""
        return cls(np.zeros(len(rates)), np.ones(len(rates)), rates, prior=True)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which latents (M,) say anything: those above 0.1 nats, or that move the picture."""
        return np.asarray(self.amounts > (ACTIVE_NATS if self.prior else 0.0))

    @property
    def unit(self) -> str:
        """What the amounts are counted in."""
        return "nats" if self.prior else "%"

    def levels(self, values: Floats) -> Floats:
        """Return the codes (M, T) at `values` (T,), which count deviations from the centre.

        Latents of a few values go through these, from the first to the last value.
        """
        codes = self.centres[:, None] + self.scales[:, None] * values
        span = np.ptp(values)
        places = (values - values.min()) / span if span > 0 else np.full(len(values), 0.5)
        for k, book in enumerate(self.books):
            if book is not None:
                codes[k] = book[np.rint(places * (len(book) - 1)).astype(np.int64)]
        return np.asarray(codes, np.float64)

    def sweep(self, span: float, steps: int) -> Floats:
        """Return the values of a traversal: the numbers of the levels where all latents have some.

        Raises:
            InputError: for fewer than 2 steps, or a span that is not a positive number.
        """
        values = sweep(span, steps)
        if not self.books or any(book is None for book in self.books):
            return values
        most = max(len(book) for book in self.books if book is not None)
        return np.arange(most, dtype=np.float64) if most > 1 else values


def sweep(span: float, steps: int) -> NDArray[np.float64]:
    """Return `steps` values from -span to span.

    Raises:
        InputError: for fewer than 2 steps or more than 1001, or a span that is not positive.

    >>> sweep(3, 5).tolist()
    [-3.0, -1.5, 0.0, 1.5, 3.0]
    """
    if steps < 2:
        raise InputError(f"steps must be >= 2, got {steps}")
    check_range("steps", steps, 2, MOST_STEPS)
    if not (span > 0 and math.isfinite(span)):
        raise InputError(f"span must be a number > 0, got {span:g}")
    return np.linspace(-span, span, steps)


def decoder(model: Model) -> Decode:
    """Return a model's decoder as a function of arrays."""
    weight = next(chain(model.parameters(), model.buffers()))

    @torch.inference_mode()
    def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        latents = torch.from_numpy(np.ascontiguousarray(codes)).to(weight)
        images: NDArray[np.float32] = model.decode(latents).float().cpu().numpy()
        return images

    return decode


def measured_scale(model: Model, dataset: Dataset, *, sample: int = SAMPLE, seed: int = 0) -> Scale:
    """Measure the scale of a model without a prior, on images drawn from its data."""
    count = min(sample, len(dataset.images))
    rows = np.random.default_rng(seed).choice(len(dataset.images), count, replace=False)
    found = scale_of(represent(model, dataset, rows=np.sort(rows)).mean, decoder(model), seed=seed)
    sizes: tuple[int, ...] = getattr(model, "categorical", ())  # such codes come first
    if not sizes:
        return found
    books = [np.arange(size, dtype=np.float64) for size in sizes]
    return replace(found, books=(*books, *([None] * (model.latents - len(books)))))


def scale_of(codes: NDArray[np.float32], decode: Decode, *, seed: int = 0) -> Scale:
    """Return the scale of codes (N, M) that `decode` draws.

    A latent's effect is the mean over images of |up - down|^2 / 4, where up and down are the
    pictures of the image's code with this latent one deviation above and below its mean. For
    PCA, whatever the scale of its codes, that is the variance of the component.

    >>> def stretch(codes):
    ...     return np.float32([3, 4]) * codes[:, None, None]
    >>> codes = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    >>> bool(np.allclose(scale_of(codes, stretch).amounts, [36, 64], atol=2))
    True
    """
    exact = codes.astype(np.float64)
    centres, spread = exact.mean(axis=0), exact.std(axis=0)
    count = min(DRAWN, len(codes))
    some = codes[np.random.default_rng(seed).choice(len(codes), count, replace=False)]
    effects = np.empty(codes.shape[1])
    for latent in range(codes.shape[1]):
        ends = []
        for sign in (1, -1):
            moved = some.copy()
            moved[:, latent] = centres[latent] + sign * spread[latent]
            ends.append(decode(moved))
        effects[latent] = np.square(ends[0] - ends[1], dtype=np.float64).sum() / (4 * count)
    total = effects.sum()
    shares = 100 * effects / total if total > 0 else effects
    return Scale(centres, np.where(spread > 0, spread, 1.0), shares, prior=False)
