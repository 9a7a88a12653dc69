"""Figures: arrays in, `matplotlib.figure.Figure` out. Nothing here trains, loads or encodes."""

from __future__ import annotations

from betavae.figures.arrays import by_rate
from betavae.figures.curves import training_curves
from betavae.figures.files import save, to_bytes
from betavae.figures.pictures import reconstructions, traversal
from betavae.figures.rates import rate_per_latent, rate_through_training
from betavae.figures.studies import (
    labelled_rows,
    score_against_pairs,
    sheets_side_by_side,
    sweep_curves,
    sweep_heat_map,
    table_of_scores,
)
from betavae.figures.style import DARK, LIGHT, Theme

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "by_rate",
    "labelled_rows",
    "rate_per_latent",
    "rate_through_training",
    "reconstructions",
    "save",
    "score_against_pairs",
    "sheets_side_by_side",
    "sweep_curves",
    "sweep_heat_map",
    "table_of_scores",
    "to_bytes",
    "training_curves",
    "traversal",
]
