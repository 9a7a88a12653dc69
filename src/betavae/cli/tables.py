"""What the commands print of results: tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from betavae.studies.ranking import Ranking


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Console:
    """Print a table, the first column to the left; return where it was printed, for more lines."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 110, soft_wrap=True, highlight=False)
    console.print(table, soft_wrap=False)
    return console


def print_demo(outcome: Mapping[str, Any], out: Path) -> None:
    """Print both models of the demo."""
    first = outcome["runs"][0]
    console = print_table(
        f"2D shapes, {first['protocol']}, L = {first['n_pairs']}, one seed",
        (
            "model",
            "beta",
            "score %",
            "paper %",
            "distortion",
            "rate",
            "active",
            "images",
            "train s",
        ),
        [
            (
                row["model"],
                f"{row['beta']:g}"
                if row["beta_start"] == row["beta"]
                else f"{row['beta_start']:g} to {row['beta']:g}",
                f"{100 * row['score']:.2f} +- {100 * row['deviation']:.2f}",
                row["paper_percent"],
                f"{row['distortion']:.1f}",
                f"{row['rate']:.2f}",
                f"{row['active_latents']}",
                f"{row['images']:,}",
                f"{row['training_seconds']:,.0f}",
            )
            for row in outcome["runs"]
        ],
    )
    if outcome["quick"]:
        console.print("quick: a tenth of the length, the scores mean nothing")
    for row in outcome["runs"]:
        console.print(f"report: {row['report']}")
    console.print(f"numbers: {out / 'demo.json'}")


def print_methods(outcome: Mapping[str, Any]) -> None:
    """Print Fig. 5 (left), our numbers beside the paper's, and what was scaled down."""
    data = "2D shapes" if outcome["data"] == "shapes2d" else outcome["data"]
    console = print_table(
        f"{data}, {outcome['protocol']}, L = {outcome['n_pairs']}: mean and deviation "
        "of the better half of all scores",
        ("model", "score %", "paper %", "difference", "fits", "scores", "images", "fit s"),
        [
            (
                row["name"],
                f"{100 * row['score']:.2f} +- {100 * row['deviation']:.2f}",
                "{:.2f} +- {:.1f}".format(*row["paper_percent"]),
                f"{100 * row['score'] - row['paper_percent'][0]:+.1f}",
                f"{row['replicas']}",
                f"{len(row['kept'])} of {len(row['scores'])}",
                f"{row['images']:,}",
                f"{row['fit_seconds']:,.0f}",
            )
            for row in outcome["rows"]
        ],
    )
    if data != "2D shapes":
        console.print("the paper's numbers are of the 2D shapes")
    if outcome["missing"]:
        console.print(f"not finished yet: {', '.join(outcome['missing'])}")
    for line in outcome["scaled_down"]:
        console.print(f"scaled down: {line}")


def print_sweep(outcome: Mapping[str, Any]) -> None:
    """Print the scores over normalised beta and the number of latents."""
    network = ", the paper's network" if outcome["paper_network"] else ""
    console = print_table(
        f"Score %, {outcome['protocol']}, L = {outcome['n_pairs']}, {outcome['images']:,} images, "
        f"{outcome['replicas']} fit(s) a cell{network}",
        ("latents \\ beta_norm", *(f"{norm:g}" for norm in outcome["beta_norms"])),
        [
            (f"{size}", *(f"{100 * value:.1f}" for value in row))
            for size, row in zip(outcome["latents"], outcome["grid"], strict=True)
        ],
    )
    if outcome["quick"]:
        console.print("quick: a few steps, the scores mean nothing")
    elif outcome["rows"]:
        console.print(f"scaled down: {outcome['rows']:,} random images scored, not all 737,280")


def print_ranking(ranking: Ranking) -> None:
    """Print runs from best to worst, and how far the rankings without labels agree."""
    console = print_table(
        f"Runs from best to worst, on {ranking.rows:,} images",
        ("run", "metric %", "UDR", "ModelCentrality", "objective"),
        [
            (
                row["run"],
                "no labels" if row["labelled"] is None else f"{100 * row['labelled']:.2f}",
                f"{row['udr']:.3f}",
                f"{row['model_centrality']:.3f}",
                "-" if row["objective"] is None else f"{row['objective']:.2f}",
            )
            for row in ranking.to_dict()["runs"]
        ],
    )
    found = ranking.agreement
    if not found:
        return
    words = f"UDR {found['udr']:+.2f}, ModelCentrality {found['model_centrality']:+.2f}"
    if "objective" in found:
        words += f", objective {found['objective']:+.2f} (among seeds)"
    console.print(f"rank correlation (Spearman) with the metric: {words}")


def print_dual(outcome: Mapping[str, Any]) -> None:
    """Print the multiplier of each constrained run beside the slope of the fitted curve."""
    print("  epsilon     rate  distortion  multiplier  dG/d epsilon")
    for row in outcome["runs"]:
        print(
            f"{row['epsilon']:9.4g}{row['rate']:9.2f}{row['distortion']:12.2f}"
            f"{row['multiplier']:12.3g}"
            + (f"{row['slope']:14.3g}" if row["on_curve"] else "   beaten by another run")
        )
    if not outcome["converged"]:
        print("fewer than three runs lie on one curve: train longer (--images)")
    print(f"multiplier / slope: {outcome['median_multiplier_over_slope']:.2f} (median)")


def print_rate_distortion(outcome: Mapping[str, Any]) -> None:
    """Print distortion and rate of both decoders over beta."""
    print("     beta   Bernoulli D / R    Gaussian D / R")
    for one, two in zip(outcome["bernoulli"], outcome["gaussian"], strict=True):
        print(
            f"{one['beta']:9.4g}{one['distortion']:11.1f} /{one['rate']:5.1f}"
            f"{two['distortion']:11.1f} /{two['rate']:5.1f}"
        )


def print_benchmark(outcome: dict[str, Any]) -> None:
    """Print each data set's table: a line a method, the mean over seeds and half its interval."""
    from betavae.studies.benchmark_page import chosen_by, lead, number

    print(lead(outcome["settings"]))
    print(chosen_by(outcome["settings"]))
    for data in outcome["settings"]["data"]:
        print(f"\n{data}")
        for row in outcome["rows"]:
            if row["data"] == data:
                shown = (f"{name} {number(score)}" for name, score in row["scores"].items())
                print(f"  {row['title']}: {', '.join(shown)}; {row['train_seconds']:,.0f} s")
