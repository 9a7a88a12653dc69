"""The FactorVAE score: which latent varies least while a factor is held fixed?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.checks import (
    NotComputable,
    Seed,
    as_generator,
    check_choice,
)
from betavae.metrics._shared.draws import Draws, draw_counts
from betavae.metrics._shared.groups import Groups, relabel
from betavae.metrics._shared.halves import draw_halves, resampled_interval
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.moments import alive, moments
from betavae.metrics._shared.parallel import halves, thread_map
from betavae.metrics._shared.results import (
    Scored,
    draw_blocks,
    jackknife_interval,
)

PROTOCOLS = ("locatello2019", "kim2018", "exact")
# protocol: votes to train on, votes to test on, rows a vote, std below which a latent is dead
SETTINGS = {"locatello2019": (10_000, 5_000, 64, 0.0), "kim2018": (800, 800, 100, 0.05)}
GATHER_BYTES = 1 << 19


@dataclass(frozen=True)
class FactorVaeResult(Scored):
    """A FactorVAE score and the votes behind it.

    Attributes:
        score: accuracy of the majority vote, in [0, 1].
        interval: 95 % interval: over test votes, below 50,000 rows and for ``"exact"`` over rows.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        votes: (M, K) test votes: latent of least variance by factor held fixed.
        live: (M,) which latents took part.
        n_train: votes the classifier was made from; None for ``"exact"``.
        n_test: votes it was tested on; None for ``"exact"``.
        batch_size: rows a vote; None for ``"exact"``, which takes all rows with a value.
        factor_columns: the factors held fixed.
    """

    votes: Array
    live: Array
    n_train: int | None
    n_test: int | None
    batch_size: int | None
    factor_columns: tuple[int, ...]


def factor_vae_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "locatello2019",
    factor_columns: Sequence[int] | None = None,
    draws: Draws | None = None,
    dead_std: float | None = None,
    rng: Seed = 0,
) -> FactorVaeResult:
    """Accuracy of naming the fixed factor from the latent that varies least.

    For one vote: draw a factor k and a value of it, take L rows with that value, divide each
    latent's variance over them by its variance over all rows; the latent d with the smallest
    ratio gives the vote (d, k). The classifier answers, for each d, the k with the most training
    votes: no parameters, no training. Chance is 1/K, best 1. Below 50,000 rows the votes to test on
    are drawn from the half of the rows that the votes to learn from were not.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: ``"locatello2019"``: 10,000 votes to train, 5,000 to test, 64 rows each, only
            constant latents left out. ``"kim2018"``: 800 votes, 100 rows each, latents with a
            standard deviation up to 0.05 left out (see `live_latents`). ``"exact"``: no sampling;
            one vote a factor value, from all the rows that have it, each factor weighing the same.
        factor_columns: the columns of `factors` to hold fixed; None: all.
        draws: `n_train` and `n_test` votes, and `batch_size` rows a vote; what is None is as the
            protocol says. ``"exact"`` draws nothing.
        dead_std: standard deviation up to which a latent is left out; None: as the protocol says.
        rng: seed or Generator.

    Returns:
        `FactorVaeResult`; ``float(result)`` is the score. Without a live latent it is 0.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Kim & Mnih 2018 (their counts as quoted by public code); Locatello et al. 2019 for the
    counts. On a full grid ``"exact"`` is what both tend to as votes and rows a vote grow.

    Misses: rotated latents score 1 in the exact variant, and nearly so with many rows a vote, as
    long as each still varies least for a factor of its own. Other latents may hold the factor
    too, and d may hold other factors: only the least ratio counts. Two factors that share a
    latent of least variance cost one of them all its votes. Few rows a vote make the argmin
    noisy, so sampled scores differ from the exact one. The variants differ in rows a vote and in
    which latents count as dead.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> float(factor_vae_score(factors, factors, protocol="exact"))
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    codes, values, columns = given.codes, given.values, given.columns
    generator = as_generator(rng)
    settings = SETTINGS.get(protocol, (0, 0, 0, 0.0))
    mean, variance = moments(codes)
    live = alive(mean, variance, settings[3] if dead_std is None else dead_std)
    latents = np.flatnonzero(live)
    n_factors = values.shape[1]
    votes = np.zeros((codes.shape[1], n_factors))
    if protocol == "exact":
        train = test = rows = None
        if len(latents):
            sums = [
                _value_sums(codes[:, latents], values[:, k], generator) for k in range(n_factors)
            ]
            parts = [part for triple in sums for part in triple]
            votes[latents] = _exact_votes([part.sum(axis=0) for part in parts])
            score = _majority(votes, votes)
            interval = jackknife_interval(parts, _exact_score)
    else:
        train, test, rows = draw_counts(
            draws,
            n_train=(settings[0], 1),
            n_test=(settings[1], 1),
            batch_size=(settings[2], 2),
        )
        if len(latents):
            part = codes if live.all() else codes[:, latents]
            if part.dtype.kind != "f":
                part = part.astype(np.float32 if part.dtype.itemsize < 4 else np.float64)
            spread = variance[latents]
            points, of = (train, test), rows

            def vote(own: np.random.Generator, without: Ints | None = None) -> tuple[Array, Array]:
                halves = draw_halves(values, own, without)
                learnt, tested = (
                    _draw_votes(part, spread, half, n, of, own)
                    for half, n in zip(halves, points, strict=True)
                )
                return learnt, tested

            learnt, tested = vote(generator)
            votes[latents] = tested
            score = _majority(learnt, tested)
            interval = resampled_interval(
                score, (test, test), values, generator, lambda r, own: _majority(*vote(own, r))
            )
    if not len(latents):
        score, interval = 0.0, (0.0, 0.0)
    return FactorVaeResult(
        score=score,
        interval=interval,
        protocol=protocol,
        about=given.about,
        votes=votes,
        live=live,
        n_train=train,
        n_test=test,
        batch_size=rows,
        factor_columns=columns,
    )


def _draw_votes(
    codes: Array,
    spread: Floats,
    groups: list[Groups],
    n: int,
    rows: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw n votes; (M, K) counts of (latent of least normalised variance, factor fixed)."""
    n_latents, n_factors = codes.shape[1], len(groups)
    labels = np.sort(rng.integers(n_factors, size=n))
    picks = np.empty((rows, n), np.int64)  # rows first: sums then run along whole lines

    def pick(job: tuple[int, np.random.Generator]) -> None:
        k, own = job
        mine = slice(*np.searchsorted(labels, (k, k + 1)))
        value = groups[k].draw_values((1, mine.stop - mine.start), own)
        picks[:, mine] = groups[k].draw_rows(value, own, (rows, mine.stop - mine.start))

    thread_map(pick, list(enumerate(rng.spawn(n_factors))))
    least = np.empty(n, np.int64)
    size = max(1, GATHER_BYTES // (rows * n_latents * codes.itemsize))

    def fill(starts: range) -> None:
        for start in starts:
            part = slice(start, start + size)
            drawn = codes.take(np.ascontiguousarray(picks[:, part]), axis=0)
            # From one of the rows: far from 0, sums and squares of float32 would round.
            drawn -= drawn[0].copy()
            total = drawn.sum(axis=0)
            np.multiply(drawn, drawn, out=drawn)
            within = drawn.sum(axis=0) - total * total / rows
            least[part] = (within / spread).argmin(axis=1)

    thread_map(fill, halves(n, size))
    votes = np.zeros((n_latents, n_factors))
    np.add.at(votes, (least, labels), 1)
    return votes


def _majority(learnt: Array, tested: Array) -> float:
    """Accuracy, on the votes `tested` (M, K), of the majority vote of `learnt` (M, K)."""
    answer = learnt.argmax(axis=1)
    return float(tested[np.arange(len(answer)), answer].sum() / tested.sum())


def _value_sums(codes: Array, column: Ints, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Count rows (B, V, 1), sum codes and their squares (B, V, M), by block and factor value."""
    labels, n_values = relabel(column)
    known = np.flatnonzero(labels >= 0)
    blocks = draw_blocks(len(known), rng)
    n_blocks = int(blocks.max()) + 1
    cell = blocks * n_values + labels[known]
    n_cells = n_blocks * n_values
    counts = np.bincount(cell, minlength=n_cells).reshape(n_blocks, n_values, 1).astype(np.float64)
    first = np.empty((n_cells, codes.shape[1]))
    second = np.empty_like(first)
    for j in range(codes.shape[1]):
        centred = codes[known, j].astype(np.float64)
        centred -= centred.mean()
        first[:, j] = np.bincount(cell, centred, minlength=n_cells)
        second[:, j] = np.bincount(cell, centred**2, minlength=n_cells)
    shape = (n_blocks, n_values, codes.shape[1])
    return counts, first.reshape(shape), second.reshape(shape)


def _exact_votes(totals: list[Array]) -> Floats:
    """(M, K) votes, each factor's values sharing one vote, from the sums of `_value_sums`."""
    columns = []
    for counts, first, second in zip(totals[0::3], totals[1::3], totals[2::3], strict=True):
        n = counts.sum()
        overall = second.sum(axis=0) / n - (first.sum(axis=0) / n) ** 2
        some = counts[:, 0] > 1  # one row does not vary
        if not some.any():
            raise NotComputable("a factor has no value that two rows share; more rows are needed")
        counts, first, second = counts[some], first[some], second[some]
        within = second / counts - (first / counts) ** 2
        # Rounding may leave -1e-17 for a latent that is constant within a value: that is 0.
        ratio = np.maximum(within, 0) / np.maximum(overall, 1e-300)
        least = np.where(ratio < 1e-12, 0, ratio).argmin(axis=1)
        columns.append(np.bincount(least, minlength=first.shape[1]) / len(least))
    return np.stack(columns, axis=1)


def _exact_score(totals: list[Array]) -> float:
    votes = _exact_votes(totals)
    return _majority(votes, votes)
