"""beta-TCVAE (Chen et al. 2018): the rate taken apart, and each part weighed for itself."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.likelihoods import at_least_float32
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, asks, check_pairs

Estimator = Literal["mws", "mss"]
LOG_2PI = math.log(2 * math.pi)


class Decomposition(NamedTuple):
    """A batch's estimates of the parts of the rate, in nats per image.

    They sum to the mean of log q(z|x) - log p(z) over the batch's samples, which is the rate up
    to the samples' noise. Each is an estimate that depends on the batch size, and may be
    negative; `betavae.metrics.elbo_terms` gives the terms of a whole data set.

    Attributes:
        index_code_mi: KL(q(z, n) || q(z) p(n)), scalar.
        total_correlation: KL(q(z) || prod_j q(z_j)), scalar.
        dimension_wise_kl: sum_j KL(q(z_j) || p(z_j)), scalar.
    """

    index_code_mi: Tensor
    total_correlation: Tensor
    dimension_wise_kl: Tensor


def log_densities(latents: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Return log q(z_ij | x_k), (M, B, B): latent j, sample i, posterior k.

    Never in half precision, autocast or not: they reach thousands of nats and are then
    exponentiated.

    Args:
        latents: samples, (B, M).
        mean: of the posteriors, (B, M).
        log_var: of the posteriors, (B, M).
    """
    z, mean, log_var = (at_least_float32(part).t() for part in (latents, mean, log_var))
    # Each posterior's own constants are worked out on (M, 1, B), before the large array.
    scale = (math.sqrt(0.5) * torch.exp(-0.5 * log_var))[:, None]
    constant = (-0.5 * (log_var + LOG_2PI))[:, None]
    return constant - ((z[:, :, None] - mean[:, None]) * scale).square()


def mss_log_weights(batch: int, dataset_size: int) -> Tensor:
    """Return the log weights of minibatch stratified sampling, (B, B), float64.

    Row i weighs the posteriors in the estimate of q(z_i): the sample's own (the diagonal) by
    1/N; one other (the next) by (N - M) / (N M), standing for the rest of the data set; the
    others by 1/M, where M = B - 1. Every row sums to 1, and the estimate of q(z) is unbiased.

    Source: Chen et al. 2018, Appendix C.1.

    >>> mss_log_weights(3, 100).exp()
    tensor([[0.0100, 0.4900, 0.5000],
            [0.5000, 0.0100, 0.4900],
            [0.4900, 0.5000, 0.0100]], dtype=torch.float64)
    """
    others = batch - 1
    weights = torch.full((batch, batch), 1 / others, dtype=torch.float64)
    rows = torch.arange(batch)
    weights[rows, rows] = 1 / dataset_size
    weights[rows, (rows + 1) % batch] = (dataset_size - others) / (dataset_size * others)
    return weights.log()


def log_aggregate(log_q: Tensor, dataset_size: int, estimator: Estimator) -> tuple[Tensor, Tensor]:
    """Estimate log q(z_i), (B,), and log q(z_ij), (M, B), from a batch.

    Args:
        log_q: log densities (M, B, B), from `log_densities`.
        dataset_size: N.
        estimator: ``mws``, minibatch weighted sampling, all weights 1 / (N B); or ``mss``,
            minibatch stratified sampling.

    Source: Chen et al. 2018, Eq. 5 and Appendix C.1.
    """
    joint = log_q.sum(dim=0)  # over latents first: the weights belong to images, once each
    if estimator == "mws":
        shift = math.log(dataset_size * log_q.shape[1])
        return joint.logsumexp(dim=1) - shift, log_q.logsumexp(dim=2) - shift
    weights = mss_log_weights(log_q.shape[1], dataset_size).to(log_q)
    return (joint + weights).logsumexp(dim=1), (log_q + weights).logsumexp(dim=2)


def decompose(
    latents: Tensor,
    mean: Tensor,
    log_var: Tensor,
    dataset_size: int,
    estimator: Estimator = "mws",
) -> Decomposition:
    """Estimate the three parts of the rate from a batch.

    Args:
        latents: one sample of each posterior, (B, M).
        mean: of the posteriors, (B, M).
        log_var: of the posteriors, (B, M).
        dataset_size: N.
        estimator: ``mws`` or ``mss``.

    Source: Chen et al. 2018, Eq. 2.
    """
    log_q = log_densities(latents, mean, log_var)
    log_qz, log_marginals = log_aggregate(log_q, dataset_size, estimator)
    log_own = log_q.diagonal(dim1=1, dim2=2).sum(dim=0)
    log_product = log_marginals.sum(dim=0)
    log_prior = (-0.5 * (at_least_float32(latents).square() + LOG_2PI)).sum(dim=1)
    return Decomposition(
        (log_own - log_qz).mean(), (log_qz - log_product).mean(), (log_product - log_prior).mean()
    )


def tcvae(
    beta: float = 6.0, *, alpha: float = 1.0, gamma: float = 1.0, estimator: Estimator = "mws"
) -> Objective:
    """Make the objective ``distortion + alpha MI + beta TC + gamma dimension-wise KL``.

    It is computed as ``distortion + rate + (alpha - 1) MI + (beta - 1) TC + (gamma - 1) DWKL``
    with the rate in closed form: the same in expectation, less noise, and exactly the VAE where
    all three are 1. The parts are the batch's estimates and recorded as such.

    Args:
        beta: weight of the total correlation.
        alpha: weight of the index-code mutual information.
        gamma: weight of the dimension-wise KL.
        estimator: ``mws`` or ``mss``.

    Source: Chen et al. 2018, Eq. 4.

    Raises:
        InputError: for an unknown estimator or weights that are not finite.
    """
    if estimator not in ("mws", "mss"):
        raise InputError(f"estimator must be mws or mss, got '{estimator}'")
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if not math.isfinite(value):
            raise InputError(f"{name} must be finite, got {value}")

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        mean, log_var = found.posterior
        check_pairs("tcvae", len(mean))
        mi, tc, dwkl = decompose(found.latents, mean, log_var, step.dataset_size, estimator)
        loss = found.distortion + found.rate
        for weight, part in ((alpha, mi), (beta, tc), (gamma, dwkl)):
            if weight != 1:  # adding 0 times a part would cost its gradient
                loss = loss + (weight - 1) * part
        values: dict[str, Tensor | float] = {
            "tc_estimate": tc,
            "mi_estimate": mi,
            "dimension_wise_kl_estimate": dwkl,
            "tc_weight": beta,
        }
        return Terms.of(found, loss, values)

    return asks(objective, gaussian="tcvae")


class TCOptions(Options):
    """The rate is taken apart, and each part weighed for itself (Chen et al. 2018)."""

    name: Literal["tcvae"] = "tcvae"
    title = "β-TCVAE"
    beta: float = Field(6.0, ge=0, description="The paper's beta, weight of the total correlation.")
    alpha: float = Field(1.0, description="Weight of the index-code mutual information.")
    gamma: float = Field(1.0, ge=0, description="Weight of the dimension-wise KL.")
    estimator: Estimator = Field("mws", description="Minibatch weighted or stratified sampling.")

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return tcvae(**self.model_dump(exclude={"name"}))
