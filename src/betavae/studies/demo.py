"""The main job in one call: the default recipe against a VAE on the 2D shapes, scored, reported."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from betavae import data as datasets
from betavae._system.files import write_json
from betavae.config import Config
from betavae.metrics.higgins import HigginsResult
from betavae.report.write import write_report
from betavae.runs.opened import open_run
from betavae.runs.scoring import ScoreOptions, score_run
from betavae.runs.traversals import write_traversals
from betavae.studies.cells import Cell, open_study, weights_of
from betavae.studies.engines import Engine
from betavae.studies.five_factors import five_factors
from betavae.studies.presets import RECIPE_VAE, scaled
from betavae.studies.run_cells import run_cells
from betavae.studies.trained import trained

STUDY_NAME = "demo"
RECIPE = {"images": RECIPE_VAE["images"]}  # what `Config` takes where no objective is chosen
# Name, folder, beta in words, options, and the paper's Fig. 5 (left) in percent of what stands
# nearest: a beta-VAE and a VAE.
MODELS: tuple[tuple[str, str, str, dict[str, Any], str], ...] = (
    ("settle", "settle", "1 to 4", RECIPE, "99.23 +- 0.1"),
    ("VAE", "vae", "1", RECIPE_VAE, "61.58 +- 0.5"),
)
QUICK_IMAGES = 80_000
# A square, an ellipse and a heart, large and turned by a ninth: row numbers of the traversals.
SHOWN = ((0, 4, 4, 15, 15), (1, 4, 4, 15, 15), (2, 4, 4, 15, 15))


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    quick: bool = False,
    engine: Engine | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train the default recipe and the beta = 1 control side by side, score and report both.

    Finished parts are not done again; a broken-off one goes on where it stopped.

    Args:
        out: gets one run folder a model, and demo.json.
        seed: of weights, data order, noise and metric.
        quick: a tenth of the length, scored on 20,000 images; the scores mean nothing then.
        engine: where models are trained, and how many at a time.
        progress: say on stderr what is done, and show the live table.

    Returns:
        What demo.json holds.

    Raises:
        InputError: for a folder of something else, or when a model failed.
        StudyStopped: after Ctrl-C; the same command goes on.
    """
    started = time.perf_counter()
    open_study(out, STUDY_NAME, {"seed": seed, "quick": quick})
    cells = []
    for name, place, how, options, paper in MODELS:
        config = {**scaled(options, QUICK_IMAGES if quick else None), "seed": seed}
        told = {"model": name, "how": how, "paper_percent": paper}
        cells.append(Cell(place, {**told, "config": config, "rows": 20_000 if quick else None}))
    if progress:
        names = " and ".join(name for name, *_ in MODELS)
        length = Config.from_mapping(cells[0].options["config"]).images
        print(f"training, scoring and drawing {names}, {length:,} images each", file=sys.stderr)
    datasets.load("shapes2d")  # once, so that the models find it in the cache
    done = run_cells(out, cells, demo_work, title="models", engine=engine, progress=progress)
    rows = [done[cell.name] for cell in cells]
    outcome = {
        "runs": rows,
        "weights": weights_of(out, [cell.name for cell in cells]),
        "quick": quick,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(out / "demo.json", outcome)
    return outcome


def demo_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train one model, score it, draw its traversals and write its report."""
    config = Config.from_mapping(options["config"])
    dataset = datasets.load("shapes2d")
    record = trained(config, dataset, folder, progress=False)[-1]
    scored = score_run(folder, ScoreOptions(seed=config.seed), rows=options["rows"])
    result: HigginsResult = scored["higgins:higgins2017"].result
    run = open_run(folder)  # on the images on which the report measures it
    found = five_factors(run.model, dataset)
    grid = dataset.grid
    assert grid is not None  # the 2D shapes are one
    active = [int(k) for k in np.flatnonzero(run.scale.active)]
    write_traversals(folder, seeds=[int(row) for row in grid.index(SHOWN)], latents=active or None)
    return {
        "model": options["model"],
        "how": options["how"],
        "beta": record.beta,
        "score": result.score,
        "deviation": result.deviation,
        "protocol": result.protocol,
        "n_pairs": result.n_pairs,
        "paper_percent": options["paper_percent"],
        **{name: found[name] for name in ("mig", "shape", "orientation", "dci_three", "dci_five")},
        "distortion": run.distortion,
        "rate": float(run.rates.sum()),
        "active_latents": len(active),
        "images": record.images,
        "training_seconds": record.seconds,
        "report": str(write_report(folder)),
    }
