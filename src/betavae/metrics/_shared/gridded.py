"""Densities of the aggregate posterior on a grid: exact enough, and linear in the rows.

The aggregate posterior of one latent, ``q(z) = 1/N sum_n N(z; mu_n, sigma_n^2)``, costs N per
point z when summed as it stands. Rows with (almost) the same variance share a kernel, so their
sum is a histogram of means convolved with that kernel: one FFT a variance instead of N Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints

CELLS_PER_SD = 8
"""Grid cells in the smallest posterior standard deviation; four times as many below 10,000 rows,
whose rounding errors do not average out. Entropies are then good to 1e-3."""
MAX_CELLS = 1 << 16
MAX_VARIANCES = 64
"""Groups of rows by variance: steps of 0.1 in log variance, wider when that gives more."""


@dataclass(frozen=True)
class Grid:
    """Where one latent's rows lie on a grid of means and a set of variances.

    Attributes:
        cell: (N,) index of the cell of each row's mean.
        kernel: (N,) index of each row's variance.
        transform: (kernels, frequencies) Fourier transforms of the Gaussian kernels.
        low: centre of cell 0.
        width: width of a cell.
        cells: number of cells.
    """

    cell: Ints
    kernel: Ints
    transform: Floats
    low: float
    width: float
    cells: int


def make_grid(mean: Floats, log_var: Floats) -> Grid:
    """Lay a grid under the posteriors ``N(mean, exp(log_var))`` of one latent, both (N,)."""
    from scipy.fft import next_fast_len

    mean, log_var = mean.astype(np.float64), log_var.astype(np.float64)
    low_lv, high_lv = float(log_var.min()), float(log_var.max())
    kernels = int(np.clip(np.ceil((high_lv - low_lv) / 0.1), 1, MAX_VARIANCES))
    step = (high_lv - low_lv) / kernels or 1.0
    kernel = np.minimum(((log_var - low_lv) / step).astype(np.int64), kernels - 1)
    sizes = np.bincount(kernel, minlength=kernels)
    variance = np.bincount(kernel, np.exp(log_var), minlength=kernels) / np.maximum(sizes, 1)
    margin = 6 * np.exp(high_lv / 2)
    low, high = float(mean.min()) - margin, float(mean.max()) + margin
    per_sd = CELLS_PER_SD if len(mean) >= 10_000 else 4 * CELLS_PER_SD
    width = max(np.exp(low_lv / 2) / per_sd, (high - low) / MAX_CELLS)
    cells = int(next_fast_len(int(np.ceil((high - low) / width)) + 1, real=True))
    cell = np.rint((mean - low) / width).astype(np.int64)
    # Rounding means to cells adds the rounding errors' variance (width^2 / 12 for many rows,
    # Sheppard's correction): take it off the kernel.
    error = mean - (low + cell * width)
    first = np.bincount(kernel, error, minlength=kernels) / np.maximum(sizes, 1)
    second = np.bincount(kernel, error**2, minlength=kernels) / np.maximum(sizes, 1)
    # Posteriors narrower than a cell (only when MAX_CELLS is reached) are widened to one cell.
    left = np.maximum(variance - (second - first**2), width**2)
    omega = 2 * np.pi * np.fft.rfftfreq(cells, d=width)
    transform = np.exp(-0.5 * left[:, None] * omega**2)
    return Grid(cell, kernel, transform, low, width, cells)


def densities(grid: Grid, groups: Ints, n_groups: int) -> tuple[Floats, Floats]:
    """Aggregate-posterior density of each group of rows, on the grid.

    Args:
        grid: from `make_grid`.
        groups: (N,) group of each row, negative for rows to leave out.
        n_groups: number of groups.

    Returns:
        (n_groups, cells) densities that sum to 1 / width, and (n_groups,) row counts.
    """
    from scipy.fft import irfft, rfft

    kernels = len(grid.transform)
    rows = groups >= 0
    if rows.all():
        index = (groups * kernels + grid.kernel) * grid.cells + grid.cell
    else:
        index = (groups[rows] * kernels + grid.kernel[rows]) * grid.cells + grid.cell[rows]
    sizes = np.bincount(groups[rows], minlength=n_groups).astype(np.float64)
    density = np.empty((n_groups, grid.cells))
    # A few groups at a time: the histograms of 40 values x 64 variances would not fit in memory.
    batch = max(1, (1 << 22) // (kernels * grid.cells))
    order = np.argsort(index) if batch < n_groups else None
    if order is not None:
        index = index[order]
    for first in range(0, n_groups, batch):
        count = min(batch, n_groups - first)
        size = kernels * grid.cells
        if order is None:
            part = index
        else:
            bounds = np.searchsorted(index, [first * size, (first + count) * size])
            part = index[bounds[0] : bounds[1]] - first * size
        histogram = np.bincount(part, minlength=count * size).reshape(count, kernels, grid.cells)
        wave = np.zeros((count, grid.transform.shape[1]), np.complex128)
        for r in range(kernels):
            used = np.flatnonzero(histogram[:, r].any(axis=1))
            if len(used):
                wave[used] += rfft(histogram[used, r].astype(np.float64)) * grid.transform[r]
        density[first : first + count] = irfft(wave, grid.cells)
    np.maximum(density, 0.0, out=density)  # the FFT leaves -1e-16 where there is nothing
    density /= np.maximum(density.sum(axis=1, keepdims=True), 1e-300) * grid.width
    return density, sizes


def differential_entropy(density: Array, width: float) -> Array:
    """Differential entropy in nats, ``-sum p log p width``, of densities (..., cells)."""
    return np.asarray(-(density * np.log(np.where(density > 0, density, 1.0))).sum(-1) * width)


def posterior_information(
    mean: Floats, log_var: Floats, groups: Ints, n_groups: int
) -> tuple[float, Array]:
    """Mutual information I(z; v) in nats of one latent with a factor, and the joint density.

    ``I = H(q(z)) - sum_v p(v) H(q(z | v))`` with z from q(z | x). Returns it with ``p(v) q(z | v)``
    summed into cells: (n_groups, cells), which sums to 1 / width.
    """
    grid = make_grid(mean, log_var)
    return grid_information(grid, groups, n_groups)


def grid_information(grid: Grid, groups: Ints, n_groups: int) -> tuple[float, Array]:
    """`posterior_information` on a grid that is laid already."""
    density, sizes = densities(grid, groups, n_groups)
    weight = sizes / sizes.sum()
    joint = density * weight[:, None]
    marginal = float(differential_entropy(joint.sum(axis=0), grid.width))
    conditional = differential_entropy(density, grid.width)
    return max(marginal - float(weight @ conditional), 0.0), joint
