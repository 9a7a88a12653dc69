"""Judge a run: encode its data set, score the codes, keep the result beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from betavae.errors import InputError
from betavae.files import write_beside
from betavae.metrics.higgins import HigginsResult, higgins_score
from betavae.representation import Representation, represent
from betavae.runs import load_run
from betavae.training.machine import choose_device

SCORES = "score.json"


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
    model, _, dataset = load_run(run_folder, data)
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
    protocol: str = "higgins2017",
    n_pairs: int | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> HigginsResult:
    """Score a run by the disentanglement metric and write the result into its score.json.

    Raises:
        InputError: when the run or its data cannot be used, or the data has no factors.
    """
    codes = encode_run(run_folder, rows=rows, seed=seed, device=device, progress=progress)
    if codes.factors is None:
        raise InputError(
            f"the data of {run_folder} has no factors, so it cannot be scored; "
            "give factors with the images (a `factors` array or a factors.csv)"
        )
    result = higgins_score(codes.mean, codes.factors, protocol=protocol, n_pairs=n_pairs, rng=seed)
    keep_score(run_folder, protocol, {**result.to_dict(), "rows": len(codes.mean), "seed": seed})
    return result


def read_scores(run_folder: Path) -> dict[str, Any]:
    """Return what score.json holds, by protocol; empty when the run was never scored."""
    path = run_folder / SCORES
    if not path.exists():
        return {}
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return dict(scores)


def keep_score(run_folder: Path, protocol: str, result: dict[str, Any]) -> None:
    """Put one protocol's result into score.json, keeping the others."""
    scores = {**read_scores(run_folder), protocol: result}
    with write_beside(run_folder / SCORES) as beside:
        beside.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
