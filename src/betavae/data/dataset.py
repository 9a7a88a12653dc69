"""A set of images with, where they are known, its factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from betavae.data.factors import Factors
from betavae.data.images import ImageStore


@dataclass(frozen=True, repr=False)
class Dataset:
    """Images and their factors, row for row.

    Attributes:
        name: how it was asked for.
        images: the store.
        grid: set when the rows are a full factor grid in order.
        labels: (N, K) integer factors of other sets, or None.
        factor_names: one name a factor, empty when there are none.

    >>> Dataset("dark", ImageStore.from_uint8(np.zeros((5, 1, 32, 32), np.uint8)))
    <Dataset 'dark': 5 images of 1 x 32 x 32, uint8, 5.1 kB; factors: none>
    """

    name: str
    images: ImageStore
    grid: Factors | None = None
    labels: NDArray[np.int64] | None = None
    factor_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        sizes: dict[str, int] = {}
        if self.grid is not None:
            sizes = dict(zip(self.grid.names, self.grid.sizes, strict=True))
        named = [f"{name} {sizes[name]}" if sizes else name for name in self.factor_names]
        factors = ", ".join(named) or "none"
        return f"<Dataset {self.name!r}: {self.images.summary}; factors: {factors}>"

    def factors(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the factors of `rows`, (n, K), or None when the set has none."""
        if self.grid is not None:
            return self.grid.classes(rows)
        return None if self.labels is None else self.labels[rows]
