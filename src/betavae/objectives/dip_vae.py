"""DIP-VAE (Kumar et al. 2018): the covariance of the aggregate posterior is driven to I."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.likelihoods import at_least_float32
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, asks, check_pairs, check_weights

Kind = Literal["i", "ii"]


def covariance(mean: Tensor, log_var: Tensor, kind: Kind) -> Tensor:
    """Estimate the covariance that DIP-VAE drives to the identity, (M, M).

    ``i``: Cov[mu(x)], of the means alone. ``ii``: Cov[z] = Cov[mu(x)] + E[diag sigma^2(x)], of
    the aggregate posterior. Over a batch, divided by B - 1, so without bias.

    Args:
        mean: (B, M).
        log_var: (B, M).
        kind: which.
    """
    centred = at_least_float32(mean - mean.mean(dim=0))
    with torch.autocast(centred.device.type, enabled=False):
        found = centred.t() @ centred / (len(mean) - 1)
    return found + torch.diag(log_var.exp().mean(dim=0)) if kind == "ii" else found


def dip(
    kind: Kind = "ii", *, off_diagonal: float = 10.0, diagonal: float | None = None
) -> Objective:
    """Make the objective ``distortion + rate + penalty`` on the codes' covariance C.

    ``penalty = off_diagonal * sum_{i != j} C_ij^2 + diagonal * sum_i (C_ii - 1)^2``

    Args:
        kind: ``i`` or ``ii``, see `covariance`.
        off_diagonal: weight of the covariances.
        diagonal: weight of the variances; None is the paper's ratio, 10 times `off_diagonal`
            for I and the same for II.

    Source: Kumar et al. 2018, Eqs. 6 and 7.

    Raises:
        InputError: for an option out of range.
    """
    if kind not in ("i", "ii"):
        raise InputError(f"kind must be i or ii, got '{kind}'")
    on = (10 * off_diagonal if kind == "i" else off_diagonal) if diagonal is None else diagonal
    check_weights(off_diagonal=off_diagonal, diagonal=on)

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        mean, log_var = found.posterior
        check_pairs("dip", len(mean))
        matrix = covariance(mean, log_var, kind)
        variances = matrix.diagonal()
        apart = matrix.square().sum() - variances.square().sum()
        penalty = off_diagonal * apart + on * (variances - 1).square().sum()
        values: dict[str, Tensor | float] = {"covariance_penalty_estimate": penalty, "beta": 1.0}
        return Terms.of(found, found.distortion + found.rate + penalty, values)

    return asks(objective, gaussian="dip")


class DIPOptions(Options):
    """The covariance of the aggregate posterior is driven to the identity (Kumar et al. 2018)."""

    name: Literal["dip"] = "dip"
    title = "DIP-VAE"
    kind: Kind = Field("ii", description="Covariance of the means (i) or of the codes (ii).")
    off_diagonal: float = Field(10.0, ge=0, description="Weight of the covariances.")
    diagonal: float | None = Field(
        None,
        ge=0,
        description="Weight of the variances. [default: 10 times the other for i, the same for ii]",
    )

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return dip(**self.model_dump(exclude={"name"}))
