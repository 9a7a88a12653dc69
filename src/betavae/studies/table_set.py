"""The data set of a table study, and what the paper's protocol takes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data import shapes2d
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors

SHAPE = "shape"  # resampled freely by the metric; ICA is fitted to pairs of shapes (A.3, A.4)
CHOICE = 7  # seed of the choice of rows, one for every cell, so that codes compare


@dataclass(frozen=True)
class Protocol:
    """How the paper's protocol reads a factor grid.

    Attributes:
        grid: the factors.
        shapes: a name for each value of the factor ``shape``; one, ``all``, where there is none.
        scored: the columns of the factors that the metric holds fixed: all but the shape.

    >>> Protocol.of("shapes2d", shapes2d.FACTORS).pairs
    ((0, 1), (0, 2), (1, 2))
    """

    grid: Factors
    shapes: tuple[str, ...]
    scored: tuple[int, ...]

    @classmethod
    def of(cls, name: str, grid: Factors | None) -> Protocol:
        """Return the protocol on a data set of this name and grid.

        Raises:
            InputError: when the set lacks what the protocol needs.
        """
        need = "the paper's table needs a full grid of two factors or more besides the shape"
        if grid is None:
            raise InputError(f"{need}; {name} has no full factor grid")
        scored = tuple(k for k, factor in enumerate(grid.names) if factor != SHAPE)
        if len(scored) < 2:
            raise InputError(f"{need}; {name} has the factors {', '.join(grid.names)}")
        count = grid.sizes[grid.column(SHAPE)] if SHAPE in grid.names else 1
        known = shapes2d.SHAPES if count == len(shapes2d.SHAPES) else ()
        names = known or tuple(f"shape{k}" for k in range(count))
        return cls(grid, names if count > 1 else ("all",), scored)

    @property
    def pairs(self) -> tuple[tuple[int, ...], ...]:
        """The pairs of shapes that ICA is fitted to; everything at once where there is one."""
        return tuple(combinations(range(len(self.shapes)), 2)) or ((0,),)

    def shape_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the shape (n,) that rows of the grid show."""
        if len(self.shapes) == 1:
            return np.zeros(len(rows), np.int64)
        column = self.grid.column(SHAPE)
        below = int(np.prod(self.grid.sizes[column + 1 :], dtype=np.int64))
        return rows // below % self.grid.sizes[column]

    def part_name(self, shapes: tuple[int, ...]) -> str:
        """Return the folder of what is fitted to some of the shapes.

        >>> Protocol.of("shapes2d", shapes2d.FACTORS).part_name((0, 2))
        'square-heart'
        """
        return "-".join(self.shapes[shape] for shape in shapes)


@lru_cache(maxsize=1)
def table_set(name: str) -> Dataset:
    """Return a study's data set, read once a process."""
    return datasets.load(name)


def protocol_on(name: str) -> Protocol:
    """Return the protocol on a data set; the 2D shapes need not be rendered for it.

    Raises:
        InputError: when the set is not there or lacks what the protocol needs.
    """
    return Protocol.of(name, shapes2d.FACTORS if name == "shapes2d" else table_set(name).grid)


def chosen_rows(dataset: Dataset, rows: int | None) -> NDArray[np.int64] | None:
    """Return the rows that every cell of a study encodes; None for all."""
    if rows is None or rows >= len(dataset.images):
        return None
    rng = np.random.default_rng(CHOICE)
    return np.sort(rng.choice(len(dataset.images), rows, replace=False))
