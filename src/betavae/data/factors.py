"""Factors of variation: their names and sizes, and arithmetic on the grid they span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Factors:
    """The grid spanned by named factors, the last one varying fastest.

    Args:
        names: one name a factor.
        sizes: how many values each factor takes.

    Raises:
        InputError: when names and sizes differ in length or a size is below 1.

    >>> factors = Factors(("shape", "scale"), (3, 6))
    >>> len(factors), factors.index([[2, 1]]), factors.classes([13]).tolist()
    (18, array([13]), [[2, 1]])
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise InputError(
                f"factors need one name a size, got {len(self.names)} names "
                f"and {len(self.sizes)} sizes"
            )
        if any(size < 1 for size in self.sizes):
            raise InputError(f"factor sizes must be >= 1, got {self.sizes}")

    def __len__(self) -> int:
        return int(np.prod(self.sizes, dtype=np.int64))

    def column(self, name: str) -> int:
        """Return the column of factor `name`."""
        if name not in self.names:
            raise InputError(
                f"factor must be one of {', '.join(self.names)}, got '{name}'"
                f"{did_you_mean(name, self.names)}"
            )
        return self.names.index(name)

    def check(self, classes: object) -> NDArray[np.int64]:
        """Return `classes` as an (n, K) int64 array within range, or raise InputError."""
        array = np.asarray(classes)
        expected = f"an (n, {len(self.sizes)}) integer array ({', '.join(self.names)})"
        if array.ndim != 2 or array.shape[1] != len(self.sizes):
            raise InputError(f"factors must be {expected}, got shape {array.shape}")
        if array.dtype.kind not in "iu":
            raise InputError(f"factors must be {expected}, got dtype {array.dtype}")
        for name, size, values in zip(self.names, self.sizes, array.T, strict=True):
            if values.size and (values.min() < 0 or values.max() >= size):
                bad = values.min() if values.min() < 0 else values.max()
                raise InputError(f"factor {name} must be in 0..{size - 1}, got {bad}")
        return array.astype(np.int64, copy=False)

    def index(self, classes: object) -> NDArray[np.int64]:
        """Map classes (n, K) to grid rows (n,)."""
        rows = np.ravel_multi_index(tuple(self.check(classes).T), self.sizes)
        return np.asarray(rows, np.int64)

    def classes(self, rows: object) -> NDArray[np.int64]:
        """Map grid rows (n,) to classes (n, K)."""
        array = np.asarray(rows, dtype=np.int64)
        if array.size and (array.min() < 0 or array.max() >= len(self)):
            bad = array.min() if array.min() < 0 else array.max()
            raise InputError(f"rows must be in 0..{len(self) - 1}, got {bad}")
        return np.stack(np.unravel_index(array, self.sizes), axis=-1).astype(np.int64)

    def table(self) -> NDArray[np.int64]:
        """Return the classes of every row of the grid, (len(self), K)."""
        return self.classes(np.arange(len(self)))

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw `n` rows of classes uniformly, (n, K)."""
        return rng.integers(0, self.sizes, size=(n, len(self.sizes)))

    def sample_pairs(
        self, n: int, fixed: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw `n` pairs of classes that share factor `fixed`; all else is independent.

        Source: Higgins et al. 2017, Section 3 (the metric's simulator).
        """
        if not 0 <= fixed < len(self.sizes):
            raise InputError(f"fixed must be in 0..{len(self.sizes) - 1}, got {fixed}")
        first, second = self.sample(n, rng), self.sample(n, rng)
        second[:, fixed] = first[:, fixed]
        return first, second
