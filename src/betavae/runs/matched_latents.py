"""Which latents of one run say what those of another say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from betavae.runs.opened import OpenRun, sample_rows
from betavae.runs.representation import represent

ROWS = 2000
LEAST = 0.5  # correlation from which a pair of latents counts as the same


def match_latents(
    first: NDArray[np.floating], other: NDArray[np.floating]
) -> dict[int, tuple[int, float]]:
    """Pair the latents of two runs one to one, so that their correlations are largest in all.

    Args:
        first: codes (N, M) of images.
        other: codes (N, L) of the same images.

    Returns:
        By latent of `other`: the latent of `first`, and their absolute correlation, from .5 on.

    >>> codes = np.random.default_rng(0).normal(size=(100, 2))
    >>> match_latents(codes, -codes[:, ::-1])
    {0: (1, 1.0), 1: (0, 1.0)}
    """
    from scipy.optimize import linear_sum_assignment

    def scaled(codes: NDArray[np.floating]) -> NDArray[np.float64]:
        centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
        size = np.linalg.norm(centred, axis=0)
        return np.asarray(centred / np.where(size > 0, size, 1.0))

    alike = np.abs(scaled(other).T @ scaled(first))
    pairs = zip(*linear_sum_assignment(-alike), strict=True)
    return {
        int(k): (int(j), round(float(alike[k, j]), 2)) for k, j in pairs if alike[k, j] >= LEAST
    }


def match_runs(runs: Sequence[OpenRun], *, seed: int = 0) -> list[dict[int, tuple[int, float]]]:
    """Match each run's latents with the first one's, on the same images; nothing for the first.

    Runs of other images have no match.
    """
    first = runs[0]
    rows = sample_rows(first.dataset, ROWS, seed)
    codes = represent(first.model, first.dataset, rows=rows).codes
    return [
        {}
        if run is first or run.dataset.name != first.dataset.name
        else match_latents(codes, represent(run.model, first.dataset, rows=rows).codes)
        for run in runs
    ]
