"""The order in which training sees the images."""

from __future__ import annotations

import torch
from torch import Tensor

SECOND = 1 << 31  # epochs from here on are those of second batches


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
