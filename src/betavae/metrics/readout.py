"""Readout: can a factor be told from the codes at all, whichever latents hold it?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Floats, check_codes
from betavae.metrics._shared.checks import Seed, as_generator
from betavae.metrics._shared.moments import live_latents

NEIGHBOURS = {"classes": 5, "numbers": 10, "circle": 10}


def readout_score(
    codes: Any,
    values: Any,
    *,
    kind: Literal["classes", "numbers", "circle"] = "classes",
    test_share: float = 0.25,
    rng: Seed = 0,
) -> float:
    """Tell a factor of rows not seen before from their nearest neighbours among the codes.

    Codes are standardised, and constant latents left out. ``"classes"``: the share of rows whose
    value the 5 nearest neighbours name, chance the commonest value's share. ``"numbers"``: R^2 of
    the values, predicted by the 10 nearest neighbours weighted by inverse distance, chance 0,
    best 1. ``"circle"``: values are angles; the same of their sine and cosine.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        values: (N,) classes, numbers, or angles in radians.
        kind: what the values are.
        test_share: share of the rows that are told, in (0, 1).
        rng: seed or Generator; draws them.

    Raises:
        InputError: for codes, values or options that cannot be used, naming which.

    Source: ours, after the observation that disentanglement metrics may be met by a model that
    leaves factors out: of four factors, three latents name the fourth (`higgins_score`).

    Misses: how the factor is coded: rotated or entangled codes read off as well as aligned ones.

    >>> import numpy as np
    >>> angle = np.linspace(0, 6, 400)
    >>> codes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> readout_score(codes, angle, kind="circle") > 0.99
    True
    """
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if kind not in NEIGHBOURS:
        raise InputError(f"kind must be classes, numbers or circle, got {kind!r}")
    if not 0 < test_share < 1:
        raise InputError(f"test_share must be in (0, 1), got {test_share}")
    array, target = check_codes(codes), np.asarray(values)
    if target.shape != (len(array),):
        raise InputError(f"values must be ({len(array)},) as codes have rows, got {target.shape}")
    live = live_latents(array)
    if not live.any():
        return float(np.mean(target == _commonest(target))) if kind == "classes" else 0.0
    scaled: Floats = array[:, live] / array[:, live].std(axis=0)
    order = as_generator(rng).permutation(len(array))
    test, train = np.split(order, [max(1, round(test_share * len(order)))])
    near = min(NEIGHBOURS[kind], len(train))
    if kind == "classes":
        model: Any = KNeighborsClassifier(near).fit(scaled[train], target[train])
        return float((model.predict(scaled[test]) == target[test]).mean())
    goal = target[:, None].astype(float)
    if kind == "circle":
        goal = np.stack([np.sin(target), np.cos(target)], axis=1)
    model = KNeighborsRegressor(near, weights="distance").fit(scaled[train], goal[train])
    error = ((model.predict(scaled[test]) - goal[test]) ** 2).sum()
    spread = ((goal[test] - goal[test].mean(axis=0)) ** 2).sum()
    return float(1 - error / max(float(spread), 1e-300))


def _commonest(values: Any) -> Any:
    found, counts = np.unique(values, return_counts=True)
    return found[counts.argmax()]
