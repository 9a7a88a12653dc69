"""Judge a run: encode its data set, score the codes, keep the result beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError, check_range
from betavae._system.files import write_json
from betavae._system.stamps import stamp
from betavae.data.code_files import load_representation
from betavae.metrics._shared.draws import Draws
from betavae.metrics.catalogue import Choice, choose
from betavae.metrics.evaluation import HasCodes, evaluate
from betavae.metrics.summary import Results
from betavae.runs.made import check_made, current_weights, made_of, writing
from betavae.runs.opened import LARGEST_SEED, OpenRun, open_run, sample_rows
from betavae.runs.representation import Representation, represent
from betavae.runs.scores import SCORES, keep_scores
from betavae.training.fit import training_part
from betavae.training.machine import choose_device

MOST_BINS, MOST_PAIRS = 10_000, 100_000


@dataclass(frozen=True)
class ScoreOptions:
    """What is computed of codes.

    Attributes:
        metrics: what to compute, as `betavae.metrics.evaluate` takes it.
        protocol: for metrics named without one.
        n_pairs: L of the Higgins score, in place of its protocol's.
        factor_bins: bins of a continuous factor.
        seed: seed of the metrics, and of the rows where not all are encoded.

    Raises:
        InputError: for numbers out of their range, or pairs without the Higgins score.
    """

    metrics: str | Sequence[str] = "higgins"
    protocol: str | None = None
    n_pairs: int | None = None
    factor_bins: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, LARGEST_SEED)
        check_range("factor_bins", self.factor_bins, 2, MOST_BINS)
        if self.n_pairs is not None:
            check_range("pairs", self.n_pairs, 1, MOST_PAIRS)

    def selected(self) -> list[Choice]:
        """Return the metrics with their protocols.

        Raises:
            InputError: for names that are not there, or pairs without the Higgins score.
        """
        found = choose(self.metrics, self.protocol)
        if self.n_pairs is not None and not any(choice.name == "higgins" for choice in found):
            raise InputError(
                "pairs must come with the metric higgins, "
                f"got the metrics {', '.join(choice.key for choice in found)}"
            )
        return found


def encode_run(
    run: Path | OpenRun,
    *,
    data: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str = "auto",
    held_out: bool = False,
    progress: bool = True,
) -> Representation:
    """Encode a run's own data set, or another one, with its trained model.

    Args:
        run: the run's folder, or the run where it is open.
        data: another data set or path; its images must have the run's shape.
        rows: encode this many random rows instead of all.
        seed: seed of the rows' choice.
        device: where to encode.
        held_out: encode only what the run's training never saw.
        progress: show a bar on stderr.

    Raises:
        InputError: when the run or the data cannot be used.
    """
    if isinstance(run, Path):
        run = open_run(run, data=data)
    chosen = held_out_rows(run) if held_out else None
    count = len(run.dataset.images) if chosen is None else len(chosen)
    if rows is not None:
        if not 2 <= rows <= count:
            raise InputError(f"rows must be in 2..{count}, got {rows}")
        if chosen is None:
            chosen = sample_rows(run.dataset, rows, seed)
        else:
            picked = np.random.default_rng(seed).choice(count, rows, replace=False)
            chosen = chosen[np.sort(picked)]
    on = choose_device(device)
    return represent(run.model, run.dataset, rows=chosen, device=on, progress=progress)


def held_out_rows(run: OpenRun) -> NDArray[np.int64]:
    """Return the rows that a run's training held out.

    Raises:
        InputError: when it held none out.
    """
    config = run.header.config
    rows = training_part(config, run.dataset)[1]
    if not len(rows):
        raise InputError(f"{run.folder} held no images out of training (train it with --hold-out)")
    return rows


def score_run(
    run_folder: Path,
    options: ScoreOptions | None = None,
    *,
    data: str | None = None,
    rows: int | None = None,
    device: str = "auto",
    held_out: bool = False,
    progress: bool = True,
) -> Results:
    """Encode a run's data, compute metrics of the codes, keep them in the run's score.json.

    Args:
        run_folder: the run.
        options: what is computed; the Higgins score if None.
        data: another place of the run's images, or another data set.
        rows: encode this many random rows instead of all.
        device: where to encode.
        held_out: score only what the run's training never saw; kept beside the scores of all.
        progress: show bars on stderr.

    Returns:
        The results; their `.notes` say what in score.json was replaced, or is on other rows.

    Raises:
        InputError: when the run, its data or what was asked for cannot be used; before anything
            is encoded wherever it can be told.
    """
    options = options or ScoreOptions()
    options.selected()
    with writing(run_folder / SCORES, run_folder):
        run = open_run(run_folder, data=data)
        return _score_open(run, options, rows, device, held_out, progress)


def _score_open(
    run: OpenRun,
    options: ScoreOptions,
    rows: int | None,
    device: str,
    held_out: bool,
    progress: bool,
) -> Results:
    asked = options.selected()
    unlabelled = run.dataset.grid is None and run.dataset.labels is None
    if unlabelled and any(c.named and "factors" in c.needs for c in asked):
        raise InputError(
            f"the data of {run.folder} has no factors, so it cannot be scored; "
            "give factors with the images (a `factors` array or a factors.csv)"
        )
    weights = run.weights if current_weights(run.folder) else ""
    codes = encode_run(
        run, rows=rows, seed=options.seed, device=device, held_out=held_out, progress=progress
    )
    results = replace(_evaluate(codes, options, progress), weights=run.weights)
    if run.is_own_data:
        return replace(results, said=keep_scores(run.folder, results, weights, held_out=held_out))
    other = f"{run.dataset.name} is not what the run was trained on: {SCORES} is left as it is"
    return replace(results, said=(other,))


def score_files(
    codes: Path,
    factors: Path | None = None,
    log_var: Path | None = None,
    options: ScoreOptions | None = None,
    *,
    progress: bool = True,
) -> Results:
    """Compute metrics of codes that anybody's model wrote to .npy, .npz or .csv files.

    Args:
        codes: (N, M) codes; see `betavae.data.load_representation`.
        factors: (N, K) factors, unless the codes' .npz holds them.
        log_var: (N, M) log variances, unless the codes' .npz holds them.
        options: what is computed; all fast metrics if None.
        progress: show a bar on stderr.

    Raises:
        InputError: when a file or what was asked for cannot be used.
    """
    options = options or ScoreOptions("fast")
    options.selected()
    found = load_representation(codes, factors, log_var)
    check_made(codes)
    weights = stamp(made_of(codes)) if codes.suffix in (".npz", ".csv") else ""
    return replace(_evaluate(found, options, progress), weights=weights)


def _evaluate(codes: HasCodes, options: ScoreOptions, progress: bool) -> Results:
    """Evaluate under a bar that names the metric and says how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    asked = options.selected()
    keys = [choice.key for choice in asked]
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not progress) as bar:
        task = bar.add_task("metrics", total=len(keys))
        return evaluate(
            codes,
            metrics=asked,
            factor_bins=options.factor_bins,
            options={}
            if options.n_pairs is None
            else {"higgins": {"draws": Draws(n_pairs=options.n_pairs)}},
            rng=options.seed,
            progress=lambda key: bar.update(task, description=key, completed=keys.index(key)),
        )


def write_results(path: Path, results: Results) -> None:
    """Write everything about an evaluation as JSON, beside and renamed."""
    write_json(path, results.to_dict(), allow_nan=False)
