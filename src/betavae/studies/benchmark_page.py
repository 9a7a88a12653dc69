"""The page of a benchmark: tables, ranks, metric against metric, in one HTML file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import betavae
from betavae._system.files import write_beside
from betavae._system.stamps import stamp
from betavae._system.text import readable
from betavae.figures.benchmark import method_ranks, metric_against_metric
from betavae.figures.inline import figure_address
from betavae.figures.style import DARK, LIGHT
from betavae.report.write import environment

NAME = "benchmark.html"


def write_benchmark_page(outcome: Mapping[str, Any], out: Path) -> Path:
    """Write benchmark.html into a folder.

    Args:
        outcome: from `betavae.studies.benchmark.run_benchmark`.
        out: the folder.
    """
    rows, settings = outcome["rows"], outcome["settings"]
    metrics = [name for name in rows[0]["scores"] if all(name in row["scores"] for row in rows)]
    by_data = {data: [r for r in rows if r["data"] == data] for data in settings["data"]}
    titles = [row["title"] for row in by_data[settings["data"][0]]]
    ranks = {name: ranks_of(list(by_data.values()), name) for name in metrics}
    page = (
        environment()
        .get_template("benchmark.html.j2")
        .render(
            methods=titles,
            metrics=metrics,
            lead=lead(settings),
            quick=settings["quick"],
            tables=[
                {"data": data, "rows": table(found, metrics)} for data, found in by_data.items()
            ],
            ranks=_twice(lambda theme: method_ranks(titles, ranks, theme=theme)),
            scatters=[_scatter(rows, pair) for pair in pairwise(metrics)],
            chosen_by=chosen_by(settings),
            chosen=[
                {
                    "name": f"{row['data']}, {row['title']}",
                    "needs": row["needs"],
                    "setting": json.dumps(row["chosen"]),
                }
                for row in rows
            ],
            weights=stamp(outcome["weights"].values()),
            version=betavae.__version__,
        )
    )
    with write_beside(out / NAME) as beside:
        beside.write_bytes(readable(page).encode("utf-8"))
    return out / NAME


def lead(settings: Mapping[str, Any]) -> str:
    """Say in a sentence or two what was compared."""
    return (
        f"{settings['images']:,} training images a run, {settings['seeds']} seeds a setting. "
        f"Scores are of {settings['held_out']:,} images that no training saw: the mean over seeds "
        "and its 95 % interval (Student's t); every metric is better when higher."
    )


def chosen_by(settings: Mapping[str, Any]) -> str:
    """Say how a setting was chosen from each method's grid."""
    if settings["points"] == 1 or settings["quick"]:
        return "One setting a method: the middle of its grid, not chosen by any score."
    if settings["labels"]:
        return (
            "Of each method's grid the setting with the highest MIG on "
            f"{settings['labels']:,} labelled training images."
        )
    return "Of each method's grid the setting whose seeds agree most (UDR), without labels."


def table(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a data set's table shows, a dictionary a method."""
    top = {name: max(row["scores"][name]["mean"] for row in rows) for name in metrics}
    return [
        {
            "title": row["title"],
            "cells": [
                {
                    "text": number(row["scores"][name]),
                    "best": row["scores"][name]["mean"] == top[name] and len(rows) > 1,
                }
                for name in metrics
            ],
            "seconds": f"{row['train_seconds']:,.0f}",
            "memory": "" if row["peak_megabytes"] is None else f"{row['peak_megabytes']:,.0f}",
        }
        for row in rows
    ]


def number(score: Mapping[str, float | None]) -> str:
    """Write a mean with half its interval.

    >>> number({"mean": 0.512, "half": 0.0213}), number({"mean": 24.06, "half": None})
    ('0.512 ± 0.021', '24.1')
    """
    mean, half = score["mean"] or 0.0, score["half"]
    digits = 1 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")


def ranks_of(data: Sequence[Sequence[Mapping[str, Any]]], name: str) -> Any:
    """Return the mean rank (M,) of each method by a metric, 1 the best, over data sets."""
    from scipy.stats import rankdata

    placed = [rankdata([-row["scores"][name]["mean"] for row in rows]) for rows in data]
    return np.mean(placed, axis=0)


def _scatter(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> dict[str, str]:
    points: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        first, second = points.setdefault(row["title"], ([], []))
        for each in row["each"]:
            if each.get(names[0]) is not None and each.get(names[1]) is not None:
                first.append(each[names[0]])
                second.append(each[names[1]])
    drawn = _twice(lambda theme: metric_against_metric(points, names, theme=theme))
    return {**drawn, "alt": f"{names[1]} against {names[0]}."}


def _twice(draw: Callable[[Any], Figure]) -> dict[str, str]:
    """Draw for a light and for a dark page."""
    return {"light": figure_address(draw(LIGHT)), "dark": figure_address(draw(DARK))}
