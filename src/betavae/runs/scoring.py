"""Judge a run: encode its data set, score the codes, keep the result beside the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.data.dataset import Dataset
from betavae.metrics._shared.array_files import load_representation
from betavae.metrics.catalogue import Choice, choose
from betavae.metrics.evaluation import HasCodes, evaluate
from betavae.metrics.summary import Results
from betavae.models.methods import Model
from betavae.runs.opened import load_run
from betavae.runs.representation import Representation, represent
from betavae.runs.scores import SCORES, kept_scores
from betavae.training.checkpoint import Header
from betavae.training.machine import choose_device


def encode_run(
    run_folder: Path,
    *,
    data: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Representation:
    """Encode a run's own data set, or another one, with its trained model.

    Args:
        run_folder: the run.
        data: another data set or path; its images must have the run's shape.
        rows: encode this many random rows instead of all.
        seed: seed of the rows' choice.
        device: where to encode.
        progress: show a bar on stderr.

    Raises:
        InputError: when the run or the data cannot be used.
    """
    run = load_run(run_folder, data)
    return _encode(run, rows=rows, seed=seed, device=device, progress=progress)


def _encode(
    run: tuple[Model, Header, Dataset],
    *,
    rows: int | None,
    seed: int,
    device: str,
    progress: bool,
) -> Representation:
    model, _, dataset = run
    chosen = None
    if rows is not None:
        if not 2 <= rows <= len(dataset.images):
            raise InputError(f"rows must be in 2..{len(dataset.images)}, got {rows}")
        generator = np.random.default_rng(seed)
        chosen = np.sort(generator.choice(len(dataset.images), rows, replace=False))
    return represent(model, dataset, rows=chosen, device=choose_device(device), progress=progress)


def score_run(
    run_folder: Path,
    *,
    metrics: str | Sequence[str] = "higgins",
    protocol: str | None = None,
    n_pairs: int | None = None,
    factor_bins: int = 20,
    rows: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Results:
    """Encode a run's data, compute metrics of the codes, keep them in the run's score.json.

    Args:
        run_folder: the run.
        metrics: what to compute, as `betavae.metrics.evaluate` takes it.
        protocol: for metrics named without one.
        n_pairs: L of the Higgins score, in place of its protocol's.
        factor_bins: bins of a continuous factor.
        rows: encode this many random rows instead of all.
        seed: seed of rows and metrics.
        device: where to encode.
        progress: show bars on stderr.

    Returns:
        The results; their `.notes` say what in score.json was replaced, or is on other rows.

    Raises:
        InputError: when the run, its data or what was asked for cannot be used; before anything
            is encoded wherever it can be told.
    """
    chosen = _chosen(metrics, protocol, n_pairs)
    run = load_run(run_folder)
    labelled = run[2].factors(np.arange(1)) is not None
    if not labelled and any(c.named and "factors" in c.needs for c in chosen):
        raise InputError(
            f"the data of {run_folder} has no factors, so it cannot be scored; "
            "give factors with the images (a `factors` array or a factors.csv)"
        )
    codes = _encode(run, rows=rows, seed=seed, device=device, progress=progress)
    results = _evaluate(
        codes, chosen, n_pairs=n_pairs, factor_bins=factor_bins, seed=seed, progress=progress
    )
    return dataclasses.replace(results, said=keep_scores(run_folder, results))


def score_files(
    codes: Path,
    factors: Path | None = None,
    log_var: Path | None = None,
    *,
    metrics: str | Sequence[str] = "fast",
    protocol: str | None = None,
    n_pairs: int | None = None,
    factor_bins: int = 20,
    seed: int = 0,
    progress: bool = True,
) -> Results:
    """Compute metrics of codes that anybody's model wrote to .npy, .npz or .csv files.

    Args:
        codes: (N, M) codes; see `betavae.metrics.load_representation`.
        factors: (N, K) factors, unless the codes' .npz holds them.
        log_var: (N, M) log variances, unless the codes' .npz holds them.
        metrics: what to compute, as `betavae.metrics.evaluate` takes it.
        protocol: for metrics named without one.
        n_pairs: L of the Higgins score, in place of its protocol's.
        factor_bins: bins of a continuous factor.
        seed: seed of the metrics.
        progress: show a bar on stderr.

    Raises:
        InputError: when a file or what was asked for cannot be used.
    """
    chosen = _chosen(metrics, protocol, n_pairs)
    arrays = load_representation(codes, factors, log_var)
    return _evaluate(
        arrays, chosen, n_pairs=n_pairs, factor_bins=factor_bins, seed=seed, progress=progress
    )


def _chosen(
    metrics: str | Sequence[str], protocol: str | None, n_pairs: int | None
) -> list[Choice]:
    chosen = choose(metrics, protocol)
    if n_pairs is not None and not any(choice.name == "higgins" for choice in chosen):
        raise InputError(
            "pairs must come with the metric higgins, "
            f"got the metrics {', '.join(choice.key for choice in chosen)}"
        )
    return chosen


def _evaluate(
    codes: HasCodes,
    chosen: list[Choice],
    *,
    n_pairs: int | None,
    factor_bins: int,
    seed: int,
    progress: bool,
) -> Results:
    """Evaluate under a bar that names the metric and says how many are done."""
    keys = [choice.key for choice in chosen]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not progress) as bar:
        task = bar.add_task("metrics", total=len(keys))
        return evaluate(
            codes,
            metrics=chosen,
            factor_bins=factor_bins,
            options={} if n_pairs is None else {"higgins": {"n_pairs": n_pairs}},
            rng=seed,
            progress=lambda key: bar.update(task, description=key, completed=keys.index(key)),
        )


def keep_scores(run_folder: Path, results: Results) -> tuple[str, ...]:
    """Put results into score.json, by "metric:protocol", keeping those of other metrics.

    Returns:
        A sentence for each score that was on other rows and is replaced, and one where what is
        kept beside the new scores is on other rows.
    """
    kept, found = kept_scores(run_folder), results.to_dict()["metrics"]
    said = [
        f"{SCORES}: {key} on {entry['n_rows']:,} rows was replaced by one on {results.n_rows:,}"
        for key, entry in kept.items()
        if key in found and _on_other_rows(entry, results)
    ]
    others = [key for key in kept if key not in found and _on_other_rows(kept[key], results)]
    if others:
        said.append(f"{SCORES} also keeps scores on other rows: {', '.join(others)}")
    write_json(run_folder / SCORES, {**kept, **found}, allow_nan=False)
    return tuple(said)


def _on_other_rows(entry: Any, results: Results) -> bool:
    rows = entry.get("n_rows") if isinstance(entry, dict) else None
    return isinstance(rows, int) and rows != results.n_rows


def write_results(path: Path, results: Results) -> None:
    """Write everything about an evaluation as JSON, beside and renamed."""
    write_json(path, results.to_dict(), allow_nan=False)
