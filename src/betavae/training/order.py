"""The order in which training sees the images."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

SECOND = 1 << 31  # epochs from here on are those of second batches


@lru_cache(maxsize=3)  # this epoch's, the second batch's, and the one that follows
def _permutation(rows: int, seed: int, epoch: int) -> Tensor:
    # The CPU's generator keeps the low 32 bits only, so the seed is spread over them: 2^32 / phi.
    mixed = (seed * 0x9E3779B1 + epoch) % (1 << 32)
    generator = torch.Generator().manual_seed(mixed)
    return torch.randperm(rows, generator=generator)


def batch_rows(rows: int, batch: int, seed: int, step: int, *, second: bool = False) -> Tensor:
    """Return the rows of batch `step`: a pure function of the seed, so any step can resume.

    Every epoch is a fresh permutation; what does not fill a batch is left out of that epoch.
    The second batch of a step comes from permutations of its own.
    """
    epoch, position = divmod(step, rows // batch)
    order = _permutation(rows, seed, epoch + SECOND if second else epoch)
    return order[position * batch : (position + 1) * batch]
