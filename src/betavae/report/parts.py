"""What the report shows of one run, drawn and inlined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.arrays import mosaic, shrunk
from betavae.figures.curves import moves, panel_row
from betavae.figures.inline import figure_address, sheet_address
from betavae.figures.pictures import sheet_gaps, signed, step_centres, traversal_sheet
from betavae.report import words
from betavae.report.score_words import headline, score_tiles
from betavae.report.settings_words import command
from betavae.runs.code_source import source_of_run
from betavae.runs.diagnosis import diagnose
from betavae.runs.image_figures import answers
from betavae.runs.latent_names import read_names
from betavae.runs.latent_ranges import Scale
from betavae.runs.opened import OpenRun, seed_rows
from betavae.runs.read_factors import hidden_by_score, read_factors
from betavae.runs.scores import first_of, read_scores
from betavae.runs.traversals import Traversals, leading, traverse
from betavae.training.records import ACTIVE_NATS, term_series

PAIRS = 12  # reconstructions shown
SHEET_ROWS = 25_000  # images behind the responses, about
_CHART = (3.8, 2.2)  # inches: two beside each other on a desk, one on a phone, both legible


@dataclass(frozen=True)
class Chart:
    """A chart drawn twice, for a light and for a dark page."""

    light: str
    dark: str
    alt: str


def draw_part(
    run: OpenRun,
    name: str,
    *,
    seeds: int,
    span: float,
    steps: int,
    most: int,
    seed: int,
    matched: Mapping[int, tuple[int, float]],
) -> dict[str, Any]:
    """Draw all that the report shows of a run.

    Args:
        run: the run.
        name: what to call it beside others.
        seeds: seed images of the traversals.
        span: latents run over [-span, span].
        steps: values in a traversal.
        most: latents shown at most.
        seed: seed of the choice of images.
        matched: by latent, the first run's latent that says the same, and their correlation.

    Returns:
        What the template reads of a run, by name.
    """
    rng = np.random.default_rng(seed)
    rows = seed_rows(run.dataset, seeds, rng)
    shown = traverse(
        run.model,
        run.dataset.images[rows],
        run.scale,
        span=span,
        steps=steps,
        latents=leading(run.scale.amounts, most),
    )
    tiles = words.tiles(run)
    read = read_factors(run, seed=seed)
    scores = read_scores(run.folder)
    first = first_of("higgins", scores)
    config = run.header.config
    return {
        "name": name,
        "folder": str(run.folder),
        "loadable": run.loadable,
        "title": words.title(run),
        "lead": words.lead(run),
        "warnings": [*words.warnings(run), *map(words.sentence, diagnose(run, read))],
        "scores": score_tiles(run.folder),
        "tiles": tiles,
        "facts": {
            "Disentanglement score": headline(scores),
            **{tile.name: f"{tile.value} {tile.unit}".strip() for tile in tiles},
        },
        "latents": run.model.latents,
        "prior": run.scale.prior,
        "levels": bool(run.scale.books),
        "strips": _strips(shown, run.scale, read_names(run.folder, run.weights), matched),
        "read": read,
        "hidden": hidden_by_score(read, None if first is None else first.score),
        "layout": _layout(shown),
        "pairs": _pairs(run, rng),
        "responses": _responses(run),
        "rates": _rates(run),
        "curves": _curves(run),
        "trained": config.method.name not in words.FITTED_AT_ONCE,
        "command": command(config, run.folder),
    }


def _strips(
    shown: Traversals,
    scale: Scale,
    names: dict[int, str],
    matched: Mapping[int, tuple[int, float]],
) -> list[dict[str, Any]]:
    """Draw each latent's traversal, and say where its marks go in percent of its width."""
    images, inputs = shrunk(shown.images), shrunk(shown.inputs)
    colour = images.shape[3] == 3
    centre, *steps = (
        100 * place for place in step_centres(images.shape[-1], len(shown.values), True)
    )
    ends = [(steps[0], signed(shown.values[0])), (steps[-1], signed(shown.values[-1]))]
    middle = [(steps[len(steps) // 2], "0")] if len(steps) % 2 else []
    largest = max(float(shown.amounts.max()), 1e-9)
    return [
        {
            "latent": int(latent),
            "name": names.get(int(latent), ""),
            "amount": f"{amount:.2f} {shown.unit}",
            "share": 100 * float(amount) / largest,
            "active": bool(scale.active[latent]),
            "like": matched.get(int(latent)),
            "picture": sheet_address(traversal_sheet(block, inputs), colour=colour),
            "marks": [(centre, "input"), ends[0], *middle, ends[1]],
        }
        for latent, amount, block in zip(shown.latents, shown.amounts, images, strict=True)
    ]


def _layout(shown: Traversals) -> dict[str, Any]:
    """Say where images stand in a strip's picture, in its pixels, and the latent's values."""
    side = shrunk(shown.inputs).shape[-1]
    gap, wide = sheet_gaps(side)
    values = [round(float(value), 4) for value in shown.values]
    seeds = len(shown.inputs)
    return {"side": side, "gap": gap, "start": side + wide, "seeds": seeds, "values": values}


@torch.inference_mode()
def _pairs(run: OpenRun, rng: np.random.Generator) -> list[str]:
    """Draw images with their reconstructions right of them."""
    rows = seed_rows(run.dataset, min(PAIRS, len(run.dataset.images)), rng)
    inputs = run.dataset.images[rows]
    outputs = run.model.decode(run.model.code_means(inputs))
    both = shrunk(torch.stack((inputs, outputs), dim=1).float().numpy())
    colour = both.shape[2] == 3
    return [sheet_address(mosaic(pair[None]), colour=colour) for pair in both]


def twice(draw: Callable[[figures.Theme], Figure], alt: str) -> Chart:
    """Draw a chart for a light and for a dark page."""
    return Chart(figure_address(draw(figures.LIGHT)), figure_address(draw(figures.DARK)), alt)


def _responses(run: OpenRun) -> Chart | None:
    """Draw what each latent answers to; None where the data has no factors."""
    if not run.dataset.factor_names:
        return None
    source = source_of_run(run, progress=False)
    found, _ = answers(source, SHEET_ROWS)
    return twice(
        lambda theme: figures.response_sheet(found, theme=theme),
        "For each latent: a map of its mean value over positions, curves of its mean value over "
        "the other factors, and its learnt variance or its share in the picture.",
    )


def _rates(run: OpenRun) -> list[Chart]:
    """Draw the rate of each latent: now, and through training where that is recorded.

    Nothing for methods without rates.
    """
    if not run.scale.prior:
        return []
    charts = [
        twice(
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
            twice(
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
    series: dict[str, tuple[list[int], list[float]]] = {}
    for name, (seen, values) in term_series(run.records).items():
        if name not in ("beta", "gamma", "tc_weight") or moves(values):
            shown = "β" if name == "beta" else name.replace("_", " ").capitalize()
            series[shown] = seen, values
    if run.scale.prior:
        whole = [record.images for record in run.records]
        series["Loss"] = whole, [record.loss for record in run.records]
    size = _CHART if len(series) in (2, 4) else None  # rows of two, or one row of three
    try:
        return [
            twice(partial(_curve, seen, name, values, size), f"{name} against the images seen.")
            for name, (seen, values) in series.items()
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
