"""DCI-ES: DCI, and how easily the factors are read: explicitness over capacity, and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Floats, Ints
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.factors import SHAPES_2D
from betavae.metrics._shared.forest import forest_by_depth
from betavae.metrics._shared.groups import relabel, split_rows
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored
from betavae.metrics.dci import weighted_purity

PROTOCOLS = ("eastwood2023",)
DEPTHS = (1, 2, 3, 4, 8, 10, 12, 14, 16, 18, 20, 32)
"""Depths of the forests, the capacities of the authors' configuration."""


@dataclass(frozen=True)
class DciEsResult(Scored):
    """DCI-ES scores and the curves behind them.

    Attributes:
        score: the explicitness E.
        interval: None: one fit carries no error of its own.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        disentanglement: D of the depth with the best informativeness, in [0, 1].
        completeness: C of the same depth, in [0, 1].
        informativeness: mean over factors of R^2, or accuracy for classes, at that depth.
        explicitness: E, mean over factors; 1 when the simplest probe reads all there is to read.
        size: S = K / M, factors over latents; 1 or less for codes with room to spare.
        per_factor: (K,) explicitness of each factor.
        depths: capacities of the probes.
        losses: (depths, K) 1 - R^2, or 1 - accuracy for classes, on rows not learnt from.
        classes: (K,) which factors were read as classes.
        n_train: rows to learn from (of the first factor).
        n_test: rows to test on (of the first factor).
        factor_columns: the factors used.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    explicitness: float
    size: float
    per_factor: Floats
    depths: tuple[int, ...]
    losses: Floats
    classes: tuple[bool, ...]
    n_train: int
    n_test: int
    factor_columns: tuple[int, ...]


def dci_es_scores(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "eastwood2023",
    factor_columns: Sequence[int] | None = None,
    classes: Sequence[int] | None = None,
    draws: Draws | None = None,
    rng: Seed = 0,
) -> DciEsResult:
    """Disentanglement, completeness, informativeness, explicitness and size of codes.

    Probes of rising capacity (random forests of 100 trees, depth 1 to 32) predict each factor.
    With ``l(c)`` the least loss up to capacity c, from the losses at all capacities,
    ``E = 1 - 2 AULCC / ((c_max - c_min) l_0)``, AULCC the area between ``l(c)`` and its least
    value, l_0 the loss of a guess: 1 for numbers, ``1 - 1/V`` for V classes. ``S = K / M``.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"eastwood2023"``.
        factor_columns: the columns of `factors` to use; None: all that take several values.
        classes: the columns without an order, predicted as classes; None: the shape of the 2D
            shapes, by its name, and factors of two values.
        draws: `n_train` and `n_test` rows, 10,000 and 5,000 by default; with too few rows, two
            thirds and one third of them.
        rng: seed or Generator; draws the rows and the forests.

    Returns:
        `DciEsResult`; ``float(result)`` is the explicitness, at most 1.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Eastwood et al. 2023 (ICLR; arXiv 2210.00364) and their public code, for the forests,
    the depths and the area. They fit a forest a depth; here one forest is cut at every depth.

    Misses: E asks how soon the probe does its best, not how good that is: noise that no depth can
    read is explicit. Read it beside the informativeness. It depends on the kind of probe: axis
    parallel splits prefer codes along the axes.

    >>> factors = np.stack(np.meshgrid(range(4), range(4)), -1).reshape(-1, 2).repeat(20, axis=0)
    >>> result = dci_es_scores(factors, factors, draws=Draws(200, 100))
    >>> round(result.disentanglement, 2), round(result.informativeness, 2), result.size
    (1.0, 1.0, 1.0)
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    z, values, columns = given.codes, given.values, given.columns
    n_train, n_test = draw_counts(draws, n_train=(10_000, 10), n_test=(5_000, 2))
    generator = as_generator(rng)
    jobs = []
    for k, column in enumerate(columns):
        labels, n_values = relabel(values[:, k])
        rows = split_rows(np.flatnonzero(labels >= 0), n_train, n_test, generator)
        if classes is None:
            unordered = n_values == 2 or given.about.factors[k] == SHAPES_2D[0]
        else:
            unordered = column in classes
        jobs.append((labels, n_values, rows, unordered, int(generator.integers(2**31))))

    def one(job: tuple[Ints, int, tuple[Ints, Ints], bool, int]) -> tuple[Floats, Floats, float]:
        labels, n_values, (train, test), unordered, seed = job
        answers, importance = forest_by_depth(
            z[train], labels[train], z[test], DEPTHS, ordered=not unordered, seed=seed
        )
        y = labels[test]
        if unordered:
            return (answers.argmax(axis=2) != y).mean(axis=1), importance, 1 - 1 / n_values
        error = ((answers[:, :, 0] - y) ** 2).mean(axis=1)
        return error / max(float(y.var()), 1e-300), importance, 1.0

    done = thread_map(one, jobs)
    losses = np.stack([d[0] for d in done], axis=1)
    each = np.array(
        [explicitness(loss, guess) for loss, (_, _, guess) in zip(losses.T, done, strict=True)]
    )
    best = int(losses.mean(axis=1).argmin())
    matrix = np.stack([d[1][best] for d in done], axis=1)  # (M, K)
    return DciEsResult(
        score=float(each.mean()),
        interval=None,
        protocol=protocol,
        about=given.about,
        disentanglement=weighted_purity(matrix)[0],
        completeness=weighted_purity(matrix.T)[0],
        informativeness=float(1 - losses[best].mean()),
        explicitness=float(each.mean()),
        size=len(columns) / z.shape[1],
        per_factor=each,
        depths=DEPTHS,
        losses=losses,
        classes=tuple(job[3] for job in jobs),
        n_train=len(jobs[0][2][0]),
        n_test=len(jobs[0][2][1]),
        factor_columns=columns,
    )


def explicitness(losses: Floats, guess: float, capacities: Sequence[float] = DEPTHS) -> float:
    """Explicitness of one factor from the losses (capacities,) of its probes.

    >>> explicitness(np.array([1.0, 0.0]), 1.0, (0, 1)), explicitness(np.zeros(2), 1.0, (0, 1))
    (0.0, 1.0)
    """
    least = np.minimum.accumulate(losses)
    above = least - least.min()
    widths = np.diff(np.asarray(capacities, np.float64))
    area = float((0.5 * (above[:-1] + above[1:]) * widths).sum())
    return 1 - 2 * area / (float(widths.sum()) * guess)
