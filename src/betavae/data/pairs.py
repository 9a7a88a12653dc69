"""Pairs that a user brings: frames of a film, or a list of file names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.batches import DataOrder, Draw, Rows, Sampler
from betavae.data.dataset import Dataset
from betavae.data.readers.file_names import Files
from betavae.data.readers.tables import read_table


def consecutive(dataset: Dataset, batch: int, seed: int) -> Draw:
    """Draw an image and the next one of the set, every such pair once an epoch.

    It assumes that the set's order is time; pictures of a folder are in the order of their names.

    Raises:
        InputError: for a set of one image.
    """
    first = np.arange(len(dataset.images) - 1)
    return _drawn(np.stack((first, first + 1), axis=1), batch, seed)


def listed_pairs(path: Path) -> Sampler:
    """Make the sampler of the pairs in a table: two columns of the pictures' file names.

    Args:
        path: a CSV; its first two columns are read, names as in `factors.csv`.

    Raises:
        InputError: when a data set is given, for a table that cannot be read, has one column or
            names a file that is not there, and where the set's images have no names.
    """

    def sampler(dataset: Dataset, batch: int, seed: int) -> Draw:
        return _drawn(read_pairs(path, dataset), batch, seed)

    return sampler


def read_pairs(path: Path, dataset: Dataset) -> NDArray[np.int64]:
    """Return the rows (P, 2) of the pairs that a table names.

    Raises:
        InputError: see `listed_pairs`.
    """
    if not dataset.files:
        raise InputError(f"pairs of file names need a folder of pictures, got {dataset.name}")
    files = Files(dataset.files)
    table = read_table(path, is_file=files.__contains__)
    if len(table.columns) < 2:
        raise InputError(f"{path} must have two columns of file names, got {len(table.columns)}")
    rows = []
    for column in table.columns[:2]:
        places = np.array(
            [-1 if place is None else place for place in files.place(column.cells, 0, strict=False)]
        )
        if (places < 0).any():
            line = int(np.flatnonzero(places < 0)[0])
            raise InputError(
                f"{path} must name pictures of {dataset.name}, got '{column.cells[line]}' "
                f"in pair {line + 1}"
            )
        rows.append(places)
    return np.stack(rows, axis=1).astype(np.int64)


def _drawn(pairs: NDArray[np.int64], batch: int, seed: int) -> Draw:
    if len(pairs) < 1:
        raise InputError("training on pairs needs at least 1 pair, got 0")
    # A short list is repeated until it fills a batch: the loop asks for whole batches.
    whole = torch.from_numpy(np.tile(pairs, (-(-batch // len(pairs)), 1)))
    order = DataOrder(len(whole), batch, seed)

    def draw(step: int) -> Rows:
        first, second = whole[order(step)].unbind(dim=1)
        return Rows(first, second)

    return draw
