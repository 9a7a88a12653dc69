"""A run small enough to train in a test, and the synthetic images it learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import betavae.data
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.training import run_data
from betavae.training.fit import train


def synthetic(rows: int = 240, side: int = 32, channels: int = 1) -> Dataset:
    """Squares, bars and crosses of random size and place, with their factors."""
    rng = np.random.default_rng(7)
    shape = np.arange(rows) % 3
    x, y = rng.integers(8, side - 8, (2, rows))
    half = rng.integers(3, 6, rows)[:, None, None]
    line, column = np.mgrid[:side, :side]
    right, below = np.abs(column - x[:, None, None]), np.abs(line - y[:, None, None])
    bar = (right <= half) & (below <= 1)
    cross = bar | ((below <= half) & (right <= 1))
    square = (right <= half) & (below <= half)
    images = np.stack((square, bar, cross))[shape, np.arange(rows)][:, None]
    levels = rng.integers(80, 255, (rows, channels, 1, 1)) if channels == 3 else 255
    store = ImageStore.from_uint8((images * levels).astype(np.uint8))
    labels = np.stack((shape, x, y), axis=1).astype(np.int64)
    return Dataset("synthetic", store, None, labels, ("shape", "posX", "posY"))


def squares_file(folder: Path, rows: int, columns: int, *, side: int, square: int) -> str:
    """Write a square at rows x columns places as a file that names its factors, x and y."""
    x, y = np.divmod(np.arange(rows * columns), columns)
    images = np.zeros((rows * columns, side, side), np.uint8)
    for row in range(len(images)):
        images[row, y[row] : y[row] + square, x[row] : x[row] + square] = 255
    path = folder / "squares.npz"
    np.savez(path, images=images, factors=np.stack([x, y], 1), factor_names=["x", "y"])
    return str(path)


def load_synthetic(name: str, **options: object) -> Dataset:
    """Stand in for `betavae.data.load`."""
    return synthetic()


def find_synthetic(patch: pytest.MonkeyPatch) -> None:
    """Let `betavae.data.load`, and who looks for a run's images, find the synthetic ones."""
    patch.setattr(betavae.data, "load", load_synthetic)
    patch.setattr(run_data, "_place", lambda folder, header: header.config.data)


GRID = Factors(("shape", "posX", "posY"), (2, 6, 6))


def grid_images(name: str = "grid", **options: object) -> Dataset:
    """Squares and bars on a 6 x 6 grid of places: 32x32 binary images of a full factor grid."""
    images = np.zeros((len(GRID), 1, 32, 32), np.uint8)
    for image, (shape, x, y) in zip(images, GRID.table(), strict=True):
        image[0, 4 * y : 4 * y + 8 - 5 * shape, 4 * x : 4 * x + 8] = 1
    return Dataset("grid", ImageStore.from_binary(images), GRID, None, GRID.names)


def train_small(folder: Path) -> Path:
    """Train a hundred steps into `folder`."""
    config = Config(
        data="synthetic", network="patch", latents=4, images=800, batch=8, beta=0.01,
        beta_schedule="constant",
    )  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would only slow so small a network down
    train(config, synthetic(), folder, progress=False)
    torch.set_num_threads(threads)
    return folder
