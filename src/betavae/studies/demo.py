"""The main job in one call: beta-VAE against the VAE on the 2D shapes, scored and reported."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from betavae import data as datasets
from betavae.config import Config
from betavae.files import write_json
from betavae.metrics.higgins import HigginsResult
from betavae.report import write_report
from betavae.studies.presets import BETA_VAE, VAE
from betavae.studies.scoring import score_run
from betavae.studies.trained import trained
from betavae.training.records import Record
from betavae.traversals import write_traversals

# Name, options and, for comparison, the paper's Fig. 5 (left) in percent.
MODELS = (
    ("beta-VAE", "beta4", BETA_VAE, "99.23 +- 0.1"),
    ("VAE", "beta1", VAE, "61.58 +- 0.5"),
)


def run_demo(out: Path, *, seed: int = 0, quick: bool = False) -> dict[str, Any]:
    """Train beta = 4 and the beta = 1 control, score both, write both reports.

    Finished parts are not done again; a broken-off one goes on where it stopped.

    Args:
        out: gets one run folder a beta, and demo.json.
        seed: of weights, data order, noise and metric.
        quick: a tenth of the length, scored on 20,000 images; the scores mean nothing then.

    Returns:
        What demo.json holds.
    """
    started = time.perf_counter()
    print("2D shapes: rendering or reading 737,280 images", file=sys.stderr)
    dataset = datasets.load("shapes2d")
    rows = []
    for name, place, options, paper in MODELS:
        config = Config.from_mapping({**options, "seed": seed})
        if quick:
            config = config.replaced(images=config.images // 10)
        folder = out / place
        record = trained(config, dataset, folder)[-1]
        scored = score_run(folder, rows=20_000 if quick else None, seed=seed)
        result: HigginsResult = scored["higgins:higgins2017"].result
        write_traversals(folder)
        rows.append(_row(name, config, paper, record, result, write_report(folder)))
    outcome = {
        "runs": rows,
        "quick": quick,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(out / "demo.json", outcome)
    _print(rows, out, quick=quick)
    return outcome


def _row(
    name: str, config: Config, paper: str, record: Record, result: HigginsResult, report: Path
) -> dict[str, Any]:
    constant = config.beta_schedule == "constant"
    return {
        "model": name,
        "beta": config.beta,
        "beta_start": config.beta if constant else config.beta_start,
        "beta_norm": record.beta_norm,
        "score": result.score,
        "deviation": result.deviation,
        "protocol": result.protocol,
        "n_pairs": result.n_pairs,
        "paper_percent": paper,
        "distortion": record.distortion,
        "rate": record.rate,
        "active_latents": record.active_latents,
        "images": record.images,
        "training_seconds": record.seconds,
        "report": str(report),
    }


def _print(rows: list[dict[str, Any]], out: Path, *, quick: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    first = rows[0]
    table = Table(
        title=f"2D shapes, {first['protocol']}, L = {first['n_pairs']}, one seed",
        title_justify="left",
    )
    columns = (
        "model", "beta", "score %", "paper %", "distortion", "rate", "active", "images", "train s",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in rows:
        table.add_row(
            row["model"],
            f"{row['beta']:g}"
            if row["beta_start"] == row["beta"]
            else f"{row['beta_start']:g} to {row['beta']:g}",
            f"{100 * row['score']:.2f} +- {100 * row['deviation']:.2f}",
            row["paper_percent"],
            f"{row['distortion']:.1f}",
            f"{row['rate']:.2f}",
            f"{row['active_latents']}",
            f"{row['images']:,}",
            f"{row['training_seconds']:,.0f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if quick:
        console.print("quick: a tenth of the length, the scores mean nothing")
    for row in rows:
        console.print(f"report: {row['report']}", soft_wrap=True, highlight=False)
    console.print(f"numbers: {out / 'demo.json'}", soft_wrap=True, highlight=False)
