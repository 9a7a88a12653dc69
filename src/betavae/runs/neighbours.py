"""Which images of a run's data lie nearest to a picture, by their codes, and a map of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.pictures import decode
from betavae.runs.opened import OpenRun, open_run, sample_rows
from betavae.runs.representation import represent

ROWS = 20_000  # images that are searched, at most
DRAWN = 400  # of them, drawn on a map


@dataclass(frozen=True)
class Neighbour:
    """An image near a code.

    Attributes:
        row: of the data set.
        distance: between the codes, in deviations of the active latents.
    """

    row: int
    distance: float


@dataclass(frozen=True)
class CodeMap:
    """Codes of some of a run's images, to search and to draw in two dimensions.

    Distances count each active latent in its own deviations over the images; latents that say
    nothing are left out, as they hold noise.

    Attributes:
        run: the run.
        most: images at most.
        seed: of their choice.
    """

    run: OpenRun
    most: int = ROWS
    seed: int = 0

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the data set, (N,)."""
        return sample_rows(self.run.dataset, self.most, self.seed)

    @cached_property
    def _scaled(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        codes = represent(self.run.model, self.run.dataset, rows=self.rows).codes
        exact = codes.astype(np.float64)
        live = self.run.scale.active if self.run.scale.active.any() else np.ones(exact.shape[1])
        spread = exact.std(axis=0)
        weights = np.where(spread > 0, live / np.where(spread > 0, spread, 1.0), 0.0)
        centre = exact.mean(axis=0)
        return (exact - centre) * weights, centre, weights

    def nearest(self, code: NDArray[np.float32], k: int = 10) -> list[Neighbour]:
        """Return the `k` images nearest to a code (M,), the nearest first.

        Raises:
            InputError: for a code of another length, or fewer than one image.
        """
        if np.shape(code) != (self.run.model.latents,):
            raise InputError(
                f"a code must have {self.run.model.latents} numbers, got {np.size(code)}"
            )
        if k < 1:
            raise InputError(f"k must be >= 1, got {k}")
        scaled, centre, weights = self._scaled
        distance = np.linalg.norm(
            scaled - (np.asarray(code, np.float64) - centre) * weights, axis=1
        )
        order = np.argsort(distance, kind="stable")[:k]
        return [Neighbour(int(self.rows[i]), float(distance[i])) for i in order]

    def places(self, count: int = DRAWN) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows (n,) and their places (n, 2): the first two principal components, in [0, 1].

        Args:
            count: images at most, evenly taken from those of the map.
        """
        scaled, _, _ = self._scaled
        picked = np.unique(np.linspace(0, len(scaled) - 1, count).astype(np.int64))
        _, _, axes = np.linalg.svd(scaled[picked], full_matrices=False)
        flat = np.zeros((len(picked), 2))
        flat[:, : min(2, len(axes))] = scaled[picked] @ axes[:2].T
        low, high = flat.min(axis=0), flat.max(axis=0)
        return self.rows[picked], (flat - low) / np.where(high > low, high - low, 1.0)


def neighbours_of_picture(
    run_folder: Path, picture: Path, k: int = 10, *, data: str | None = None
) -> tuple[OpenRun, list[Neighbour]]:
    """Return the open run, and its images nearest to a picture file, the nearest first.

    Args:
        run_folder: the run.
        picture: a picture, cropped to its centre square and resized as the run's images.
        k: how many.
        data: another place of the run's images.

    Raises:
        InputError: when the run or the picture cannot be read.
    """
    run = open_run(run_folder, data=data)
    channels, height, width = run.dataset.images.image_shape
    if height != width:
        raise InputError(f"pictures are cropped to squares, {run_folder} has {height} x {width}")
    pixels = decode(picture, channels, height).astype(np.float32) / 255
    with torch.inference_mode():
        code = run.model.code_means(torch.from_numpy(pixels)[None])[0].numpy()
    return run, CodeMap(run).nearest(code, k)
