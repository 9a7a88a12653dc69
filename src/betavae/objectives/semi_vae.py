"""Few labels (Locatello et al. 2019b): a price on the codes of labelled images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch, Draw, independent_pair, labelled, shuffled
from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.objectives.beta import beta_vae
from betavae.objectives.factor_vae import factor
from betavae.objectives.length import Length
from betavae.objectives.state import Stateful, pack_optimiser, unpack_optimiser
from betavae.objectives.tc_vae import tcvae
from betavae.objectives.terms import Objective, Step, Terms, check_weights

Regulariser = Literal["xent", "l2", "cov"]
SCALE_RATE = 1e-4  # of the learnt scale's Adam: the published models' learning rate


def cross_entropy(means: Tensor, labels: Tensor, sizes: Tensor) -> Tensor:
    """Return the cross-entropy of the first K latents, as logits, and the rescaled factors.

    The target of class k out of n is k / n, as in the authors' code. The smallest value is the
    targets' own entropy, where sigmoid(mean) = k / n.

    Args:
        means: (B, M) of the posteriors, M >= K.
        labels: (B, K) classes, -1 where not known, which cost nothing.
        sizes: (K,) classes of each factor.

    Returns:
        Nats an image: summed over the factors, mean over the images.

    Source: Locatello et al. 2019b, Section 3; `supervised_regularizer_xent` of their code, which
    sums over the batch where this takes the mean.

    >>> cross_entropy(torch.zeros(1, 2), torch.tensor([[2]]), torch.tensor([4]))
    tensor(0.6931)
    """
    known = labels >= 0
    targets = labels.clamp(min=0).to(means.dtype) / sizes
    costs = functional.binary_cross_entropy_with_logits(
        means[:, : labels.shape[1]], targets, reduction="none"
    )
    return (costs * known).sum(dim=1).mean()


def squared_error(means: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Return the squared distance of the first K latents, times a scale, from the classes.

    Args:
        means: (B, M) of the posteriors, M >= K.
        labels: (B, K) classes, -1 where not known, which cost nothing.
        scale: a scalar, learnt with the model.

    Returns:
        Summed over the factors, mean over the images.

    Source: `supervised_regularizer_l2` of Locatello et al.'s code, with its learnt scale.

    >>> squared_error(torch.ones(1, 2), torch.tensor([[3]]), torch.tensor(2.0))
    tensor(1.)
    """
    difference = means[:, : labels.shape[1]] * scale - labels
    return (difference.square() * (labels >= 0)).sum(dim=1).mean()


def cross_covariance(means: Tensor, labels: Tensor) -> Tensor:
    """Return the squared covariances of latents and factors, but those of latent j with factor j.

    Args:
        means: (B, M) of the posteriors.
        labels: (B, K) classes, -1 where not known; a covariance is that of the known rows.

    Source: `supervised_regularizer_cov` of Locatello et al.'s code.

    >>> cross_covariance(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[0, 1], [1, 3]]))
    tensor(1.)
    """
    known = (labels >= 0).to(means.dtype)
    shares = known / known.sum(dim=0).clamp(min=1)
    values = labels * known
    own = means[:, :, None] - means.t() @ shares
    centred = values - (values * shares).sum(dim=0)
    covariance = (own * (centred * shares)[:, None]).sum(dim=0)
    squares = covariance.square()
    return squares.sum() - squares.diagonal().sum()


def semi(
    base: Objective | None = None,
    *,
    gamma: float = 100.0,
    labels: int | None = None,
    regulariser: Regulariser = "xent",
) -> SemiVAE:
    """Make the objective ``base + gamma * R``, R a price on the codes of a few labelled images.

    Every step sees, beside its batch, as many images drawn out of the labelled ones; they are
    encoded, and latent j is tied to factor j. The authors' code sums R over its batch of 64, so
    that their weight is ours divided by 64.

    Args:
        base: what is minimised without labels: `beta_vae`, `tcvae`, `factor` or one of your own
            that draws shuffled images; `beta_vae()` if None. FactorVAE shuffles the codes of the
            batch itself, as the authors' semi-supervised one does.
        gamma: weight of R.
        labels: images whose factors are told, chosen by the seed; 1,000, or as many as are known,
            if None.
        regulariser: R. ``xent``: `cross_entropy`; ``l2``: `squared_error`; ``cov``:
            `cross_covariance`.

    It assumes Gaussian latents, at least one a factor.

    Source: Locatello et al. 2019b, "Disentangling factors of variation using few labels".

    Raises:
        InputError: for an option out of range, or a base that draws its batches by their factors.

    >>> semi(tcvae(6.0), labels=100).labels
    100
    """
    check_weights(gamma=gamma)
    if regulariser not in ("xent", "l2", "cov"):
        raise InputError(f"regulariser must be xent, l2 or cov, got '{regulariser}'")
    chosen = beta_vae() if base is None else base
    if getattr(chosen, "sampler", shuffled) not in (shuffled, independent_pair):
        raise InputError(
            "semi needs a base that sees shuffled images, got one with its own batches"
        )
    labelled(labels)  # says what is wrong with the number
    return SemiVAE(chosen, gamma, labels, regulariser)


class SemiVAE:
    """The objective of `semi`; its state is its base's, and the scale of ``l2``."""

    needs_gaussian = "semi"
    needs_labels = True

    def __init__(
        self, base: Objective, gamma: float, labels: int | None, regulariser: Regulariser
    ) -> None:
        self.base, self.gamma, self.labels, self.regulariser = base, gamma, labels, regulariser
        self.scale = torch.ones(())
        self.sizes: tuple[int, ...] = ()
        self.latents: int | None = None

    def sampler(self, dataset: Dataset, batch: int, seed: int) -> Draw:
        """Draw shuffled images and labelled ones, and learn how many values the factors have.

        Raises:
            InputError: for data without factors, with fewer than are asked for, or with more
                factors than there are latents.
        """
        draw = labelled(self.labels)(dataset, batch, seed)
        self.sizes = dataset.factor_sizes
        if self.latents is not None and self.latents < len(self.sizes):
            raise InputError(
                f"semi needs a latent a factor: latents must be >= {len(self.sizes)} with "
                f"{dataset.name}, got {self.latents}"
            )
        return draw

    def __call__(self, model: VAE, batch: Batch, step: Step) -> Terms:
        """Return the base's terms with the labelled images' price."""
        if batch.other is None or batch.labels is None:
            raise InputError("semi needs labelled images beside the batch: draw with its sampler")
        # A base that wants a second batch gets the first: the labelled images are too few for it.
        found = self.base(model, replace(batch, other=batch.images, labels=None), step)
        gather = step.ranks.gather
        means, labels = gather(model.encode(batch.other).mean), gather(batch.labels)
        price = self.price(means, labels)
        return replace(
            found,
            loss=found.loss + self.gamma * price,
            values={**found.values, "supervised": price},
            after=self._after(found.after),
        )

    def price(self, means: Tensor, labels: Tensor) -> Tensor:
        """Return R of posterior means (B, M) and classes (B, K), a scalar."""
        if self.regulariser == "cov":
            return cross_covariance(means, labels)
        if self.regulariser == "l2":
            return squared_error(means, labels, self.scale)
        return cross_entropy(means, labels, torch.tensor(self.sizes, device=means.device))

    def _after(self, base: Callable[[], None] | None) -> Callable[[], None] | None:
        if self.regulariser != "l2":
            return base

        def both() -> None:
            if base is not None:
                base()
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)

        return both

    def start(self, model: VAE, seed: int) -> None:
        """Make the state anew, beside the model."""
        weight = next(model.parameters())
        self.latents = model.latents
        self.scale = torch.ones((), device=weight.device, dtype=weight.dtype, requires_grad=True)
        self._optimiser = torch.optim.Adam([self.scale], lr=SCALE_RATE)
        if isinstance(self.base, Stateful):
            self.base.start(model, seed)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the base's state, and the scale with its optimiser's."""
        state: dict[str, Tensor] = {}
        if isinstance(self.base, Stateful):
            state |= {f"base.{name}": value for name, value in self.base.state_dict().items()}
        if self.regulariser == "l2":
            moments = pack_optimiser(self._optimiser)
            state |= {f"optimiser.{name}": value for name, value in moments.items()}
            state["scale"] = self.scale.detach()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }

        if isinstance(self.base, Stateful):
            self.base.load_state_dict(part("base."))
        if self.regulariser == "l2":
            with torch.no_grad():
                self.scale.copy_(state["scale"])
            unpack_optimiser(self._optimiser, part("optimiser."))


class SemiOptions(Options):
    """Few labels: latent j is tied to factor j on labelled images (Locatello et al. 2019b)."""

    name: Literal["semi"] = "semi"
    title = "semi-supervised VAE"
    needs_labels: ClassVar[bool] = True
    base: Literal["beta", "tcvae", "factor"] = Field(
        "beta", description="What is minimised without labels."
    )
    weight: float | None = Field(
        None,
        ge=0,
        description="The base's weight: beta of beta and tcvae, gamma of factor. "
        "[default: 4, 6, 6.4]",
    )
    gamma: float = Field(100.0, ge=0, description="Weight of the labelled images' price.")
    labels: int | None = Field(
        None, ge=1, description="Images whose factors are told. [default: 1000, or all known]"
    )
    regulariser: Regulariser = Field(
        "xent",
        description="The price: xent (cross-entropy with the rescaled factors), l2 (distance from "
        "them with a learnt scale) or cov (covariance with the other factors).",
    )

    def make(self, length: Length) -> SemiVAE:
        """Return the objective."""
        make: Mapping[str, Callable[..., Objective]] = {
            "beta": beta_vae, "tcvae": tcvae, "factor": factor
        }  # fmt: skip
        weights = () if self.weight is None else (self.weight,)
        base = make[self.base](*weights)
        return semi(base, gamma=self.gamma, labels=self.labels, regulariser=self.regulariser)
