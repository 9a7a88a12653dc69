"""Few labels: codes of a beta-VAE and a VAE against raw pixels and PCA, on the 2D shapes.

The introduction of Higgins et al. 2017 says what codes are for: learning a task from few examples,
and carrying it over to combinations never seen. So from n labelled images a ridge regression and
three nearest neighbours learn posX, posY and scale, and a logistic regression and the neighbours
the shape; R2 (accuracy for the shape) is measured on other images. "Unseen half": the labels come
from one half of the picture (posY for posX and scale, posX for posY), the test from the other.
Codes, and PCA, are learned without labels, from images of everywhere.

Run: python benchmarks/transfer.py [--runs runs/plain] [--out FILE], after the two trainings in
docs/gallery.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from betavae._system.files import write_json
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.runs.opened import open_run
from betavae.runs.representation import represent
from betavae.training.build import Model
from betavae.training.fit import train

LABELS = (10, 30, 100, 300, 1000)
NUMBERS = ("posX", "posY", "scale")
ACROSS = {"posX": "posY", "posY": "posX", "scale": "posY"}
HALF = 16  # of the 32 positions
DRAWS = 5
TEST = 2_000
ROWS = 12_000


def learner(kind: str, target: str) -> BaseEstimator:
    """Return a learner on standardised features."""
    if kind == "neighbours":
        last = KNeighborsRegressor(3) if target in NUMBERS else KNeighborsClassifier(3)
    elif target in NUMBERS:
        last = RidgeCV(np.logspace(-3, 5, 17))
    else:
        last = LogisticRegression(max_iter=1000)
    return make_pipeline(StandardScaler(), last)


def features(runs: Path, dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return every representation of `rows`, by name."""
    pixels = dataset.images[rows].numpy().reshape(len(rows), -1)
    untrained = train(Config(beta=1, images=0, seed=0), dataset, progress=False).model
    models: dict[str, Model] = {
        "beta-VAE": open_run(runs / "beta4").model,
        "VAE": open_run(runs / "beta1").model,
        "VAE untrained": untrained,
    }
    found = {name: represent(model, dataset, rows=rows).mean for name, model in models.items()}
    return {**found, "PCA 10": PCA(10, whiten=True, random_state=0).fit_transform(pixels),
            "raw pixels": pixels}  # fmt: skip


def scores(
    values: NDArray[Any],
    target: NDArray[Any],
    name: str,
    kind: str,
    pools: tuple[NDArray[np.int64], NDArray[np.int64]],
    labels: int,
) -> list[float]:
    """Return the score of each draw of labels."""
    pool, test = pools
    out = []
    for draw in range(DRAWS):
        rows = np.random.default_rng(draw).choice(pool, labels, replace=False)
        fitted = learner(kind, name).fit(values[rows], target[rows])
        out.append(round(float(fitted.score(values[test], target[test])), 4))
    return out


def main(runs: Path = Path("runs/plain")) -> dict[str, Any]:
    """Measure everything and print a table."""
    dataset = open_run(runs / "beta4").dataset
    rows = np.sort(np.random.default_rng(0).choice(len(dataset.images), ROWS, replace=False))
    factors = dataset.factors(rows)
    assert factors is not None
    columns = {name: factors[:, k] for k, name in enumerate(dataset.factor_names)}
    order = np.random.default_rng(1).permutation(ROWS)
    everywhere = order[TEST:], order[:TEST]
    results: list[dict[str, Any]] = []
    for representation, values in features(runs, dataset, rows).items():
        for kind in ("linear", "neighbours"):
            for target in (*NUMBERS, "shape"):
                for labels in LABELS:
                    found = scores(values, columns[target], target, kind, everywhere, labels)
                    results.append(
                        {"representation": representation, "learner": kind, "target": target,
                         "labels": labels, "half": False, "scores": found}
                    )  # fmt: skip
            for target, other in ACROSS.items():
                low = columns[other][order] < HALF
                halves = order[low], order[~low][:TEST]
                found = scores(values, columns[target], target, kind, halves, 300)
                results.append(
                    {"representation": representation, "learner": kind, "target": target,
                     "labels": 300, "half": True, "scores": found}
                )  # fmt: skip
        print(f"{representation} done", flush=True)
    print_table(results)
    return {"rows": ROWS, "test": TEST, "draws": DRAWS, "results": results}


def mean(results: list[dict[str, Any]], **wanted: Any) -> float:
    """Return the mean score over all draws and targets that are wanted, the better learner's."""
    by_learner = []
    for kind in ("linear", "neighbours"):
        chosen = [
            one["scores"]
            for one in results
            if one["learner"] == kind
            and all(
                one[key] in (value if isinstance(value, tuple) else (value,))
                for key, value in wanted.items()
            )
        ]
        by_learner.append(float(np.mean(chosen)))
    return max(by_learner)


def print_table(results: list[dict[str, Any]]) -> None:
    """Print the table of docs/findings/few-labels.md: the better learner in each cell."""
    heads = [f"{n} labels" for n in LABELS]
    print("| codes | " + " | ".join([*heads, "unseen half", *(f"shape, {n}" for n in (100, 1000))]))
    print("| --- |" + " --- |" * (len(LABELS) + 3))
    for name in dict.fromkeys(one["representation"] for one in results):
        cells = [
            mean(results, representation=name, target=NUMBERS, half=False, labels=n) for n in LABELS
        ]
        cells.append(mean(results, representation=name, target=NUMBERS, half=True))
        cells += [mean(results, representation=name, target="shape", labels=n) for n in (100, 1000)]
        print(f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/plain"))
    parser.add_argument("--out", type=Path, default=Path("docs/findings/few-labels.json"))
    arguments = parser.parse_args()
    write_json(arguments.out, main(arguments.runs))
