"""Batches: which images each step of a training sees.

A sampler is a function of (data set, batch size, seed) that returns a draw; a draw is a function
of the step's number alone, so that any step can be taken again: that is how training resumes to
the same bits. A sampler of one's own is any such function (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors

TRIES = 100  # of drawing pairs within a part of a grid
LABELS = 1000  # of images whose factors are told, where nothing else is said
SECOND = 1 << 31  # epochs from here on are those of second batches


@dataclass(frozen=True)
class Batch:
    """What a step sees; tensors on the device.

    Attributes:
        images: (B, C, H, W) floats in [0, 1].
        rows: (B,) their rows in the data set.
        labels: (B, K) factors of `other`, where those are labelled images; -1 where not known.
        other: (B, C, H, W) a second image for each: an independent one, its pair's, or one whose
            factors are told.
        changed: of a one-factor batch the number of its factor, a scalar; of pairs (B, K) bool,
            which factors differ.
    """

    images: Tensor
    rows: Tensor
    labels: Tensor | None = None
    other: Tensor | None = None
    changed: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


class Rows(NamedTuple):
    """What a draw chooses, in rows of the data set; see `Batch`."""

    rows: Tensor
    other: Tensor | None = None
    labels: Tensor | None = None
    changed: Tensor | None = None


Draw = Callable[[int], Rows]
"""The number of a step -> its rows."""
Sampler = Callable[[Dataset, int, int], Draw]
"""(data set, batch size, seed) -> Draw. Raises InputError for data that it cannot draw from."""


def fetch(
    dataset: Dataset,
    drawn: Rows,
    device: torch.device | str = "cpu",
    part: Callable[[Tensor], Tensor] = lambda whole: whole,
) -> Batch:
    """Return the images of drawn rows as a batch on `device`.

    Args:
        dataset: the images.
        drawn: what a draw chose.
        device: where the batch is wanted.
        part: takes this process's rows of (B, ...) where several share the batch.
    """
    rows = part(drawn.rows)
    batch = Batch(dataset.images.batch(rows, device), rows)
    if drawn.other is not None:
        batch = replace(batch, other=dataset.images.batch(part(drawn.other), device))
    if drawn.labels is not None:
        batch = replace(batch, labels=part(drawn.labels).to(device))
    if drawn.changed is not None:
        whole = drawn.changed if drawn.changed.dim() == 0 else part(drawn.changed)
        batch = replace(batch, changed=whole.to(device))
    return batch


class DataOrder:
    """The rows of each batch of one run: a pure function of the seed, so any step can resume.

    Every epoch is a fresh permutation; what does not fill a batch is left out of that epoch.
    An order keeps the permutation that it is in: drawing one of 737,280 rows takes as long as
    many steps, so runs that take turns need an order each.

    Args:
        rows: images in the data set.
        batch: images a step.
        seed: of the run.

    >>> order = DataOrder(rows=6, batch=3, seed=0)
    >>> sorted(torch.cat([order(0), order(1)]).tolist())
    [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, rows: int, batch: int, seed: int) -> None:
        self._rows, self._batch, self._seed = rows, batch, seed
        self._kept: dict[bool, tuple[int, Tensor]] = {}

    def __call__(self, step: int, *, second: bool = False) -> Tensor:
        """Return the rows of batch `step`; the second batch comes from permutations of its own."""
        epoch, position = divmod(step, self._rows // self._batch)
        if second not in self._kept or self._kept[second][0] != epoch:
            self._kept[second] = epoch, self._permutation(epoch + SECOND if second else epoch)
        order = self._kept[second][1]
        return order[position * self._batch : (position + 1) * self._batch]

    def _permutation(self, epoch: int) -> Tensor:
        # The CPU's generator keeps the low 32 bits only, so the seed is spread over them: 2^32/phi.
        mixed = (self._seed * 0x9E3779B1 + epoch) % (1 << 32)
        return torch.randperm(self._rows, generator=torch.Generator().manual_seed(mixed))


def shuffled(dataset: Dataset, batch: int, seed: int) -> Draw:
    """Draw every image once an epoch, in an order of its own."""
    order = DataOrder(len(dataset.images), batch, seed)
    return lambda step: Rows(order(step))


def independent_pair(dataset: Dataset, batch: int, seed: int) -> Draw:
    """Draw shuffled images, and as `other` a second batch that is independent of them."""
    order = DataOrder(len(dataset.images), batch, seed)
    return lambda step: Rows(order(step), order(step, second=True))


def one_factor(warm: int = 0) -> Sampler:
    """Make the sampler of batches in which one factor varies; `changed` is its number.

    The varying factor's values come equally often, up to one, and in random order; all other
    factors are drawn once a batch.

    Args:
        warm: first steps, which see shuffled images and have no `changed`.

    Source: Kulkarni et al. 2015, Section 3.
    """

    def sampler(dataset: Dataset, batch: int, seed: int) -> Draw:
        grid = _grid(dataset, "batches in which one factor varies")
        order = DataOrder(len(dataset.images), batch, seed)

        def draw(step: int) -> Rows:
            if step < warm:
                return Rows(order(step))
            rng = np.random.default_rng((seed, step))
            factor = int(rng.integers(len(grid.names)))
            classes = np.repeat(grid.sample(1, rng), batch, axis=0)
            size = grid.sizes[factor]
            values = [rng.permutation(size) for _ in range(-(-batch // size))]
            classes[:, factor] = np.concatenate(values)[:batch]
            return Rows(torch.from_numpy(grid.index(classes)), changed=torch.tensor(factor))

        return draw

    return sampler


def changed_factors(k: int | None = None) -> Sampler:
    """Make the sampler of pairs that differ in a few factors; `changed` (B, K) says which.

    The first image of a pair is drawn uniformly. Of its factors `k` are chosen and drawn anew,
    always to another value.

    Args:
        k: how many factors differ; None draws it for every pair, uniformly from 1 to K - 1.

    Source: Locatello et al. 2020, Section 5 (k = 1, and k = rnd).

    Raises:
        InputError: for k < 1, or, when a data set is given, k >= its number of factors.
    """
    if k is not None and k < 1:
        raise InputError(f"changed factors must be >= 1, got {k}")

    def sampler(dataset: Dataset, batch: int, seed: int) -> Draw:
        grid, rows = _grid_rows(dataset, "pairs that differ in a few factors")
        sizes = np.array(grid.sizes)
        able = np.flatnonzero(sizes > 1)
        most = len(able) - 1
        if most < 1 or (k or 1) > most:
            raise InputError(
                f"changed factors must be in 1..{most} with the {len(able)} factors of "
                f"{dataset.name} that vary, got {k or 1}"
            )

        def pairs(
            count: int, rng: np.random.Generator
        ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
            first = grid.sample(count, rng)
            if rows is not None:
                first = grid.classes(rng.choice(rows, count))
            counts = np.full(count, k) if k is not None else rng.integers(1, most + 1, count)
            ranks = rng.random((count, len(able))).argsort(axis=1).argsort(axis=1)
            changed = np.zeros(first.shape, bool)
            changed[:, able] = ranks < counts[:, None]
            # A step of 1 to size - 1 around the circle of values: every other value, equally often.
            moves = rng.integers(1, np.maximum(sizes, 2), first.shape)
            second = np.where(changed, (first + moves) % sizes, first)
            return grid.index(first), grid.index(second), changed

        def draw(step: int) -> Rows:
            rng = np.random.default_rng((seed, step))
            first, second, changed = pairs(batch, rng)
            if rows is not None:  # of a part of the grid: draw pairs that leave it anew
                for _ in range(TRIES):
                    near = np.minimum(np.searchsorted(rows, second), len(rows) - 1)
                    outside = np.flatnonzero(rows[near] != second)
                    if not len(outside):
                        break
                    first[outside], second[outside], changed[outside] = pairs(len(outside), rng)
                else:
                    raise InputError(
                        f"the part of {dataset.name} that is trained on holds too few pairs that "
                        "differ in a few factors"
                    )
                first, second = np.searchsorted(rows, first), np.searchsorted(rows, second)
            return Rows(
                torch.from_numpy(first),
                torch.from_numpy(second),
                changed=torch.from_numpy(changed),
            )

        return draw

    return sampler


def labelled(count: int | None = None) -> Sampler:
    """Make the sampler of shuffled images with, as `other`, as many labelled ones.

    Which images are labelled depends on the seed alone. Those of a step are drawn out of them
    with replacement, and `labels` are theirs, -1 where a factor is not known.

    Args:
        count: images whose labels are known to the learner, out of those of which the data set
            knows at least one factor; None takes 1,000, or as many as there are.

    Source: Locatello et al. 2019b, Section 4.

    Raises:
        InputError: for a count < 1, or, when a data set is given, one without factors or with
            fewer known ones.
    """
    if count is not None and count < 1:
        raise InputError(f"labels must be >= 1, got {count}")

    def sampler(dataset: Dataset, batch: int, seed: int) -> Draw:
        rows = len(dataset.images)
        factors = dataset.factors(np.arange(rows))
        known = np.empty(0, np.int64)
        if factors is not None:
            known = np.flatnonzero((factors >= 0).any(axis=1))
        if factors is None or not len(known):
            raise InputError(f"labels need a data set with factors; {dataset.name} has none")
        if count is not None and count > len(known):
            raise InputError(
                f"labels must be in 1..{len(known)}, the images of {dataset.name} whose factors "
                f"are known, got {count}"
            )
        told = min(LABELS, len(known)) if count is None else count
        chosen = np.random.default_rng((seed, rows)).choice(known, told, replace=False)
        labels = torch.from_numpy(factors[chosen])
        places = torch.from_numpy(chosen)
        order = DataOrder(rows, batch, seed)

        def draw(step: int) -> Rows:
            drawn = torch.from_numpy(np.random.default_rng((seed, step)).integers(told, size=batch))
            return Rows(order(step), places[drawn], labels[drawn])

        return draw

    return sampler


def _grid_rows(dataset: Dataset, what: str) -> tuple[Factors, NDArray[np.int64] | None]:
    """Return a set's grid, and the rows of it that a part of it holds; None for all."""
    return dataset.whole if dataset.whole is not None else (_grid(dataset, what), None)


def _grid(dataset: Dataset, what: str) -> Factors:
    if dataset.grid is None:
        raise InputError(
            f"{what} need images of every combination of known factors; "
            f"{dataset.name} has no factor grid"
        )
    return dataset.grid
