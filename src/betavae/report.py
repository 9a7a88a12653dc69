"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

import betavae
from betavae import figures, summaries
from betavae.errors import InputError
from betavae.figures.arrays import mosaic, shrunk
from betavae.figures.curves import moves, panel_row
from betavae.figures.inline import figure_address, sheet_address
from betavae.figures.pictures import signed, step_centres, traversal_sheet
from betavae.files import write_beside
from betavae.runs import OpenRun, open_run, seed_rows
from betavae.training.records import ACTIVE_NATS
from betavae.traversals import Traversals, leading, traverse

NAME = "report.html"
PAIRS = 12  # reconstructions shown
_CHART = (3.8, 2.2)  # inches: two beside each other on a desk, one on a phone, both legible


@dataclass(frozen=True)
class Chart:
    """A chart drawn twice, for a light and for a dark page."""

    light: str
    dark: str
    alt: str


@dataclass(frozen=True)
class Strip:
    """One latent's traversal: its picture and what is written around it."""

    latent: int
    rate: float
    share: float
    active: bool
    picture: str
    marks: list[tuple[float, str]]


def write_report(
    run_folder: Path,
    out: Path | None = None,
    *,
    seeds: int = 3,
    span: float = 3.0,
    steps: int = 11,
    seed: int = 0,
) -> Path:
    """Write what a run learned as one self-contained HTML file.

    Args:
        run_folder: the run.
        out: the file, or a folder for it; report.html in the run folder if None.
        seeds: seed images of the traversals.
        span: latents run over [-span, span].
        steps: values in a traversal.
        seed: seed of the choice of images.

    Returns:
        The file.

    Raises:
        InputError: when the run, its data or an option cannot be used, or the disk is full.
    """
    path = run_folder / NAME if out is None else out / NAME if out.is_dir() else out
    run = open_run(run_folder, seed=seed)
    rng = np.random.default_rng(seed)
    rows = seed_rows(run.dataset, seeds, rng)
    latents = leading(run.rates)
    shown = traverse(
        run.model, run.dataset.images[rows], run.rates, span=span, steps=steps, latents=latents
    )
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=summaries.title(run),
            lead=summaries.lead(run),
            warnings=summaries.warnings(run),
            scores=summaries.score_tiles(run_folder),
            tiles=summaries.tiles(run),
            paper=run.header.config.data == "shapes2d",
            sample=run.sample,
            threshold=ACTIVE_NATS,
            strips=_strips(shown),
            latents=run.model.latents,
            span=signed(span).removeprefix("+"),
            seeds=len(rows),
            pairs=_pairs(run, rng),
            rates=_rates(run),
            curves=_curves(run),
            folder=str(run_folder),
            settings=summaries.settings(run.header.config),
            command=summaries.command(run.header.config, run_folder),
            version=betavae.__version__,
            torch=torch.__version__,
            python=platform.python_version(),
            date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        )
    )
    with write_beside(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("betavae", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _strips(shown: Traversals) -> list[Strip]:
    """Draw each latent's traversal, and say where its marks go in percent of its width."""
    images, inputs = shrunk(shown.images), shrunk(shown.inputs)
    colour = images.shape[3] == 3
    centre, *steps = (
        100 * place for place in step_centres(images.shape[-1], len(shown.values), True)
    )
    ends = [(steps[0], signed(shown.values[0])), (steps[-1], signed(shown.values[-1]))]
    middle = [(steps[len(steps) // 2], "0")] if len(steps) % 2 else []
    largest = max(float(shown.rates.max()), 1e-9)
    return [
        Strip(
            latent=int(latent),
            rate=float(rate),
            share=100 * float(rate) / largest,
            active=bool(rate > ACTIVE_NATS),
            picture=sheet_address(traversal_sheet(block, inputs), colour=colour),
            marks=[(centre, "input"), ends[0], *middle, ends[1]],
        )
        for latent, rate, block in zip(shown.latents, shown.rates, images, strict=True)
    ]


@torch.inference_mode()
def _pairs(run: OpenRun, rng: np.random.Generator) -> list[str]:
    """Draw images with their reconstructions right of them."""
    rows = seed_rows(run.dataset, min(PAIRS, len(run.dataset.images)), rng)
    inputs = run.dataset.images[rows]
    outputs = run.model.reconstruct(inputs)
    both = shrunk(torch.stack((inputs, outputs), dim=1).float().numpy())
    colour = both.shape[2] == 3
    return [sheet_address(mosaic(pair[None]), colour=colour) for pair in both]


def _twice(draw: Callable[[figures.Theme], Figure], alt: str) -> Chart:
    """Draw a chart for a light and for a dark page."""
    return Chart(figure_address(draw(figures.LIGHT)), figure_address(draw(figures.DARK)), alt)


def _rates(run: OpenRun) -> list[Chart]:
    """Draw the rate of each latent: now, and through training where that is recorded."""
    charts = [
        _twice(
            lambda theme: figures.rate_per_latent(
                run.rates, threshold=ACTIVE_NATS, size=_CHART, theme=theme
            ),
            "Bar chart of the rate of each latent, the largest first.",
        )
    ]
    if run.records:
        seen = [record.images for record in run.records]
        rates = [record.rate_per_latent for record in run.records]
        charts.append(
            _twice(
                lambda theme: figures.rate_through_training(
                    seen, rates, threshold=ACTIVE_NATS, size=_CHART, theme=theme
                ),
                "Lines of the rate of each latent against the images seen.",
            )
        )
    return charts


def _curves(run: OpenRun) -> list[Chart]:
    """Draw the terms of training, a chart each; none without records."""
    if not run.records:
        return []
    seen = [record.images for record in run.records]
    series = {
        "Distortion": [record.distortion for record in run.records],
        "Rate": [record.rate for record in run.records],
        "Loss": [record.loss for record in run.records],
        "β": [record.beta for record in run.records],
    }
    if not moves(series["β"]):
        del series["β"]
    size = _CHART if len(series) == 4 else None  # two rows of two, or one row of three
    try:
        return [
            _twice(partial(_curve, seen, name, values, size), f"{name} against the images seen.")
            for name, values in series.items()
        ]
    except InputError as error:
        raise InputError(f"{run.folder / 'metrics.jsonl'} cannot be drawn: {error}") from None


def _curve(
    seen: list[int],
    name: str,
    values: list[float],
    size: tuple[float, float] | None,
    theme: figures.Theme,
) -> Figure:
    return panel_row(seen, {name: values}, size=size, theme=theme)
