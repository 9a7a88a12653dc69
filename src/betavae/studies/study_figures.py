"""Figures of studies, from the outcome that each of them keeps as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from matplotlib.figure import Figure

from betavae import figures
from betavae._system.errors import InputError
from betavae.runs.figure_options import Drawn
from betavae.runs.made import changed_runs

Outcome = Mapping[str, Any]
PIXELS = 64 * 64  # of the 2D shapes
KEYS = ("rate", "distortion", "beta")
# Where each study keeps its outcome, and the command that makes it.
FILES = {
    "dual": ("dual.json", "study dual"),
    "rate-distortion": ("rate_distortion.json", "study rate-distortion"),
    "table": ("table.json", "reproduce table"),
    "latent-size": ("sweep.json", "reproduce latent-size"),
}


def is_study(path: Path, study: str) -> bool:
    """Say whether a path is a study's folder, or the file with its outcome."""
    name, _ = FILES[study]
    return path.name == name or (path / name).is_file()


def draw_study(path: Path, study: str, draw: Callable[[Outcome], Figure]) -> Drawn:
    """Draw a study's outcome.

    Args:
        path: the study's folder, or the JSON file in it.
        study: its name in `FILES`.
        draw: makes the figure.

    Raises:
        InputError: when there is no outcome of this study, or it is not whole.
    """
    name, command = FILES[study]
    file = path if path.is_file() else path / name
    try:
        outcome = json.loads(file.read_text(encoding="utf-8"))
        if stale := changed_runs(file.parent, outcome.get("weights", {})):
            raise InputError(
                f"{file} is of earlier weights of {', '.join(stale)[:100]}; renew it with: "
                f"betavae {command} --out {file.parent}"
            )
        figure = draw(outcome)  # now, while what is not whole can be told
        return Drawn(lambda: figure, dict(outcome))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} holds no {name}; make it with: betavae {command}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"{file} is no outcome of betavae {command} ({type(error).__name__}: {error})"
        ) from None


def dual(outcome: Outcome) -> Figure:
    """Draw the runs' rates and distortions, and the secants' slopes with their multipliers."""
    runs = [run for run in outcome["runs"] if run["on_curve"]]
    points = {
        "rate": [run["rate"] for run in runs],
        "gain": [-run["distortion"] for run in runs],
        "multiplier": [run["multiplier"] for run in runs],
    }
    return figures.duality(points, outcome["secants"])


def rate_distortion(outcome: Outcome) -> Figure:
    """Draw distortion against rate, a panel a decoder."""
    titles = {
        "bernoulli": "Bernoulli, by β",
        "gaussian": f"Gaussian, σ = {outcome['sigma']:g}, by β",
    }
    return figures.rate_distortion(
        {
            title: [[point[key] for point in outcome[name]] for key in KEYS]
            for name, title in titles.items()
        }
    )


def table(outcome: Outcome) -> Figure:
    """Draw each method's score beside the paper's (Fig. 5, left)."""
    rows = outcome["rows"]
    return figures.table_of_scores(
        [row["name"] for row in rows],
        [[100 * score for score in row["scores"]] for row in rows],
        [100 * row["score"] for row in rows],
        [row["paper_percent"] for row in rows],
        note="\n".join(part for line in outcome["scaled_down"] for part in wrap(line, 110)),
    )


def table_pairs(outcome: Outcome) -> Figure:
    """Draw the scores of the table's methods against L."""
    rows = outcome["rows"]
    curves = {
        row["name"]: {
            int(pairs): [100 * score for score in scores]
            for pairs, scores in row["against_pairs"].items()
        }
        for row in rows
        if row["against_pairs"]
    }
    paper = {row["name"]: row["paper_percent"][0] for row in rows}
    return figures.pairs_panels(curves, paper, stated=outcome["n_pairs"])


def sweep(outcome: Outcome) -> Figure:
    """Draw the scores over normalised beta and the number of latents (Fig. 5, right)."""
    cells = outcome["cells"]
    best = max(cell["score"] for cell in cells)
    return figures.size_and_beta(
        *([cell[key] for cell in cells] for key in ("beta_norm", "latents", "score")),
        pixels=PIXELS,
        title=f"Score ({outcome['protocol']}): best {100 * best:.1f} %",
    )


def write_table_figures(outcome: Outcome, folder: Path) -> list[Path]:
    """Write table.png, ours beside the paper's, and pairs.png, the scores against L."""
    weights = outcome["weights"].values()
    return [
        figures.save(table(outcome), folder / "table.png", weights=weights),
        figures.save(table_pairs(outcome), folder / "pairs.png", weights=weights),
    ]
