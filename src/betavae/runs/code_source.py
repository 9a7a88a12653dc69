"""Anything that has codes: a trained run, or a file of codes that some other method wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.runs.latent_ranges import Decode, decoder
from betavae.runs.opened import OpenRun, open_run
from betavae.runs.representation import Representation, represent

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class CodeSource:
    """Codes of a data set, and whatever else their method can do.

    Attributes:
        name: what to call it.
        path: the run folder or file it came from.
        encode: rows of the data set (all if None) -> their codes.
        grid: the factor grid, when the rows are all of it.
        rows: how many rows there are.
        decode: codes (n, M) -> images (n, C, H, W) in [0, 1]; None when it cannot draw.
        dataset: the images, where they are at hand.
    """

    name: str
    path: Path
    encode: Callable[[Rows | None], Representation]
    grid: Factors | None
    rows: int
    decode: Decode | None = None
    dataset: Dataset | None = None

    def sample(self, rows: int, seed: int = 0) -> Representation:
        """Return the codes of `rows` random rows, or of all where there are no more."""
        if rows >= self.rows:
            return self.encode(None)
        chosen = np.random.default_rng(seed).choice(self.rows, rows, replace=False)
        return self.encode(np.sort(chosen))

    def balanced(self, rows: int, seed: int = 0, *, whole: Sequence[str] = ()) -> Representation:
        """Return codes in which every factor value meets every other equally often.

        On a full grid the long factors are thinned until about `rows` are left, so that
        averages over "the rest" carry no sampling noise; elsewhere it is a random sample.
        The factors named `whole` keep every value.
        """
        if self.grid is None or rows >= self.rows:
            return self.sample(rows, seed)
        return self.encode(thinned(self.grid, rows, whole))


def thinned(grid: Factors, rows: int, whole: Sequence[str] = ()) -> Rows:
    """Return the rows of a grid whose longest factors keep every 2nd, 4th, ... value.

    Args:
        grid: the factors.
        rows: how many rows to keep at most, about.
        whole: factors that keep every value, whatever comes of the number of rows.

    >>> thinned(Factors(("shape", "posX"), (2, 8)), 8).tolist()
    [0, 2, 4, 6, 8, 10, 12, 14]
    """
    strides = [1] * len(grid.sizes)
    left = [*grid.sizes]
    free = [k for k, name in enumerate(grid.names) if name not in whole]
    while free and int(np.prod(left)) > rows and max(left[k] for k in free) > 2:
        longest = max(free, key=left.__getitem__)
        strides[longest] *= 2
        left[longest] = -(-grid.sizes[longest] // strides[longest])
    kept = [np.arange(0, size, stride) for size, stride in zip(grid.sizes, strides, strict=True)]
    classes = np.stack(np.meshgrid(*kept, indexing="ij"), axis=-1).reshape(-1, len(kept))
    return grid.index(classes)


def open_source(path: Path, *, data: str | None = None) -> CodeSource:
    """Open a run folder, or a .npz of codes as `betavae encode` writes it.

    Raises:
        InputError: when it is neither, or the run's data is gone.
    """
    if path.is_file() and path.suffix == ".npz":
        return _from_codes(path, Representation.load(path))
    return source_of_run(open_run(path, data=data))


def source_of_run(run: OpenRun, *, progress: bool = True) -> CodeSource:
    """Return the codes of an open run."""
    return CodeSource(
        name=run.folder.resolve().name,
        path=run.folder,
        encode=lambda rows: represent(run.model, run.dataset, rows=rows, progress=progress),
        grid=run.dataset.grid,
        rows=len(run.dataset.images),
        decode=decoder(run.model),
        dataset=run.dataset,
    )


def _from_codes(path: Path, codes: Representation) -> CodeSource:
    sizes = codes.factor_sizes

    return CodeSource(
        name=path.stem,
        path=path,
        encode=lambda rows: codes if rows is None else codes.picked(rows),
        grid=None if sizes is None else Factors(codes.factor_names, sizes),
        rows=len(codes.codes),
    )


def factors_of(codes: Representation, what: str, path: Path) -> NDArray[np.int64]:
    """Return the factors (N, K).

    Raises:
        InputError: where there are none.
    """
    if codes.factors is None:
        raise InputError(f"{what} needs factors, and the data of {path} has none")
    return codes.factors
