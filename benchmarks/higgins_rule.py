"""Where the Higgins score's training rule puts the paper's linear baselines.

The paper states the classifier (linear softmax, Adagrad at 1e-2), not its batch, its steps or L.
This prints the accuracy of ground truth, PCA (ten whitened components of all 737,280 images) and
raw pixels for several rules; docs/metrics.md has the table. PCA takes minutes the first time, and
is kept in `.peer/`.

Run: python benchmarks/higgins_rule.py [L]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.data import load
from betavae.data.dataset import Dataset
from betavae.metrics._shared.groups import Groups, group_rows
from betavae.metrics._shared.softmax import train_softmax
from betavae.metrics.higgins import draw_features
from betavae.models.linear import moments, pca

PCA = Path(__file__).resolve().parent.parent / ".peer" / "pca.npz"
RULES = ((64, 1000), (64, 3000), (64, 10_000), (64, 30_000), (500, 3000))
ROWS = 16_384

Floats = NDArray[np.float32]
Points = tuple[Floats, NDArray[np.int64]]


def principal_components(dataset: Dataset, width: int = 10) -> Floats:
    """Return whitened scores (N, width) on the leading components of all images, exactly."""
    if PCA.exists():
        with np.load(PCA) as kept:
            return np.asarray(kept["codes"], np.float32)
    store = dataset.images
    model = pca(moments(store), store.image_shape, width)
    codes = np.empty((len(store), width), np.float32)
    for start in range(0, len(store), ROWS):
        rows = np.arange(start, min(start + ROWS, len(store)))
        codes[rows] = model.code_means(store[rows]).numpy()
    PCA.parent.mkdir(exist_ok=True)
    np.savez(PCA, codes=codes)
    return codes


def pixel_features(
    packed: NDArray[np.uint8], groups: list[Groups], n: int, n_pairs: int, seed: int
) -> Points:
    """Draw points of raw pixels: the absolute difference of bits is their exclusive or."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(groups), size=n)
    features = np.empty((n, 8 * packed.shape[1]), np.float32)
    for i, k in enumerate(labels):
        values = groups[k].draw_values((n_pairs,), rng)
        one, other = (packed[groups[k].draw_rows(values, rng)] for _ in range(2))
        features[i] = np.unpackbits(one ^ other, axis=1).sum(axis=0) / np.float32(n_pairs)
    return features, labels


def main(n_pairs: int = 20) -> dict[str, Any]:
    """Print and return the test accuracy by codes and rule."""
    dataset = load("shapes2d")
    factors = dataset.factors(np.arange(len(dataset.images)))
    assert factors is not None
    groups = [group_rows(factors[:, k]) for k in range(1, 5)]  # shape is resampled freely

    def drawn(codes: Floats) -> tuple[Points, Points]:
        rngs = np.random.default_rng(0).spawn(2)
        train, test = (
            draw_features(codes, groups, n, n_pairs, rng)
            for n, rng in zip((10_000, 5_000), rngs, strict=True)
        )
        return train, test

    truth = (factors / factors.max(axis=0)).astype(np.float32)
    packed = dataset.images.data
    points = {
        "ground truth": drawn(truth),
        "PCA": drawn(principal_components(dataset)),
        "raw pixels": tuple(
            pixel_features(packed, groups, n, n_pairs, seed)
            for seed, n in enumerate((10_000, 5_000))
        ),
    }
    some = np.random.default_rng(2).integers(len(packed), size=ROWS)
    lit = np.unpackbits(packed[some], axis=1).mean(axis=0)
    units = {  # as higgins_score does: the largest standard deviation
        "ground truth": float(truth.std(axis=0).max()),
        "PCA": 1.0,
        "raw pixels": float(np.sqrt(lit * (1 - lit)).max()),
    }
    found: dict[str, Any] = {}
    for batch, steps in RULES:
        line = {}
        for name, ((x, y), (x_test, y_test)) in points.items():
            rng = np.random.default_rng(1)
            fit = train_softmax(x, y, 4, rng=rng, unit=units[name], batch=batch, steps=steps)
            line[name] = round(float((fit.predict(x_test) == y_test).mean()), 4)
        found[f"{steps} steps of {batch}"] = line
        print(f"L = {n_pairs}, {steps:6,} steps of {batch:3}: {line}", flush=True)
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
