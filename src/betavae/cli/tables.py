"""What the commands print of results: tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from betavae._system.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from betavae.runs.listing import Listed
    from betavae.runs.neighbours import Neighbour
    from betavae.runs.opened import OpenRun
    from betavae.studies.ranking import Ranking


WIDTH = 80  # columns of what goes into a file or a pipe


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Console:
    """Print a table, the first column to the left; return where it was printed, for more lines.

    A table that is too wide goes on below, with its first column again.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(
        width=None if sys.stdout.isatty() else WIDTH, soft_wrap=True, highlight=False, markup=False,
        emoji=False,
    )  # fmt: skip
    title, columns = printable(title), [*map(printable, columns)]
    rows = [[*map(printable, row)] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for part, places in enumerate(column_parts(widths, console.width)):
        table = Table(title=None if part else title, title_justify="left")
        for place in places:
            table.add_column(columns[place], justify="right" if place else "left")
        for row in rows:
            table.add_row(*(row[place] for place in places))
        console.print(table, soft_wrap=False)
    return console


def column_parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Share columns out over tables that fit, each with the first column, in order.

    Args:
        widths: of the cells.
        room: columns of the terminal; each cell takes 3 more, the table 1.

    >>> column_parts([10, 20, 20, 20], 60), column_parts([10, 20, 20, 20], 90)
    ([[0, 1, 2], [0, 3]], [[0, 1, 2, 3]])
    """
    parts, used = [[0]], 1 + 3 + widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if used + width + 3 > room and len(parts[-1]) > 1:
            parts.append([0])
            used = 1 + 3 + widths[0]
        parts[-1].append(place)
        used += width + 3
    return parts


def print_demo(outcome: Mapping[str, Any], out: Path) -> None:
    """Print both models of the demo."""
    first = outcome["runs"][0]
    console = print_table(
        f"2D shapes, {first['protocol']}, L = {first['n_pairs']}, one seed, "
        f"{first['images']:,} images each; MIG, shape and orientation on 20,000",
        (
            "model",
            "beta",
            "score %",
            "paper %",
            "MIG",
            "shape",
            "orientation",
            "distortion",
            "rate",
            "active",
            "train s",
        ),
        [
            (
                row["model"],
                row["how"],
                f"{100 * row['score']:.2f} +- {100 * row['deviation']:.2f}",
                row["paper_percent"],
                f"{row['mig']:.3f}",
                f"{row['shape']:.3f}",
                f"{row['orientation']:.3f}",
                f"{row['distortion']:.1f}",
                f"{row['rate']:.2f}",
                f"{row['active_latents']}",
                f"{row['training_seconds']:,.0f}",
            )
            for row in outcome["runs"]
        ],
    )
    console.print(
        "shape: share of images whose shape five neighbours tell from the codes\n"
        "orientation: R^2 of the hearts' angle"
    )
    if outcome["quick"]:
        console.print("quick: a tenth of the length, the scores mean nothing")
    for row in outcome["runs"]:
        console.print(f"report: {row['report']}")
    console.print(f"numbers: {out / 'demo.json'}")
    first = Path(outcome["runs"][0]["report"])
    console.print(
        f"next: open {first} in a browser, or turn the latents with\n"
        f"  betavae explore {first.parent}"
    )


def print_methods(outcome: Mapping[str, Any]) -> None:
    """Print Fig. 5 (left), our numbers beside the paper's, and what was scaled down."""
    data = "2D shapes" if outcome["data"] == "shapes2d" else outcome["data"]
    console = print_table(
        f"{data}, {outcome['protocol']}, L = {outcome['n_pairs']}: mean and deviation",
        ("model", "better half %", "all %", "paper %", "fits", "scores"),
        [
            (
                row["name"],
                _percent(row["better_half"], row["better_half_deviation"]),
                _percent(row["mean_of_all"], row["deviation_of_all"]),
                "{:.2f} +- {:.1f}".format(*row["paper_percent"]),
                f"{row['replicas']}",
                f"{len(row['scores'])}",
            )
            for row in outcome["rows"]
        ],
    )
    lengths = sorted({int(pairs) for row in outcome["rows"] for pairs in row["against_pairs"]})
    print_table(
        "Score % at other L: at the optimum / by 30,000 steps of Adagrad",
        ("model", *(f"L = {pairs}" for pairs in lengths)),
        [
            (row["name"], *(_both_rules(row, str(pairs)) for pairs in lengths))
            for row in outcome["rows"]
        ],
    )
    print_table(
        "What was fitted",
        ("model", "network", "optimiser", "images", "seeds", "fit s"),
        [
            (
                row["name"],
                row["network"],
                row["optimiser"],
                f"{row['images']:,}",
                f"{row['seeds'][0]} to {row['seeds'][-1]}" if row["seeds"] else "none",
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


def _percent(score: float, deviation: float) -> str:
    return f"{100 * score:.2f} +- {100 * deviation:.2f}"


def _both_rules(row: Mapping[str, Any], pairs: str) -> str:
    """Return the mean scores of a row at an L, by both rules; a dash for what is not there."""
    found = [row["against_pairs"].get(pairs), row["against_pairs_adagrad"].get(pairs)]
    return " / ".join(f"{100 * sum(s) / len(s):.1f}" if s else "-" for s in found)


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


def print_runs(runs: Sequence[Listed], folder: Path) -> None:
    """Print runs: what differs between them, how far they are, what they scored."""
    from betavae.runs.listing import differing

    def nats(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    names = differing(runs)
    print_table(
        f"{len(runs)} run{'s' if len(runs) != 1 else ''} in {folder}",
        ("run", "state", "images", "score %", "distortion", "rate", *names),
        [
            (
                str(run.folder.relative_to(folder)),
                run.state,
                f"{run.images:,}"
                if run.state == "finished"
                else f"{run.images:,} of {run.length:,}",
                "-" if run.score is None else f"{100 * run.score:.2f}",
                nats(run.distortion),
                nats(run.rate),
                *(run.settings.get(name, "-") for name in names),
            )
            for run in runs
        ],
    )


def print_neighbours(run: OpenRun, found: Sequence[Neighbour]) -> None:
    """Print the images nearest to a picture, with their files and factors where known."""
    dataset = run.dataset
    rows = np.array([one.row for one in found])
    factors = dataset.factors(rows)
    files = ["file"] if dataset.files else []
    print_table(
        f"Nearest images of {dataset.name}",
        ("row", "distance", *files, *(dataset.factor_names if factors is not None else ())),
        [
            (
                f"{one.row}",
                f"{one.distance:.3f}",
                *([dataset.files[one.row]] if files else []),
                *(() if factors is None else map(str, factors[place])),
            )
            for place, one in enumerate(found)
        ],
    )


def print_ranking(ranking: Ranking) -> None:
    """Print runs from best to worst, and how far the rankings without labels agree."""
    console = print_table(
        f"Runs from best to worst, on {ranking.rows:,} images",
        ("run", "metric %", "UDR", "ModelCentrality", "loss, nats"),
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
    console.print(
        "higher is better, of the loss lower; the loss is given where runs differ in their\n"
        "seed alone, as it does not compare different settings"
    )
    found = ranking.agreement
    if not found:
        return
    words = f"UDR {found['udr']:+.2f}, ModelCentrality {found['model_centrality']:+.2f}"
    if "objective" in found:
        words += f", loss {found['objective']:+.2f} (among seeds)"
    console.print(f"rank correlation (Spearman) with the metric: {words}")


def print_dual(outcome: Mapping[str, Any]) -> None:
    """Print each constrained run, and the secants between neighbours beside their multipliers."""
    print("  epsilon     rate  distortion  multiplier  rounds")
    for row in outcome["runs"]:
        notes = "" if row["met"] else f"   not within {outcome['tolerance']:g} nats of epsilon"
        notes += "" if row["on_curve"] else "   beaten by another run"
        print(
            f"{row['epsilon']:9.4g}{row['rate']:9.2f}{row['distortion']:12.2f}"
            f"{row['multiplier']:12.3g}{row['rounds']:8d}{notes}"
        )
    print("     rates of a secant    dG/d epsilon           multipliers")
    for line in outcome["secants"]:
        low, high = line["multipliers"]
        print(
            f"{line['rates'][0]:11.2f} to {line['rates'][1]:6.2f}"
            f"{line['slope']:11.3g} +- {line['error']:<8.2g}{low:8.3g} to {high:.3g}"
            + ("" if line["between"] else "   not between them")
        )
    if not outcome["converged"]:
        print("fewer than three runs lie on one curve: train longer (--images)")


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
