"""The order in which training sees the images."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=2)
def _permutation(rows: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed((seed << 32) ^ epoch)
    return torch.randperm(rows, generator=generator)


def batch_rows(rows: int, batch: int, seed: int, step: int) -> Tensor:
    """Return the rows of batch `step`: a pure function of the seed, so any step can resume.

    Every epoch is a fresh permutation; what does not fill a batch is left out of that epoch.
    """
    epoch, position = divmod(step, rows // batch)
    return _permutation(rows, seed, epoch)[position * batch : (position + 1) * batch]
