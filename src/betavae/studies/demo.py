"""The main job in one call: beta-VAE against the VAE on the 2D shapes, scored and reported."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from betavae import data as datasets
from betavae._system.files import write_json
from betavae.config import Config
from betavae.metrics.higgins import HigginsResult
from betavae.objectives.beta import BetaOptions
from betavae.report.write import write_report
from betavae.runs.opened import open_run
from betavae.runs.scoring import ScoreOptions, score_run
from betavae.runs.traversals import write_traversals
from betavae.studies.cells import Cell, open_study
from betavae.studies.engines import Engine
from betavae.studies.presets import BETA_VAE, VAE, scaled
from betavae.studies.run_cells import run_cells
from betavae.studies.trained import trained

STUDY_NAME = "demo"
# Name, options and, for comparison, the paper's Fig. 5 (left) in percent.
MODELS = (
    ("beta-VAE", "beta4", BETA_VAE, "99.23 +- 0.1"),
    ("VAE", "beta1", VAE, "61.58 +- 0.5"),
)


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    quick: bool = False,
    engine: Engine | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train beta = 4 and the beta = 1 control side by side, score both, write both reports.

    Finished parts are not done again; a broken-off one goes on where it stopped.

    Args:
        out: gets one run folder a beta, and demo.json.
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
    for name, place, options, paper in MODELS:
        config = {**scaled(options, options["images"] // 10 if quick else None), "seed": seed}
        told = {"model": name, "paper_percent": paper}
        cells.append(Cell(place, {**told, "config": config, "rows": 20_000 if quick else None}))
    if progress:
        names = " and ".join(name for name, *_ in MODELS)
        length = cells[0].options["config"]["images"]
        print(f"training, scoring and drawing {names}, {length:,} images each", file=sys.stderr)
    datasets.load("shapes2d")  # once, so that the models find it in the cache
    done = run_cells(out, cells, demo_work, title="models", engine=engine, progress=progress)
    rows = [done[cell.name] for cell in cells]
    outcome = {
        "runs": rows,
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
    write_traversals(folder)
    run = open_run(folder)  # on the images on which the report measures it
    objective = config.objective
    assert isinstance(objective, BetaOptions)  # as the presets have it
    constant = objective.beta_schedule == "constant"
    return {
        "model": options["model"],
        "beta": objective.beta,
        "beta_start": objective.beta if constant else objective.beta_start,
        "beta_norm": record.beta_norm,
        "score": result.score,
        "deviation": result.deviation,
        "protocol": result.protocol,
        "n_pairs": result.n_pairs,
        "paper_percent": options["paper_percent"],
        "distortion": run.distortion,
        "rate": float(run.rates.sum()),
        "active_latents": int(run.scale.active.sum()),
        "images": record.images,
        "training_seconds": record.seconds,
        "report": str(write_report(folder)),
    }
