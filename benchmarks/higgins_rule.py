"""Where the paper's linear baselines land, by L and by classifier, and how far they can be moved.

The paper states the classifier (linear softmax, Adagrad at 1e-2, until convergence), not L, nor its
batch or steps. This prints the accuracy of ground truth, PCA (ten whitened components of all
737,280 images) and raw pixels at the optimum of the loss and after 30,000 Adagrad steps; then PCA
with each pair of neighbouring components rotated, and PCA of subsets of the images.
docs/metrics.md has the table. PCA takes minutes the first time, and is kept in `.peer/`.

Run: python benchmarks/higgins_rule.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.data import load
from betavae.data.dataset import Dataset
from betavae.metrics import Draws, factor_table, higgins_score
from betavae.metrics._shared.groups import Groups, group_rows
from betavae.metrics._shared.softmax import fit_softmax, train_softmax
from betavae.models.linear import moments, pca

PCA = Path(__file__).resolve().parent.parent / ".peer" / "pca.npz"
PAIRS = (5, 20, 64, 200)
ROWS = 16_384
SUBSET = 30_000

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


def pixels(dataset: Dataset, factors: NDArray[np.int64], n_pairs: int) -> dict[str, float]:
    """Score raw pixels with both classifiers."""
    packed = np.asarray(dataset.images.data, np.uint8)
    groups = [group_rows(factors[:, k]) for k in range(1, 5)]
    (x, y), (x_test, y_test) = (
        pixel_features(packed, groups, n, n_pairs, seed) for seed, n in enumerate((10_000, 5_000))
    )
    some = np.random.default_rng(2).integers(len(packed), size=ROWS)
    lit = np.unpackbits(packed[some], axis=1).mean(axis=0)
    unit = np.float32(np.sqrt(lit * (1 - lit)).max())  # the largest standard deviation
    rng = np.random.default_rng(1)
    fits = {
        "optimum": fit_softmax(x / unit, y, 4),
        "adagrad": train_softmax(x / unit, y, 4, rng=rng),
    }
    return {
        name: round(float((fit.predict(x_test / unit) == y_test).mean()), 4)
        for name, fit in fits.items()
    }


def main() -> dict[str, Any]:
    """Print and return the test accuracy by codes, classifier and L."""
    dataset = load("shapes2d")
    factors = dataset.factors(np.arange(len(dataset.images)))
    assert factors is not None
    names = dataset.factor_names
    packed = np.asarray(dataset.images.data, np.uint8)

    def score(codes: Floats, n_pairs: int, protocol: str = "higgins2017", seeds: int = 3) -> float:
        found = higgins_score(
            codes,
            factor_table(factors, names),
            protocol=protocol,
            draws=Draws(n_pairs=n_pairs, repeats=seeds),
        )
        return round(found.score, 4)

    components = principal_components(dataset)
    codes = {"ground truth": (factors / factors.max(axis=0)).astype(np.float32), "PCA": components}
    found: dict[str, Any] = {}
    for pairs in PAIRS:
        for name, each in codes.items():
            found[f"{name}, L = {pairs}"] = {
                "optimum": score(each, pairs),
                "adagrad": score(each, pairs, "higgins2017-adagrad"),
            }
        if pairs <= 64:
            found[f"raw pixels, L = {pairs}"] = pixels(dataset, factors, pairs)
        for name, line in found.items():
            if name.endswith(f"L = {pairs}"):
                print(name, line, flush=True)
    turned = []
    for first in range(9):
        for degrees in (15, 30, 45, 60, 75):
            angle = np.deg2rad(degrees)
            pair = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            moved = components.copy()
            moved[:, first : first + 2] = components[:, first : first + 2] @ pair
            turned.append(score(moved, 20, seeds=1))
    found["PCA with a pair of neighbours rotated, L = 20"] = [min(turned), max(turned)]
    subsets = []
    for seed in range(5):
        rows = np.random.default_rng(seed).choice(len(factors), SUBSET, replace=False)
        flat = np.unpackbits(packed[rows], axis=1).astype(np.float32)
        flat -= flat.mean(axis=0)
        values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
        axes = vectors[:, -10:] / np.sqrt(values[-10:])
        whole = np.concatenate(
            [
                np.unpackbits(packed[start : start + ROWS], axis=1) @ axes
                for start in range(0, len(factors), ROWS)
            ]
        ).astype(np.float32)
        subsets.append(score(whole, 20, seeds=1))
    found[f"PCA of {SUBSET:,} images, L = 20"] = [min(subsets), max(subsets)]
    for name in list(found)[-2:]:
        print(name, found[name], flush=True)
    return found


if __name__ == "__main__":
    main()
