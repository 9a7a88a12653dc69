"""The table as a reader sees it: in the terminal, and as two figures."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from betavae import figures
from betavae.runs import study_figures as studies


def print_table(outcome: Mapping[str, Any]) -> None:
    """Print Fig. 5 (left), our numbers beside the paper's, and what was scaled down."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"2D shapes, {outcome['protocol']}, L = {outcome['n_pairs']}: mean and deviation "
        "of the better half of all scores",
        title_justify="left",
    )
    for name in ("model", "score %", "paper %", "difference", "fits", "scores", "images", "fit s"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in outcome["rows"]:
        ours, (paper, deviation) = 100 * row["score"], row["paper_percent"]
        table.add_row(
            row["name"],
            f"{ours:.2f} +- {100 * row['deviation']:.2f}",
            f"{paper:.2f} +- {deviation:.1f}",
            f"{ours - paper:+.1f}",
            f"{row['replicas']}",
            f"{len(row['kept'])} of {len(row['scores'])}",
            f"{row['images']:,}",
            f"{row['fit_seconds']:,.0f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if outcome["missing"]:
        console.print(f"not finished yet: {', '.join(outcome['missing'])}", soft_wrap=True)
    for line in outcome["scaled_down"]:
        console.print(f"scaled down: {line}", soft_wrap=True, highlight=False)


def write_figures(outcome: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write table.png, ours beside the paper's, and pairs.png, the scores against L."""
    return [
        figures.save(studies.table(outcome), folder / "table.png"),
        figures.save(studies.table_pairs(outcome), folder / "pairs.png"),
    ]
