"""Runs ranked: with labels on a subset, without any, and by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.config import Config
from betavae.metrics import Draws, factor_table
from betavae.metrics.higgins import higgins_score
from betavae.metrics.udr import model_centrality, udr_scores
from betavae.runs.opened import open_run, sample_rows, seed_rows
from betavae.runs.representation import Representation, represent
from betavae.runs.traversals import leading, traverse

STRIPS = 6  # latents of each run shown side by side


@dataclass(frozen=True)
class Ranking:
    """Runs ranked with and without labels.

    Attributes:
        runs: the run folders.
        labelled: (R,) score of the metric on the subset, or None without labels.
        udr: (R,) unsupervised disentanglement ranking.
        centrality: (R,) ModelCentrality.
        objective: (R,) what training minimised, distortion + beta x rate with the last beta, in
            nats per image, on the same images and noise; NaN for other methods and objectives.
            It ranks runs that differ in their seed alone; NaN where there is no such other run.
        agreement: rank correlation (Spearman) of each label-free score with the labelled one;
            empty without labels. Of the objective: the mean over the settings with three runs or
            more, and left out when there are none.
        rows: images compared.
        weights: (R,) digests of the weights that were compared.
    """

    runs: tuple[Path, ...]
    labelled: NDArray[np.float64] | None
    udr: NDArray[np.floating[Any]]
    centrality: NDArray[np.floating[Any]]
    objective: NDArray[np.float64]
    agreement: dict[str, float]
    rows: int
    weights: tuple[str, ...] = ()

    def order(self) -> NDArray[np.int64]:
        """Return the runs from best to worst: by the labelled score, else by UDR."""
        by = self.udr if self.labelled is None else self.labelled
        return np.argsort(-by, kind="stable").astype(np.int64)

    def words(self, run: int) -> str:
        """Return a run's values in two lines, each with its unit and which way is better."""
        label = "" if self.labelled is None else f"Higgins {100 * self.labelled[run]:.1f} %  "
        scores = f"{label}UDR {self.udr[run]:.2f}  centrality {self.centrality[run]:.2f} (all: ↑)"
        if np.isnan(self.objective[run]):  # no run of the same setting to compare it with
            return scores
        return f"{scores}\nloss {self.objective[run]:.1f} nats (↓, among its own seeds)"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, best run first."""
        ranked = [
            {
                "run": str(self.runs[k]),
                "labelled": None if self.labelled is None else float(self.labelled[k]),
                "udr": float(self.udr[k]),
                "model_centrality": float(self.centrality[k]),
                "objective": None if np.isnan(self.objective[k]) else float(self.objective[k]),
            }
            for k in self.order()
        ]
        digests = zip(map(str, self.runs), self.weights, strict=False)
        meaning = {
            "labelled": "higgins2017, in [0, 1], higher is better",
            "udr": "in [0, 1], higher is better",
            "model_centrality": "in [0, 1], higher is better",
            "objective": "nats per image, lower is better, among seeds of one setting",
        }
        return {
            "rows": self.rows,
            "meaning": meaning,
            "spearman_with_labelled": self.agreement,
            "weights": dict(digests),
            "runs": ranked,
        }


def rank_runs(
    runs: Sequence[Path], *, rows: int = 10_000, pairs: int | None = None, seed: int = 0
) -> Ranking:
    """Rank runs of one data set, with its labels where there are any and without.

    Args:
        runs: two or more run folders.
        rows: random images to compare on; fewer where the set is smaller.
        pairs: pairs averaged into one point of the labelled score; its default if None.
        seed: seed of the choice of images, and of the scores.

    Raises:
        InputError: for fewer than two runs, runs of different data, or too few rows.

    Source: the metric of Higgins et al. 2017; Duan et al. 2020 (UDR); Lin et al. 2020
    (ModelCentrality).
    """
    if len(runs) < 2:
        raise InputError(f"choosing needs at least 2 runs, got {len(runs)}")
    if rows < 2:
        raise InputError(f"rows must be >= 2, got {rows}")
    codes: list[Representation] = []
    configs: list[Config] = []
    objective = np.full(len(runs), np.nan)
    for place, folder in enumerate(runs):
        run = open_run(folder, sample=rows, seed=seed)
        configs.append(run.header.config)
        chosen = sample_rows(run.dataset, rows, seed)
        codes.append(represent(run.model, run.dataset, rows=chosen))
        if run.objective is not None:
            objective[place] = run.objective
    for alike in _seeds_of_one(configs):
        if len(alike) == 1:  # nothing that its loss could be compared with
            objective[alike] = np.nan
    names = {config.data for config in configs}
    if len(names) > 1:
        raise InputError(f"runs must be of one data set, got {', '.join(sorted(names))}")
    means = [found.mean for found in codes]
    variances = [found.log_var for found in codes]
    with_posterior = all(variance is not None for variance in variances)
    udr = udr_scores(means, log_vars=variances if with_posterior else None, rng=seed).scores
    central = model_centrality(means, rng=seed).scores
    factors = codes[0].factors
    labelled, agreement = None, {}
    if factors is not None:
        labelled = np.array(
            [
                higgins_score(
                    found.mean,
                    factor_table(factors, found.factor_names or None),
                    unit=found.unit,
                    draws=Draws(n_pairs=pairs),
                    rng=seed,
                ).score
                for found in codes
            ]
        )
        agreement = {
            "udr": rank_agreement(labelled, udr),
            "model_centrality": rank_agreement(labelled, central),
        }
        among = [
            rank_agreement(labelled[same], -objective[same])
            for same in _seeds_of_one(configs)
            if len(same) > 2 and not np.isnan(objective[same]).any()
        ]
        if among:
            agreement["objective"] = float(np.mean(among))
    weights = tuple(found.weights for found in codes)
    return Ranking(
        tuple(runs), labelled, udr, central, objective, agreement, len(means[0]), weights
    )


def _seeds_of_one(configs: Sequence[Config]) -> list[list[int]]:
    """Return the places of the configurations that differ in their seed alone, group by group."""
    groups: dict[str, list[int]] = {}
    for place, config in enumerate(configs):
        groups.setdefault(config.model_dump_json(exclude={"seed"}), []).append(place)
    return list(groups.values())


def rank_agreement(one: Any, other: Any) -> float:
    """Return Spearman's rank correlation; 0 when one side does not rank at all.

    >>> rank_agreement([1, 2, 3], [10, 20, 25]), rank_agreement([1, 2], [5, 5])
    (1.0, 0.0)
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (one, other)]
    size = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float(ranks[0] @ ranks[1] / size) if size > 0 else 0.0


def write_ranking(ranking: Ranking, out: Path, *, seed: int = 0) -> list[Path]:
    """Write choose.json, and choose.png with the traversals side by side."""
    sheets, titles = [], []
    for place, k in enumerate(ranking.order(), start=1):
        run = open_run(ranking.runs[k], sample=512, seed=seed)
        row = seed_rows(run.dataset, 1, np.random.default_rng(seed))
        shown = traverse(
            run.model, run.dataset.images[row], run.scale, steps=7,
            latents=leading(run.scale.amounts, STRIPS),
        )  # fmt: skip
        sheets.append(shown.images[:, 0])
        titles.append(f"{place}. {'/'.join(ranking.runs[k].parts[-2:])}\n{ranking.words(k)}")
    write_json(out / "choose.json", ranking.to_dict())
    figure = figures.sheets_side_by_side(sheets, titles)
    return [
        figures.save(figure, out / "choose.png", weights=ranking.weights),
        out / "choose.json",
    ]
