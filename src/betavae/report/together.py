"""Several runs in one picture: settings that differ, curves on shared axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.figure import Figure

from betavae import figures
from betavae.figures.curves import NATS
from betavae.report.parts import Chart, twice
from betavae.runs.listing import settings_of
from betavae.runs.opened import OpenRun
from betavae.training.records import term_series

SHARED = ("distortion", "rate", "loss", "beta")


def differing_settings(runs: Sequence[OpenRun]) -> dict[str, list[str]]:
    """Return the settings that are not the same in all runs: by name, a value a run."""
    found = [settings_of(run.header.config) for run in runs]
    names = dict.fromkeys(name for settings in found for name in settings)
    columns = {name: [settings.get(name, "–") for settings in found] for name in names}
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def by_setting(runs: Sequence[OpenRun], names: Sequence[str]) -> dict[str, list[OpenRun]]:
    """Return the runs by what sets them apart but for their seeds, in words.

    Args:
        runs: the runs.
        names: what to call each where its settings do not tell it from another.
    """
    columns = {name: col for name, col in differing_settings(runs).items() if name != "seed"}
    groups: dict[str, list[OpenRun]] = {}
    for place, run in enumerate(runs):
        own = [
            f"{name} {column[place]}" for name, column in columns.items() if column[place] != "–"
        ]
        label = ", ".join(own[:2]) if own else (names[place] if columns else "all seeds")
        groups.setdefault(label, []).append(run)
    seeds = [run.header.config.seed for run in runs]
    if not columns and len(set(seeds)) < len(seeds):  # the same run twice: no band of seeds
        return {name: [run] for name, run in zip(names, runs, strict=True)}
    return groups


def shared_charts(runs: Sequence[OpenRun], names: Sequence[str]) -> list[Chart]:
    """Draw each quantity of training for all runs that recorded it, on shared axes."""
    groups = by_setting(runs, names)
    charts = []
    for term in SHARED:
        lines = {
            label: [line for run in members if (line := _line(run, term)) is not None]
            for label, members in groups.items()
        }
        lines = {label: found for label, found in lines.items() if found}
        if not lines:
            continue
        title = "β" if term == "beta" else term.capitalize()
        draw = partial(
            figures.runs_on_shared_axes, title, lines, unit="" if term == "beta" else NATS
        )
        charts.append(twice(_themed(draw), f"{title} against the images seen."))
    return charts


def _themed(draw: Callable[..., Figure]) -> Callable[[figures.Theme], Figure]:
    return lambda theme: draw(theme=theme)


def _line(run: OpenRun, term: str) -> tuple[list[int], list[float]] | None:
    if term == "loss" and run.records:
        return [one.images for one in run.records], [one.loss for one in run.records]
    return term_series(run.records).get(term)
