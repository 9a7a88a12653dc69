"""Figures: arrays in, `matplotlib.figure.Figure` out. Nothing here trains, loads or encodes."""

from __future__ import annotations

from betavae.figures.arrays import by_rate
from betavae.figures.comparison import Block, traversals_compared
from betavae.figures.curves import training_curves
from betavae.figures.files import save, to_bytes
from betavae.figures.heat import factor_table, size_and_beta
from betavae.figures.lines import score_against_pairs
from betavae.figures.pictures import reconstructions, traversal
from betavae.figures.rates import rate_per_latent, rate_through_training
from betavae.figures.response_sheet import response_sheet
from betavae.figures.responses import Responses, responses
from betavae.figures.studies import (
    labelled_rows,
    pairs_panels,
    sheets_side_by_side,
    sweep_curves,
    table_of_scores,
)
from betavae.figures.style import DARK, LIGHT, Theme
from betavae.figures.tradeoff import duality, rate_distortion, term_curves

__all__ = [
    "DARK",
    "LIGHT",
    "Block",
    "Responses",
    "Theme",
    "by_rate",
    "duality",
    "factor_table",
    "labelled_rows",
    "pairs_panels",
    "rate_distortion",
    "rate_per_latent",
    "rate_through_training",
    "reconstructions",
    "response_sheet",
    "responses",
    "save",
    "score_against_pairs",
    "sheets_side_by_side",
    "size_and_beta",
    "sweep_curves",
    "table_of_scores",
    "term_curves",
    "to_bytes",
    "training_curves",
    "traversal",
    "traversals_compared",
]
