"""Scores in words: tiles for the headline, a table for all of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from betavae.metrics.catalogue import METRICS
from betavae.runs.scores import SCORES, Score, first_of, is_number, read_scores, stale_scores

HEADLINE = "higgins"


@dataclass(frozen=True)
class Tile:
    """One figure of the summary: its name, its value, the value's unit, and what it means."""

    name: str
    value: str
    unit: str = ""
    note: str = ""
    code: str = ""
    wide: bool = False


def score_tiles(folder: Path) -> list[Tile]:
    """Return a tile for each of a run's disentanglement scores, or one that says what to do."""
    command = f"betavae score {shlex.quote(str(folder))}"
    name = "Disentanglement score"
    scores = read_scores(folder)
    if scores is None:
        note = f"{SCORES} holds no score; compute it with"
        return [Tile(name, "unreadable", note=note, code=command, wide=True)]
    tiles = [_tile(name, score) for score in scores if score.metric == HEADLINE]
    if not tiles and any(key.startswith(HEADLINE) for key in stale_scores(folder)):
        note = f"{SCORES} is of other weights than this run's; renew it with"
        return [Tile(name, "out of date", note=note, code=command, wide=True)]
    return tiles or [
        Tile(name, "not computed yet", note="Compute it with", code=command, wide=True)
    ]


def _tile(name: str, score: Score) -> Tile:
    found = score.details
    deviation, seeds = found.get("deviation"), found.get("scores")
    spread = f" ± {100 * deviation:.1f}" if deviation is not None and is_number(deviation) else ""
    rows = found.get("rows", found.get("n_rows"))
    notes = [
        score.protocol,
        f"L = {found['n_pairs']:,}" if is_number(found.get("n_pairs")) else "",
        f"{len(seeds)} classifier seeds" if isinstance(seeds, list) and len(seeds) > 1 else "",
        f"{found['n_test']:,} test points" if is_number(found.get("n_test")) else "",
        f"{rows:,} images encoded" if is_number(rows) else "",
        f"unit of the codes: {found['unit']}" if isinstance(found.get("unit"), str) else "",
    ]
    about = "Protocol " + ", ".join(filter(None, notes)) + "."
    if score.collapsed:
        about += " No latent is active: the score says nothing about the data."
    return Tile(name, f"{100 * score.score:.1f}{spread}", "%", about, wide=True)


def headline(scores: Sequence[Score] | None) -> str:
    """Return a run's first disentanglement score with its protocol and L, or a dash.

    >>> headline([Score("higgins", "higgins2017", 0.987, details={"n_pairs": 20})])
    '98.7 % (higgins2017, L = 20)'
    """
    found = first_of(HEADLINE, scores)
    if found is None:
        return "–"
    pairs, deviation = found.details.get("n_pairs"), found.details.get("deviation")
    spread = f" ± {100 * float(deviation or 0):.1f}" if is_number(deviation) else ""
    about = f"{found.protocol}, L = {pairs}" if is_number(pairs) else found.protocol
    if found.collapsed:
        about += ", no latent active"
    return f"{100 * found.score:.1f}{spread} % ({about})"


def metric_rows(runs: Sequence[Sequence[Score] | None]) -> list[dict[str, Any]]:
    """Return a line for every metric that a run has, with a cell (value, below it, best) a run.

    Below the value stand its interval, the rows where the runs differ in them, and a warning
    where no latent was active. No run is best among scores on different rows.

    >>> [row["cells"][0][0] for row in metric_rows([[Score("mig", "chen2018", 0.25)]])]
    ['0.250']
    """
    found = [{(s.metric, s.protocol): s for s in scores or ()} for scores in runs]
    keys = dict.fromkeys(key for scores in found for key in scores)
    rows = []
    for metric, protocol in keys:
        here = [scores.get((metric, protocol)) for scores in found]
        values = [score.score for score in here if score is not None]
        better = next(score.better for score in here if score is not None)
        live = [s.score for s in here if s is not None and not s.collapsed] or values
        best = {"higher": max(live), "lower": min(live)}.get(better)
        several = len({score.rows for score in here if score is not None}) > 1
        marked = len(values) > 1 and min(values) < max(values) and not several
        cells = [
            ("–", "", False)
            if score is None
            else (
                f"{score.score:.3f}",
                _below(score, several),
                marked and score.score == best and not score.collapsed,
            )
            for score in here
        ]
        shown = {"metric": metric, "protocol": protocol, "better": better, "cells": cells}
        first = next(score for score in here if score is not None)
        rows.append({**shown, "about": about_metric(metric), "on": measured_on(first)})
    return rows


def about_metric(name: str) -> str:
    """Say in a sentence what a metric asks; nothing of one that is not known here.

    >>> about_metric("mig")
    'Mutual information gap: how far the best latent for a factor is ahead of the second best.'
    """
    metric = METRICS.get(name)
    text = "" if metric is None else (metric.function.__doc__ or "")
    return " ".join(text.strip().partition("\n\n")[0].split())


def measured_on(score: Score) -> str:
    """Say what a score was computed on: rows, and where it has them L and seeds.

    >>> measured_on(Score("higgins", "higgins2017", 0.9, details={"n_rows": 500, "n_pairs": 20}))
    '500 rows, L = 20'
    """
    found = score.details
    seeds = found.get("scores")
    parts = [
        f"{score.rows:,} rows" if score.rows is not None else "",
        f"L = {found['n_pairs']:,}" if is_number(found.get("n_pairs")) else "",
        f"{len(seeds)} seeds" if isinstance(seeds, list) and len(seeds) > 1 else "",
    ]
    return ", ".join(filter(None, parts))


def _below(score: Score, several: bool) -> str:
    """Return what stands below a value: interval, rows where they differ, a collapse."""
    parts = []
    if score.interval is not None:
        parts.append(f"{score.interval[0]:.3f} to {score.interval[1]:.3f}")
    if several:
        parts.append("rows unknown" if score.rows is None else f"{score.rows:,} rows")
    if score.collapsed:
        parts.append("no latent active")
    return ", ".join(parts)
