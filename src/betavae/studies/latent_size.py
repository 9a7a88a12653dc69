"""Score against beta and the number of latents (Higgins et al. 2017, Fig. 5 right)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.models.vae import VAE
from betavae.runs.opened import open_run, seed_rows
from betavae.studies import study_figures
from betavae.studies.cells import Cell, finished, open_study, weights_of
from betavae.studies.engines import Engine
from betavae.studies.presets import PAPER_NETWORK, SWEEP
from betavae.studies.run_cells import run_cells
from betavae.studies.table import CLASSIFIERS, PAIRS
from betavae.studies.table_work import fit_work, score_work

PROTOCOL = "higgins2017"
STUDY_NAME = "latent-size"
LATENTS = (2, 5, 10, 20, 50)
BETA_NORMS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # beta_norm = beta M / N (A.5)
PICTURES = 8  # images reconstructed at the best and the worst score


@dataclass(frozen=True)
class Sweep:
    """What is trained and scored.

    Attributes:
        latents: numbers of latents, M.
        beta_norms: normalised betas, beta M / N.
        replicas: fits of each cell of the grid; their scores are averaged.
        images: training length.
        rows: random images to encode and score; all if None.
        paper_network: train the paper's network with its optimiser (Table 1), not the fast one.
        quick: a 2 x 2 grid of a few steps, whose scores mean nothing.

    Raises:
        InputError: for numbers out of range.
    """

    latents: Sequence[int] = LATENTS
    beta_norms: Sequence[float] = BETA_NORMS
    replicas: int = 1
    images: int = 300_000
    rows: int | None = None
    paper_network: bool = False
    quick: bool = False

    def __post_init__(self) -> None:
        for name in ("latents", "beta_norms"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise InputError(f"{name} must be numbers > 0, got {list(values)}")
        for name in ("replicas", "images", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be >= 1, got {value}")

    def settled(self) -> Sweep:
        """Return the sweep as it is run: small where it is quick, every value once, rising."""
        latents, norms = list(self.latents), list(self.beta_norms)
        images, rows = self.images, self.rows
        if self.quick:
            latents, norms = latents[-4:][:2], norms[-4:][:2]
            images, rows = min(images, 640), min(rows or 2000, 2000)
        return replace(
            self, latents=sorted(set(latents)), beta_norms=sorted(set(norms)), images=images,
            rows=rows,
        )  # fmt: skip


def sweep_cells(sweep: Sweep) -> tuple[list[Cell], list[Cell]]:
    """Return a cell a model and a cell a score of it, over the whole grid.

    >>> models, scores = sweep_cells(Sweep(latents=[5], beta_norms=[0.01]))
    >>> models[0].name, scores[0].options["codes"]
    ('models/M5-b0.01/0', 'models/M5-b0.01/0')
    """
    models, scores = [], []
    shared = PAPER_NETWORK if sweep.paper_network else SWEEP
    points = [200, 100] if sweep.quick else [10_000, 5_000]
    for size, norm, replica in product(sweep.latents, sweep.beta_norms, range(sweep.replicas)):
        name = f"M{size}-b{norm:g}/{replica}"
        config = {"latents": size, "beta_norm": norm, "images": sweep.images, "seed": replica}
        models.append(Cell(f"models/{name}", {"config": {**shared, **config}, "rows": sweep.rows}))
        options = {
            "codes": f"models/{name}",
            "replica": replica,
            "protocol": PROTOCOL,
            "n_pairs": PAIRS,
            "seeds": CLASSIFIERS,
            "rows": sweep.rows,
            "points": points,
        }
        scores.append(Cell(f"scores/{name}", options))
    return models, scores


def run_latent_size(
    folder: Path,
    sweep: Sweep | None = None,
    *,
    engine: Engine | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train and score the grid; write sweep.json.

    Args:
        folder: the study's; finished cells are not done again.
        sweep: what is trained and scored.
        engine: where cells run, and how many at a time.
        progress: show the live table on stderr.

    Returns:
        What sweep.json holds.

    Raises:
        InputError: for a folder that cannot be used, or when cells failed.
        StudyStopped: after Ctrl-C; the same command goes on.
    """
    sweep = (sweep or Sweep()).settled()
    kept = ("images", "rows", "quick", "paper_network")
    open_study(folder, STUDY_NAME, {name: getattr(sweep, name) for name in kept})
    models, scores = sweep_cells(sweep)
    for cell in (*models, *scores):  # a cell of other options is reported before any is run
        finished(folder, cell)
    score = partial(score_work, folder, "shapes2d")
    fits: dict[str, dict[str, Any]] = {}
    for title, cells, work in (
        ("models", models, partial(fit_work, folder)),
        ("scores", scores, score),
    ):
        fits |= run_cells(folder, cells, work, title=title, engine=engine, progress=progress)
    found = [
        {
            **cell.options["config"],
            "folder": cell.name,
            "scores": fits[score.name]["scores"],
            "score": float(np.mean(fits[score.name]["scores"])),
            **{key: fits[cell.name].get(key) for key in ("distortion", "rate", "active_latents")},
        }
        for cell, score in zip(models, scores, strict=True)
    ]
    outcome = {
        "study": STUDY_NAME,
        "protocol": PROTOCOL,
        "n_pairs": PAIRS,
        **asdict(sweep),
        "grid": _grid(found, sweep.latents, sweep.beta_norms),
        "weights": weights_of(folder, [cell.name for cell in models]),
        "cells": found,
    }
    write_json(folder / "sweep.json", outcome)
    return outcome


def _grid(
    cells: Sequence[Mapping[str, Any]], latents: Sequence[int], beta_norms: Sequence[float]
) -> list[list[float]]:
    """Return mean scores, a list a number of latents."""

    def mean(size: int, norm: float) -> float:
        mine = [c["score"] for c in cells if c["latents"] == size and c["beta_norm"] == norm]
        return float(np.mean(mine))

    return [[mean(size, norm) for norm in beta_norms] for size in latents]


def write_sweep_figures(outcome: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write heat map, curves, and reconstructions at the best and worst score."""
    grid = 100 * np.array(outcome["grid"])
    norms, latents = outcome["beta_norms"], outcome["latents"]
    cells = outcome["cells"]
    ranked = sorted(cells, key=lambda cell: -cell["score"])
    rows, labels = [], []
    for cell in (ranked[0], ranked[-1]):
        run = open_run(folder / cell["folder"])
        assert isinstance(run.model, VAE)
        chosen = seed_rows(run.dataset, PICTURES, np.random.default_rng(0))
        images = run.dataset.images[chosen]
        rows.append(run.model.reconstruct(images).detach().numpy())
        labels.append(
            f"{100 * cell['score']:.0f} %\nM = {cell['latents']}\nβ norm {cell['beta_norm']:g}"
        )
    sheet = figures.labelled_rows(np.stack([images.numpy(), *rows]), ["input", *labels])
    drawn = {
        "heat.png": study_figures.sweep(outcome),
        "curves.png": figures.sweep_curves(norms, latents, grid),
        "reconstructions.png": sheet,
    }
    weights = outcome["weights"].values()
    return [figures.save(one, folder / name, weights=weights) for name, one in drawn.items()]
