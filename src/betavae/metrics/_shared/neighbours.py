"""Mutual information of a continuous latent with a discrete factor, by nearest neighbours."""

from __future__ import annotations

import numpy as np

from betavae.metrics._shared.arrays import Array, Ints


def neighbour_information(
    latent: Array, labels: Ints, n_neighbours: int, rng: np.random.Generator
) -> float:
    """Estimate I(latent; label) in nats from distances between neighbours; never below 0.

    ``I = psi(N) + <psi(k)> - <psi(N_v)> - <psi(m)>``: m counts the rows, of any label, nearer than
    the k-th nearest row of the same label; N_v rows have label v. With one latent, neighbours are
    neighbours in sorted order, so the estimate costs a sort. Ties are broken by noise of 1e-10 of
    the latent's size, and labels with a single row are left out, as in scikit-learn's
    ``mutual_info_classif``.

    Source: Ross 2014 (PLoS ONE 9(2): e87357), after Kraskov et al. 2004.

    Args:
        latent: (N,) values.
        labels: (N,) whole numbers from 0.
        n_neighbours: k; smaller for labels with fewer rows than k + 1.
        rng: draws the noise that breaks ties.
    """
    from scipy.special import digamma

    counts = np.bincount(labels)
    keep = counts[labels] > 1
    labels = labels[keep]
    x = latent[keep].astype(np.float64)
    if len(np.unique(labels)) < 2:
        return 0.0
    x = x + 1e-10 * max(1.0, float(np.abs(x).mean())) * rng.standard_normal(len(x))
    order = np.argsort(x, kind="stable")
    x, labels = x[order], labels[order]
    inside, used = np.empty(len(x)), np.empty(len(x))
    for label in np.unique(labels):
        at = np.flatnonzero(labels == label)
        k = min(n_neighbours, len(at) - 1)
        inside[at], used[at] = _nearer(x, at, k), k
    information = (
        digamma(len(x))
        + digamma(used).mean()
        - digamma(counts[labels]).mean()
        - digamma(inside).mean()
    )
    return max(float(information), 0.0)


def _nearer(x: Array, at: Ints, k: int) -> Ints:
    """Count rows of sorted `x` (itself too) nearer to each ``x[at]`` than its k-th of `at`.

    The k nearest of a row lie in one of the k + 1 windows of k + 1 sorted rows that contain it.
    """
    y, n = x[at], len(at)
    best = np.full(n, np.inf)
    left = np.zeros(n, np.int64)
    for a in range(k + 1):  # a of the k neighbours on the left
        here = np.arange(a, n - k + a)
        reach = np.maximum(y[here] - y[here - a], y[here + k - a] - y[here])
        better = reach < best[here]
        best[here[better]], left[here[better]] = reach[better], a
    i = np.arange(n)
    # The k-th neighbour itself, at exactly this distance on one side, is not nearer.
    on_left = y - y[i - left] >= y[np.minimum(i + k - left, n - 1)] - y
    first = np.where(on_left, at[i - left] + 1, np.searchsorted(x, y - best, side="right"))
    last = np.where(
        on_left,
        np.searchsorted(x, y + best, side="left"),
        at[np.minimum(i + k - left, n - 1)],
    )
    return np.asarray(last - first, np.int64)
