"""Figures of scores and of what they rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.style import latent_name
from betavae.metrics import Draws, dci_scores, factor_table, higgins_score, mig_score
from betavae.runs.code_source import CodeSource, factors_of
from betavae.runs.figure_options import Drawn, FigureOptions
from betavae.runs.image_figures import latent_order
from betavae.runs.latent_names import named_latents
from betavae.runs.representation import Representation
from betavae.runs.scores import SCORES, kept_scores, stale_scores
from betavae.training.checkpoint import read_header

PAIRS = (1, 2, 5, 10, 20, 50, 100)
DEFAULT_PAIRS = 20  # of protocol higgins2017
SCORE_KEY = "higgins:higgins2017"


def information(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw I(latent; factor) in nats: of posterior samples, or of binned codes without one."""
    codes = source.sample(options.rows, options.seed)
    factors = factors_of(codes, "figure information", source.path)
    protocol = "locatello2019" if codes.log_var is None else "chen2018"
    found = mig_score(
        codes.mean,
        factors,
        protocol=protocol,
        log_var=codes.log_var,
        factor_columns=range(factors.shape[1]),
        rng=options.seed,
    )
    table = np.maximum(found.mutual_information, 0)
    return Drawn(
        _table(
            source,
            codes,
            table,
            options.seed,
            title="Mutual information",
            unit="nats",
        ),
        {
            "protocol": protocol,
            "rows": len(codes.mean),
            "factors": list(codes.factor_names),
            "mutual_information": table.tolist(),
            "factor_entropies": found.factor_entropies.tolist(),
            "mig_all_factors": found.score,
        },
    )


def importance(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw the DCI importances, each factor's summing to 1."""
    codes = source.sample(options.rows, options.seed)
    factors = factors_of(codes, "figure importance", source.path)
    found = dci_scores(codes.mean, factors, protocol="fast", rng=options.seed)
    table = found.importance / np.maximum(found.importance.sum(axis=0), 1e-300)
    return Drawn(
        _table(
            source,
            codes,
            table,
            options.seed,
            title="Importance (DCI)",
            unit="share of the factor's weight",
            most=1.0,
        ),
        {
            "protocol": found.protocol,
            "rows": len(codes.mean),
            "factors": list(codes.factor_names),
            "importance": table.tolist(),
            "disentanglement": found.disentanglement,
            "completeness": found.completeness,
            "informativeness": found.informativeness,
        },
    )


def score_pairs(sources: Sequence[CodeSource], options: FigureOptions) -> Drawn:
    """Score every one at several L, with the same rows and seeds."""
    lines: dict[str, list[float]] = {}
    classes = 1
    for number, source in enumerate(sources):
        codes = source.sample(options.rows, options.seed)
        factors = factors_of(codes, "figure score-pairs", source.path)
        found = [
            higgins_score(
                codes.mean,
                factor_table(factors, codes.factor_names or None),
                unit=codes.unit,
                draws=Draws(n_pairs=pairs),
                rng=options.seed,
            )
            for pairs in PAIRS
        ]
        classes = len(found[0].factor_columns)
        name = source.name if source.name not in lines else f"{source.name} ({number + 1})"
        lines[name] = [result.score for result in found]
    return Drawn(
        partial(
            figures.score_against_pairs, PAIRS, lines, chance=1 / classes, marked=DEFAULT_PAIRS
        ),
        {
            "protocol": "higgins2017",
            "pairs": list(PAIRS),
            "scores": lines,
            "rows": options.rows,
            "chance": 1 / classes,
        },
    )


def size_and_beta(paths: Sequence[Path], options: FigureOptions) -> Drawn:
    """Draw the scores of many runs over beta_norm and size; all must be scored already."""
    points = [_scored(path) for path in paths]
    rows = {point["rows"] for point in points}
    if len(rows) > 1:
        raise InputError(
            "the scores of a figure must be on the same number of rows, "
            f"got {', '.join(sorted(map(str, rows)))}"
        )
    pixels = {point["pixels"] for point in points}
    columns = {
        name: [point[name] for point in points]
        for name in ("beta_norm", "latents", "score", "collapsed")
    }
    draw = partial(
        figures.size_and_beta,
        columns["beta_norm"],
        columns["latents"],
        columns["score"],
        pixels=pixels.pop() if len(pixels) == 1 else None,
        title=_title(columns["collapsed"]),
    )
    return Drawn(draw, columns)


def _title(collapsed: Sequence[bool]) -> str:
    """Name the score, and say how many of the runs have nothing that it could judge."""
    n = sum(collapsed)
    if not n:
        return "Score (higgins2017)"
    return f"Score (higgins2017); {n} of {len(collapsed)} runs have no active latent"


def _scored(path: Path) -> dict[str, Any]:
    """Return beta_norm, size and score of a run; beta is the one training ended with."""
    header = read_header(path)
    config = header.config
    beta = config.beta(header.image_shape) if config.method.name == "vae" else None
    if beta is None:
        vae = config.method.name == "vae"
        what = f"objective {config.objective.name}" if vae else f"method {config.method.name}"
        raise InputError(f"{path} is a run of {what}, which has no beta")
    pixels = math.prod(header.image_shape)
    found = kept_scores(path)
    if not found:
        raise InputError(f"{path} has no score yet; compute it with: betavae score {path}")
    if SCORE_KEY in stale_scores(path):
        raise InputError(
            f"{path / SCORES} is of other weights than the run's; renew it with: "
            f"betavae score {path}"
        )
    try:
        value = float(found[SCORE_KEY]["score"])
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path / SCORES} holds no score of protocol higgins2017") from None
    return {
        "beta_norm": beta * header.config.latents / pixels,
        "latents": header.config.latents,
        "score": value,
        "pixels": pixels,
        "rows": found[SCORE_KEY].get("n_rows"),
        "collapsed": found[SCORE_KEY].get("collapsed") is True,
    }


def _table(
    source: CodeSource, codes: Representation, table: NDArray[np.float64], seed: int, **words: Any
) -> Callable[[], Figure]:
    """Return what draws a number for each latent (row) and factor, as `figures.factor_table`.

    The latents stand in the order of every figure and under the names that were given to them.
    """
    order, count = latent_order(source, seed), len(table)
    folder = source.path.is_dir()
    names = named_latents(source.path, count) if folder else [latent_name(k) for k in range(count)]
    factors = list(codes.factor_names) or [f"factor {k}" for k in range(table.shape[1])]
    labels = [names[k] for k in order]
    return partial(figures.factor_table, table[order], factors, labels=labels, **words)
