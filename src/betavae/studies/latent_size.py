"""Score against beta and the number of latents (Higgins et al. 2017, Fig. 5 right)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.models.vae import VAE
from betavae.runs import study_figures as studies
from betavae.runs.opened import load_run, seed_rows
from betavae.studies.cells import Cell, finished, open_study, run_cells
from betavae.studies.presets import PAPER_NETWORK, SWEEP
from betavae.studies.table import CLASSIFIERS, PAIRS
from betavae.studies.table_work import fit_work, score_work

STUDY_NAME = "latent-size"
LATENTS = (2, 5, 10, 20, 50)
BETA_NORMS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # beta_norm = beta M / N (A.5)
PICTURES = 8  # images reconstructed at the best and the worst score


def sweep_cells(
    latents: Sequence[int],
    beta_norms: Sequence[float],
    *,
    replicas: int,
    images: int,
    rows: int | None,
    points: tuple[int, int],
    paper_network: bool = False,
) -> tuple[list[Cell], list[Cell]]:
    """Return a cell a model and a cell a score of it, over the whole grid.

    >>> models, scores = sweep_cells(
    ...     [5], [0.01], replicas=1, images=100, rows=None, points=(10, 5))
    >>> models[0].name, scores[0].options["codes"]
    ('models/M5-b0.01/0', 'models/M5-b0.01/0')
    """
    models, scores = [], []
    shared = PAPER_NETWORK if paper_network else SWEEP
    for size in latents:
        for norm in beta_norms:
            for replica in range(replicas):
                name = f"M{size}-b{norm:g}/{replica}"
                config = {"latents": size, "beta_norm": norm, "images": images, "seed": replica}
                models.append(
                    Cell(f"models/{name}", {"config": {**shared, **config}, "rows": rows})
                )
                options = {
                    "codes": f"models/{name}",
                    "replica": replica,
                    "n_pairs": PAIRS,
                    "seeds": CLASSIFIERS,
                    "rows": rows,
                    "points": list(points),
                }
                scores.append(Cell(f"scores/{name}", options))
    return models, scores


def run_latent_size(
    folder: Path,
    *,
    latents: Sequence[int] = LATENTS,
    beta_norms: Sequence[float] = BETA_NORMS,
    replicas: int = 1,
    images: int = 300_000,
    rows: int | None = None,
    paper_network: bool = False,
    quick: bool = False,
    engine: str = "local",
    ray_address: str | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train and score the grid; write sweep.json, two figures and the reconstructions.

    Args:
        folder: the study's; finished cells are not done again.
        latents: numbers of latents, M.
        beta_norms: normalised betas, beta M / N.
        replicas: fits of each cell of the grid; their scores are averaged.
        images: training length.
        rows: random images to encode and score; all if None.
        paper_network: train the paper's network with its optimiser (Table 1), not the fast one.
        quick: a 2 x 2 grid of a few steps, whose scores mean nothing.
        engine: ``local`` or ``ray``.
        ray_address: where Ray's head node is.
        jobs: cells at a time.
        progress: show the live table on stderr.

    Returns:
        What sweep.json holds.

    Raises:
        InputError: for options or a folder that cannot be used, or when cells failed.
        StudyStopped: after Ctrl-C; the same command goes on.
    """
    if quick:
        latents, beta_norms = latents[-4:][:2], beta_norms[-4:][:2]
        images, rows = min(images, 640), min(rows or 2000, 2000)
    for name, values in (("latents", latents), ("beta_norms", beta_norms)):
        if not values or min(values) <= 0:
            raise InputError(f"{name} must be numbers > 0, got {list(values)}")
    for name, value in (("replicas", replicas), ("images", images), ("rows", rows or 2)):
        if value < 1:
            raise InputError(f"{name} must be >= 1, got {value}")
    latents, beta_norms = sorted(set(latents)), sorted(set(beta_norms))
    settings = {"images": images, "rows": rows, "quick": quick, "paper_network": paper_network}
    open_study(folder, STUDY_NAME, settings)
    models, scores = sweep_cells(
        latents, beta_norms, replicas=replicas, images=images, rows=rows,
        points=(200, 100) if quick else (10_000, 5_000), paper_network=paper_network,
    )  # fmt: skip
    for cell in (*models, *scores):  # a cell of other options is reported before any is run
        finished(folder, cell)
    fits: dict[str, dict[str, Any]] = {}
    for title, cells, work in (("models", models, fit_work), ("scores", scores, score_work)):
        fits |= run_cells(
            folder, cells, partial(work, folder), title=title, jobs=jobs, engine_name=engine,
            ray_address=ray_address, progress=progress,
        )  # fmt: skip
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
        "protocol": "higgins2017",
        "n_pairs": PAIRS,
        "quick": quick,
        "paper_network": paper_network,
        "images": images,
        "replicas": replicas,
        "rows": rows,
        "latents": list(latents),
        "beta_norms": list(beta_norms),
        "grid": _grid(found, latents, beta_norms),
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


def write_outputs(outcome: Mapping[str, Any], folder: Path) -> list[Path]:
    """Print the grid; write heat map, curves, and reconstructions at the best and worst score."""
    grid = 100 * np.array(outcome["grid"])
    norms, latents = outcome["beta_norms"], outcome["latents"]
    cells = outcome["cells"]
    ranked = sorted(cells, key=lambda cell: -cell["score"])
    _print(outcome, grid)
    rows, labels = [], []
    for cell in (ranked[0], ranked[-1]):
        model, _, dataset = load_run(folder / cell["folder"])
        assert isinstance(model, VAE)
        chosen = seed_rows(dataset, PICTURES, np.random.default_rng(0))
        images = dataset.images[chosen]
        rows.append(model.reconstruct(images).detach().numpy())
        labels.append(
            f"{100 * cell['score']:.0f} %\nM = {cell['latents']}\nβ norm {cell['beta_norm']:g}"
        )
    sheet = figures.labelled_rows(np.stack([images.numpy(), *rows]), ["input", *labels])
    return [
        figures.save(studies.sweep(outcome), folder / "heat.png"),
        figures.save(figures.sweep_curves(norms, latents, grid), folder / "curves.png"),
        figures.save(sheet, folder / "reconstructions.png"),
    ]


def _print(outcome: Mapping[str, Any], grid: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Score %, {outcome['protocol']}, L = {outcome['n_pairs']}, "
        f"{outcome['images']:,} images, {outcome['replicas']} fit(s) a cell"
        + (", the paper's network" if outcome["paper_network"] else ""),
        title_justify="left",
    )
    table.add_column("latents \\ beta_norm")
    for norm in outcome["beta_norms"]:
        table.add_column(f"{norm:g}", justify="right")
    for size, row in zip(outcome["latents"], grid, strict=True):
        table.add_row(f"{size}", *(f"{value:.1f}" for value in row))
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if outcome["quick"]:
        console.print("quick: a few steps, the scores mean nothing")
    elif outcome["rows"]:
        console.print(f"scaled down: {outcome['rows']:,} random images scored, not all 737,280")
