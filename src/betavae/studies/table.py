"""The paper's table (Higgins et al. 2017, Fig. 5 left): its cells and its result."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from betavae._system.files import read_json, write_json
from betavae.config import Config
from betavae.studies import presets
from betavae.studies.cells import CELL, Cell, Work, finished, weights_of
from betavae.studies.engines import Engine
from betavae.studies.run_cells import run_cells
from betavae.studies.table_plan import (
    KEYS,
    STUDY_NAME,
    Plan,
    Row,
    TableOptions,
    make_plan,
    scaled_down,
)
from betavae.studies.table_set import protocol_on
from betavae.studies.table_work import fit_work, moments_work, score_work

PAIRS = 20  # the paper does not state L; docs/table.md shows the score against it
CURVE = (5, 20, 64, 200)
RULES = ("higgins2017", "higgins2017-adagrad")  # the optimum of the loss, and counted steps
CLASSIFIERS = 3


def run_table(
    folder: Path,
    asked: TableOptions | None = None,
    *,
    rescore: bool = False,
    engine: Engine | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Fit every method, score its codes, and write table.json; finished cells are not done again.

    Fits that are now asked to be longer go on from where they ended, if nothing in them moves over
    a part of their length.

    Args:
        folder: the study's.
        asked: which rows, and how much of the protocol; what the folder knows if None.
        rescore: score the kept codes again, as after a change of the metric.
        engine: where cells run, and how many at a time.
        progress: show the live table on stderr.

    Returns:
        What table.json holds: a dictionary a row, and what they share.

    Raises:
        InputError: for data, options or a folder that cannot be used, or when cells failed.
        StudyStopped: after Ctrl-C; the same command goes on.
    """
    asked = asked or TableOptions()
    if asked.data is not None:
        protocol_on(asked.data)
    whole = make_plan(folder, asked)
    plan = whole.only(asked.methods or KEYS)
    if rescore:
        for path in [*folder.glob("scores/*/*/cell.json"), *folder.glob("curve/*/*/cell.json")]:
            path.unlink()
    longer = lengthened_cells(plan, folder)
    score = partial(score_work, folder, plan.data)
    stages: tuple[tuple[str, list[Cell], Work], ...] = (
        ("moments", moment_cells(plan), partial(moments_work, plan.data)),
        ("models", fit_cells(plan), partial(fit_work, folder)),
        ("scores", score_cells(plan), score),
        ("score against L", curve_cells(plan), score),
    )
    for _, cells, _ in stages:
        for cell in cells:  # a cell of other options is reported before any is run
            if cell not in longer:
                finished(folder, cell)
    for cell in longer:
        reopen(folder, cell)
    for title, cells, work in stages:
        run_cells(folder, cells, work, title=title, engine=engine, progress=progress)
    # As the folder knows it now: another command may have been given rows meanwhile.
    outcome = summary(make_plan(folder), folder)
    write_json(folder / "table.json", outcome)
    return outcome


def lengthened_cells(plan: Plan, folder: Path) -> list[Cell]:
    """Return the fits that ended at a smaller length than is asked for now, and can go on."""
    cells = []
    for cell in fit_cells(plan):
        path = folder / cell.name / CELL
        if not path.exists():
            continue
        asked, before = cell.options["config"], read_json(path)["options"].get("config", {})
        if (
            {**before, "images": None} == {**asked, "images": None}
            and before.get("images", 0) < asked.get("images", 0)
            and Config.from_mapping(asked).part_of_length() is None
        ):
            cells.append(cell)
    return cells


def reopen(folder: Path, fit: Cell) -> None:
    """Take a fit's result and its scores away, the result last; its checkpoint stays."""
    _, method, replica = fit.name.split("/")
    scored = folder.glob(f"scores/{method}/{replica}/{CELL}")
    against_pairs = folder.glob(f"curve/{method}/{replica}-L*/{CELL}")
    for path in (*scored, *against_pairs, folder / fit.name / CELL):
        path.unlink()


def moment_cells(plan: Plan) -> list[Cell]:
    """Return a cell a shape, whose sums PCA and ICA share."""
    if not {"pca", "ica"} & plan.replicas.keys():
        return []
    rows = 500 if plan.quick else None
    return [
        Cell(f"moments/{name}", {"shape": shape, "rows": rows})
        for shape, name in enumerate(protocol_on(plan.data).shapes)
    ]


def fit_cells(plan: Plan) -> list[Cell]:
    """Return a cell a fit of every method that needs one."""
    cells = []
    for row in plan.chosen():
        if row.options is None:
            continue
        options = presets.scaled(dict(row.options), plan.images[row.key])
        for replica in range(plan.replicas[row.key] if row.repeated else 1):
            config = {**options, "seed": presets.FIRST_SEED + replica}
            if plan.data != "shapes2d":
                config["data"] = plan.data
            if plan.quick:
                config["latents"] = min(config.get("latents", 10), 10)
            cells.append(Cell(f"models/{row.key}/{replica}", {"config": config, "rows": plan.rows}))
    return cells


def _score_cell(
    plan: Plan, row: Row, replica: int, *, pairs: int = PAIRS, rule: str | None = None
) -> Cell:
    """Return the cell of a fit's score; with a rule, a point of its score against L."""
    fit = replica if row.repeated else 0
    adagrad = "-adagrad" if rule == RULES[1] else ""
    name = f"scores/{row.key}/{replica}"
    return Cell(
        name if rule is None else f"curve/{row.key}/{replica}-L{pairs}{adagrad}",
        {
            "codes": f"models/{row.key}/{fit}" if row.options is not None else row.key,
            "replica": presets.FIRST_SEED + replica,
            "protocol": rule or RULES[0],
            "n_pairs": pairs,
            "seeds": CLASSIFIERS if rule is None else 1,
            "rows": plan.rows,
            "points": [200, 100] if plan.quick else [10_000, 5_000],
        },
    )


def score_cells(plan: Plan) -> list[Cell]:
    """Return a cell a fit, in which its classifiers are trained."""
    return [
        _score_cell(plan, row, replica)
        for row in plan.chosen()
        for replica in range(plan.replicas[row.key])
    ]


def curve_cells(plan: Plan) -> list[Cell]:
    """Return a cell a method, L and rule, up to three fits with one classifier each."""
    return [
        _score_cell(plan, row, replica, pairs=pairs, rule=rule)
        for row in plan.chosen()
        for pairs in ((5, PAIRS) if plan.quick else CURVE)
        for rule in (RULES[:1] if plan.quick else RULES)
        for replica in range(min(plan.replicas[row.key], 3 if row.repeated else 1))
    ]


def drop_lower_half(scores: Sequence[float]) -> list[float]:
    """Return the better half of the scores, falling; the middle one of an odd number is kept.

    Source: Higgins et al. 2017, A.4.

    >>> drop_lower_half([0.1, 0.4, 0.2, 0.3])
    [0.4, 0.3]
    """
    ranked = sorted(scores, reverse=True)
    return ranked[: (len(ranked) + 1) // 2]


def summary(plan: Plan, folder: Path) -> dict[str, Any]:
    """Put the results of the cells that are done together, a dictionary a row.

    Rows of which a cell is missing are named, and left for the command that finishes them.
    """
    rows, missing = [], []
    for row in plan.chosen():
        part = plan.only([row.key])
        fits = _results(folder, fit_cells(part))
        scored = _results(folder, score_cells(part))
        if fits is None or scored is None:
            missing.append(row.name)
            continue
        scores = [float(score) for result in scored for score in result["scores"]]
        half = drop_lower_half(scores)
        # Where nothing is fitted anew, the better half would only be the luckier classifiers.
        kept = half if row.repeated else sorted(scores, reverse=True)
        curves: dict[str, dict[str, list[float]]] = {rule: {} for rule in RULES}
        for cell in curve_cells(part):
            if (result := finished(folder, cell)) is not None:
                curve = curves[cell.options["protocol"]]
                curve.setdefault(str(cell.options["n_pairs"]), []).extend(result["scores"])
        rows.append(
            {
                "method": row.key,
                "name": row.name,
                "score": float(np.mean(kept)),
                "deviation": _deviation(kept),
                "paper_percent": list(row.paper),
                "replicas": len(fits) if row.repeated else 1,
                "scores": scores,
                "kept": kept,
                "better_half": float(np.mean(half)),
                "better_half_deviation": _deviation(half),
                "mean_of_all": float(np.mean(scores)),
                "deviation_of_all": _deviation(scores),
                "against_pairs": curves[RULES[0]],
                "against_pairs_adagrad": curves[RULES[1]],
                **made_of(part, row),
                "rows_scored": scored[0]["rows"],
                "images": fits[0]["images"] if fits else 0,
                "fits": fits,
                "fit_seconds": float(
                    np.mean(
                        [fit.get("train_seconds", fit["cell_seconds"]) for fit in fits] or [0.0]
                    )
                ),
                "score_seconds": float(np.mean([result["cell_seconds"] for result in scored])),
            }
        )
    return {
        "study": STUDY_NAME,
        "data": plan.data,
        "protocol": RULES[0],
        "n_pairs": PAIRS,
        "classifiers": CLASSIFIERS,
        "quick": plan.quick,
        "scaled_down": scaled_down(plan),
        "missing": missing,
        "weights": weights_of(folder, [cell.name for cell in fit_cells(plan)]),
        "rows": rows,
    }


def _deviation(scores: Sequence[float]) -> float:
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0


def made_of(plan: Plan, row: Row) -> dict[str, Any]:
    """Say what a row was fitted with: network, optimiser, beta, and seeds."""
    cells = fit_cells(plan.only([row.key]))
    if not cells:
        return {"network": "none", "optimiser": "none", "seeds": []}
    config = Config.from_mapping(cells[0].options["config"])
    name = config.method.name
    if name in ("pca", "ica"):
        network, optimiser = f"{config.latents} components", "none"
    else:
        network = config.network if name == "vae" else f"the method's own, {config.latents} codes"
        how = config.optimiser
        optimiser = f"{how.name} {how.learning_rate:g}, batch {config.batch}"
    seeds = [cell.options["config"]["seed"] for cell in cells] if row.repeated else []
    return {"network": network, "optimiser": optimiser, "seeds": seeds}


def _results(folder: Path, cells: Sequence[Cell]) -> list[dict[str, Any]] | None:
    """Return the results of cells that are all done, else None."""
    found = [finished(folder, cell) for cell in cells]
    return None if None in found else [result for result in found if result is not None]
