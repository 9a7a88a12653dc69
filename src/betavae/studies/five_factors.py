"""How much of the 2D shapes' five factors a model holds, and how far apart, on fixed rows."""

from __future__ import annotations

import math

import numpy as np

from betavae.data.dataset import Dataset
from betavae.metrics.dci import dci_scores
from betavae.metrics.higgins import higgins_score
from betavae.metrics.mig import mig_score
from betavae.metrics.readout import readout_score
from betavae.runs.representation import represent
from betavae.training.build import Model

ROWS, SEED = 20_000, 12345
TURNED = 39  # steps of orientation in a full turn: the last of the 40 is the first again
HEART = 2


def five_factors(model: Model, dataset: Dataset) -> dict[str, float]:
    """Judge a model of the 2D shapes on 20,000 fixed rows, and as many of hearts.

    Args:
        model: put in eval mode.
        dataset: the 2D shapes.

    Returns:
        By name: `higgins` (higgins2017, L = 20, in the prior's unit), `shape` (share of rows whose
        shape five nearest neighbours tell from the codes), `orientation` (R^2 of sine and cosine
        of the hearts' angle from the codes, ten neighbours; the other shapes look the same at
        several angles), `mig` (chen2018, four factors), `dci_three` (DCI disentanglement, fast,
        over scale, posX and posY) and `dci_five` (over all factors); `rate`, nats an image, and
        `active_latents`, those of more than .1 nats.

    Source: ours; the bounds that stand to these are benchmarks/time_to_disentangle.py's.
    """
    rng = np.random.default_rng(SEED)
    count = len(dataset.images)
    rows = np.sort(rng.choice(count, min(ROWS, count), replace=False))
    first = HEART * count // 3
    hearts = np.sort(rng.choice(np.arange(first, count), min(ROWS, count - first), replace=False))
    codes, of_hearts = (represent(model, dataset, rows=some) for some in (rows, hearts))
    factors, heart_factors = dataset.factors(rows), dataset.factors(hearts)
    assert factors is not None  # the 2D shapes have them
    assert heart_factors is not None
    mean, rates = codes.codes, codes.rate_per_latent()
    angle = heart_factors[:, 2] * (2 * math.pi / TURNED)
    four = (1, 2, 3, 4)
    mig = mig_score(mean, factors, protocol="chen2018", log_var=codes.log_var, factor_columns=four)
    return {
        "higgins": float(higgins_score(mean, factors, factor_columns=four, unit="prior")),
        "shape": readout_score(mean, factors[:, 0]),
        "orientation": readout_score(of_hearts.codes, angle, kind="circle"),
        "mig": float(mig),
        "dci_three": float(dci_scores(mean, factors[:, [1, 3, 4]], protocol="fast")),
        "dci_five": float(dci_scores(mean, factors, protocol="fast")),
        "rate": float(rates.sum()),
        "active_latents": int((rates > 0.1).sum()),
    }
