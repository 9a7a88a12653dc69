"""A set of images with, where they are known, its factors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.data.factors import Factors
from betavae.data.images import ImageStore

SAMPLE = 64  # images that a fingerprint looks at


@dataclass(frozen=True)
class Fingerprint:
    """What tells a data set from another one, without reading all of it.

    Attributes:
        count: N.
        image_shape: (C, H, W).
        digest: SHA-256 of some of the images' pixels, in whatever form they are stored.
    """

    count: int
    image_shape: tuple[int, int, int]
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "count": self.count, "image_shape": list(self.image_shape), "digest": self.digest
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class Dataset:
    """Images and their factors, row for row.

    Attributes:
        name: how it was asked for.
        images: the store.
        grid: set when the rows are a full factor grid in order.
        labels: (N, K) integer factors of other sets, -1 where not known, or None.
        factor_names: one name a factor, empty when there are none.
        value_names: by factor, the names of its classes, for factors whose values are words.
        files: the images' file names, relative to their folder or archive; empty for arrays.
        notes: what was assumed or left out when it was read, a line each.
        whole: of a part of a full grid, that grid and the part's rows in it, rising.

    >>> Dataset("dark", ImageStore.from_uint8(np.zeros((5, 1, 32, 32), np.uint8)))
    <Dataset 'dark': 5 images of 1 x 32 x 32, uint8, 5.12 kB; factors: none>
    """

    name: str
    images: ImageStore
    grid: Factors | None = None
    labels: NDArray[np.int64] | None = None
    factor_names: tuple[str, ...] = ()
    value_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    whole: tuple[Factors, NDArray[np.int64]] | None = None

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

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """How many classes each factor has: a grid's, else one more than its largest class.

        >>> store = ImageStore.from_uint8(np.zeros((2, 1, 8, 8), np.uint8))
        >>> Dataset("a", store, labels=np.array([[0, 3], [-1, 1]])).factor_sizes
        (1, 4)
        """
        grid = self.grid if self.whole is None else self.whole[0]
        if grid is not None:
            return grid.sizes
        return () if self.labels is None else tuple(int(n) + 1 for n in self.labels.max(axis=0))

    def noted(self, notes: Iterable[str]) -> Dataset:
        """Return the same data set with notes before its own."""
        return replace(self, notes=(*notes, *self.notes))

    def fingerprint(self) -> Fingerprint:
        """Return count, shape and a digest of up to 64 images, alike wherever the set lies.

        >>> store = ImageStore.from_uint8(np.zeros((3, 1, 8, 8), np.uint8))
        >>> Dataset("a", store).fingerprint() == Dataset("b", store).fingerprint()
        True
        """
        count = len(self.images)
        rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
        # In order, so that pages of a mapped file are read once; a binary image is the same
        # packed or not.
        pixels = self.images.stored(rows)
        if self.images.packed:
            pixels = np.unpackbits(pixels, axis=1) * np.uint8(255)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        return Fingerprint(count, self.images.image_shape, digest)
