"""Figures: arrays in, `matplotlib.figure.Figure` out. Nothing here trains, loads or encodes.

Names are resolved on first use, so that importing this is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy

if TYPE_CHECKING:
    from betavae.figures.arrays import by_rate as by_rate
    from betavae.figures.comparison import Block as Block
    from betavae.figures.comparison import traversals_compared as traversals_compared
    from betavae.figures.curves import training_curves as training_curves
    from betavae.figures.files import save as save
    from betavae.figures.files import to_bytes as to_bytes
    from betavae.figures.heat import factor_table as factor_table
    from betavae.figures.heat import size_and_beta as size_and_beta
    from betavae.figures.lines import score_against_pairs as score_against_pairs
    from betavae.figures.mean_codes import Responses as Responses
    from betavae.figures.mean_codes import responses as responses
    from betavae.figures.pages import one_above_another as one_above_another
    from betavae.figures.pictures import reconstructions as reconstructions
    from betavae.figures.pictures import traversal as traversal
    from betavae.figures.rates import rate_per_latent as rate_per_latent
    from betavae.figures.rates import rate_through_training as rate_through_training
    from betavae.figures.shared_axes import panels_on_shared_axes as panels_on_shared_axes
    from betavae.figures.shared_axes import runs_on_shared_axes as runs_on_shared_axes
    from betavae.figures.sheet import response_sheet as response_sheet
    from betavae.figures.studies import labelled_rows as labelled_rows
    from betavae.figures.studies import pairs_panels as pairs_panels
    from betavae.figures.studies import sheets_side_by_side as sheets_side_by_side
    from betavae.figures.studies import sweep_curves as sweep_curves
    from betavae.figures.studies import table_of_scores as table_of_scores
    from betavae.figures.style import DARK as DARK
    from betavae.figures.style import LIGHT as LIGHT
    from betavae.figures.style import Theme as Theme
    from betavae.figures.tradeoff import duality as duality
    from betavae.figures.tradeoff import rate_distortion as rate_distortion
    from betavae.figures.tradeoff import term_curves as term_curves

_HOMES = {
    "Block": "comparison",
    "DARK": "style",
    "LIGHT": "style",
    "Responses": "mean_codes",
    "Theme": "style",
    "by_rate": "arrays",
    "one_above_another": "pages",
    "panels_on_shared_axes": "shared_axes",
    "duality": "tradeoff",
    "factor_table": "heat",
    "labelled_rows": "studies",
    "pairs_panels": "studies",
    "rate_distortion": "tradeoff",
    "rate_per_latent": "rates",
    "rate_through_training": "rates",
    "reconstructions": "pictures",
    "response_sheet": "sheet",
    "responses": "mean_codes",
    "runs_on_shared_axes": "shared_axes",
    "save": "files",
    "score_against_pairs": "lines",
    "sheets_side_by_side": "studies",
    "size_and_beta": "heat",
    "sweep_curves": "studies",
    "table_of_scores": "studies",
    "term_curves": "tradeoff",
    "to_bytes": "files",
    "training_curves": "curves",
    "traversal": "pictures",
    "traversals_compared": "comparison",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
