"""Learners: how each method takes a step, with all that it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import Batch, Sampler, one_factor, shuffled
from betavae.data.dataset import Dataset
from betavae.models.centred import centre
from betavae.models.dcign import DCIGN, assigned_latents, clamp_inactive
from betavae.models.infogan import InfoGAN, information
from betavae.models.latents import GaussianPosterior
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.objectives.optimisers import Optimiser, set_learning_rate
from betavae.objectives.state import Stateful, pack_optimiser, unpack_optimiser
from betavae.objectives.terms import Objective, Step, Terms, check_latent
from betavae.training import checkpoint
from betavae.training.build import Model, Own, build_model
from betavae.training.machine import choose_device

CRITIC_RATE = 0.2  # of InfoGAN's generator: 2e-4 to 1e-3 (openai/InfoGAN)
WARM_START = 0.1  # of DC-IGN's steps: plain batches, until there is something to clamp

TakeStep = Callable[["Learner", Batch, Step], Terms]


@dataclass
class Learner:
    """A model in training, with everything that a step changes.

    A method of one's own is such a learner with a `take` of its own (docs/architecture.md).

    Attributes:
        config: what it was made from.
        image_shape: (C, H, W).
        model: on the device it is trained on.
        optimiser: of all its weights.
        generator: the source of all noise, on the same device.
        sampler: how its batches are drawn.
        take: takes a step.
        objective: what the step minimises, where that is a part of its own; one that is also a
            `Stateful` is started, saved and restored with the model.
    """

    config: Config
    image_shape: ImageShape
    model: nn.Module
    optimiser: Optimiser
    generator: torch.Generator
    sampler: Sampler
    take: TakeStep
    objective: Objective | None = None

    def step(self, batch: Batch, when: Step) -> Terms:
        """Take one step: terms, backward, and every weight moved."""
        return self.take(self, batch, when)

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.generator.device

    def state(self) -> dict[str, Tensor]:
        """Return everything but the weights that training needs to go on with the same bits."""
        tensors = {f"optimiser.{k}": v for k, v in pack_optimiser(self.optimiser).items()}
        if isinstance(self.objective, Stateful):
            tensors |= {f"objective.{k}": v for k, v in self.objective.state_dict().items()}
        return {**tensors, "generator": self.generator.get_state()}

    def load_state(self, tensors: Mapping[str, Tensor], *, begun: bool = False) -> None:
        """Put back what `state` gave; another kind of device draws its noise anew.

        Args:
            tensors: the state.
            begun: whether steps were taken, which leave state of the optimiser.
        """

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }

        unpack_optimiser(self.optimiser, part("optimiser."), begun=begun)
        if isinstance(self.objective, Stateful):
            self.objective.load_state_dict(part("objective."))
        noise = tensors["generator"]
        if self.generator.get_state().shape == noise.shape:
            self.generator.set_state(noise)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be pickled, as it follows from the rest."""
        own = self.config.objective.name == "custom"
        state = {name: value.detach().cpu() for name, value in self.state().items()}
        return {
            "config": self.config,
            "image_shape": self.image_shape,
            "model": self.model,
            "objective": self.objective if own else None,
            "state": state,
        }

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Put together what `__getstate__` gave, on the device that the configuration asks for."""
        config = kept["config"]
        learner = vae_learner(
            config, kept["image_shape"], choose_device(config.device), Own(kept["objective"]),
            kept["model"],
        )  # fmt: skip
        learner.load_state(kept["state"])
        self.__dict__.update(learner.__dict__)


def restore(learner: Learner, folder: Path, *, begun: bool = True) -> None:
    """Put a learner, just made, where a run's checkpoint stands, bit for bit.

    Raises:
        InputError: when the checkpoint lacks what training needs to go on.
    """
    try:
        learner.model.load_state_dict(checkpoint.read_tensors(folder, "model."))
        learner.load_state(checkpoint.read_tensors(folder, ""), begun=begun)
    except (KeyError, IndexError, TypeError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"cannot go on with {folder}: its checkpoint lacks {reason}") from None


def make_learner(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    own: Own | None = None,
) -> Learner:
    """Make the configured method's learner anew.

    Args:
        config: what to make; its seed decides weights and noise.
        dataset: what it will learn from.
        device: where to train.
        own: parts of a VAE given from Python.

    Raises:
        InputError: for options that do not fit.
    """
    shape = dataset.images.image_shape
    if config.method.name == "infogan":
        return infogan_learner(config, shape, device)
    if config.method.name == "dcign":
        return dcign_learner(config, dataset, device)
    learner = vae_learner(config, shape, device, own)
    if config.init is None:  # weights of another run know their own mean image
        centre(learner.model, dataset.images)
    return learner


def seeded_model(
    config: Config, image_shape: ImageShape, device: torch.device, own: Own | None = None
) -> Model:
    """Return the configured model with weights drawn from the configured seed, on `device`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_model(config, image_shape, own)
    if config.init is not None:
        checkpoint.start_from(Path(config.init), model)
    return on_device(model, device)


def on_device(model: Model, device: torch.device) -> Model:
    """Move a model to a device, in the memory order that convolutions like."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def vae_learner(
    config: Config,
    image_shape: ImageShape,
    device: torch.device,
    own: Own | None = None,
    model: VAE | None = None,
) -> Learner:
    """Return the learner of a VAE: the objective's terms, and one step of the optimiser.

    Args:
        config: what to make.
        image_shape: (C, H, W).
        device: where to train.
        own: parts given from Python.
        model: take this model in place of a new one.

    Raises:
        InputError: for options that do not fit.
    """
    objective = own.objective if own is not None else None
    if objective is None:
        objective = config.objective.make(config.length(image_shape))
    if model is None:
        built = seeded_model(config, image_shape, device, own)
    else:
        built = on_device(model, device)
    assert isinstance(built, VAE)  # what `build_model` gives for method vae
    check_latent(objective, built)
    if isinstance(objective, Stateful):
        objective.start(built, config.seed)
    return Learner(
        config,
        image_shape,
        built,
        config.optimiser.make(built, device),
        torch.Generator(device).manual_seed(config.seed),
        getattr(objective, "sampler", shuffled),
        vae_step,
        objective,
    )


def vae_step(learner: Learner, batch: Batch, when: Step) -> Terms:
    """Take one step of a VAE: terms, backward, step."""
    assert isinstance(learner.model, VAE)
    assert learner.objective is not None
    learner.optimiser.zero_grad(set_to_none=True)
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=learner.config.bf16):
        terms = learner.objective(learner.model, batch, when)
    if not isinstance(terms, Terms):
        raise InputError(f"an objective must return Terms, got {type(terms).__name__}")
    torch.autograd.backward(terms.loss)
    learner.optimiser.step()
    if terms.after is not None:
        terms.after()
    return terms


def infogan_learner(config: Config, image_shape: ImageShape, device: torch.device) -> Learner:
    """Return InfoGAN's learner: one Adam for both players.

    Source: Higgins et al. 2017, A.2: Adam with beta1 = 0.5, learning rate 1e-3 (generator) and
    2e-4 (discriminator and Q).
    """
    gan = seeded_model(config, image_shape, device)
    assert isinstance(gan, InfoGAN)
    groups: list[dict[str, Any]] = [
        {"params": list(gan.generator.parameters())},
        {"params": list(gan.critic_parameters()), "share": CRITIC_RATE},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.5, 0.999))
    set_learning_rate(optimiser, config.optimiser.learning_rate)
    generator = torch.Generator(device).manual_seed(config.seed)
    return Learner(config, image_shape, gan, optimiser, generator, shuffled, infogan_step)


def infogan_step(learner: Learner, batch: Batch, when: Step) -> Terms:
    """Take one step of each player.

    The generated images are those of one draw, judged again once the discriminator has moved.
    Adam leaves alone what has no gradient, so each step moves its own player only.
    """
    gan, generator = learner.model, when.generator
    assert isinstance(gan, InfoGAN)
    real = batch.images * 2 - 1
    latents = gan.draw(len(real), generator)
    codes = latents[:, : gan.latents]
    fake = gan.generator(gan.entries(latents))
    move = partial(_move, learner.optimiser)

    on_real, _ = gan.judge(real, generator)
    with gan.generated():
        on_fake, read = gan.judge(fake.detach(), generator)
    critic = softplus(-on_real).mean() + softplus(on_fake).mean()
    move(critic - information(codes, read, gan.categorical), list(gan.critic_parameters()))

    with gan.generated():
        judged, read = gan.judge(fake, generator)
    fooling, told = softplus(-judged).mean(), information(codes, read, gan.categorical)
    move(fooling - told, list(gan.generator.parameters()))
    right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
    values = {
        "discriminator_loss": critic,
        "generator_loss": fooling,
        "information": told,
        "told_apart": right,
    }
    return Terms(critic, values)


def _move(optimiser: Optimiser, loss: Tensor, weights: list[Tensor]) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=weights)  # type: ignore[no-untyped-call]
    optimiser.step()


def dcign_learner(config: Config, dataset: Dataset, device: torch.device) -> Learner:
    """Return DC-IGN's learner, whose batches vary one factor after a short plain start.

    Source: Kulkarni et al. 2015; Adam(5e-4, (0.9, 0.99)) as in the authors' code, where the
    paper says rmsprop.

    Raises:
        InputError: when the data has no full factor grid, or the latents are too few.
    """
    shape, batch = dataset.images.image_shape, min(config.batch, len(dataset.images))
    sampler = one_factor(warm=round(WARM_START * config.images / batch))
    sampler(dataset, batch, config.seed)  # says what is wrong with the data before anything else
    assert dataset.grid is not None  # which the sampler has checked
    grid = dataset.grid
    active = torch.zeros(len(grid.names), config.latents, dtype=torch.bool, device=device)
    for factor, latents in enumerate(assigned_latents(grid, config.latents)):
        active[factor, latents] = True
    model = seeded_model(config, shape, device)
    rate = config.optimiser.learning_rate
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    generator = torch.Generator(device).manual_seed(config.seed)
    return Learner(config, shape, model, optimiser, generator, sampler, partial(dcign_step, active))


def dcign_step(active: Tensor, learner: Learner, batch: Batch, when: Step) -> Terms:
    """Take one step of DC-IGN: latents of factors that do not vary are clamped.

    The loss is the cross-entropy summed over pixels, mean over the batch; in the authors' form the
    KL of the clamped posterior is added. Their code takes the two backward one after the other, so
    that inactive latents are pulled twice; here they are pulled once.

    Args:
        active: (K, M) bool, the latents of each factor.
        learner: DC-IGN's.
        batch: in which one factor varies, or a plain one.
        when: the source of noise, in the authors' form.
    """
    model = learner.model
    assert isinstance(model, DCIGN)
    heads = model.encoder(batch.images).split(model.latents, dim=1)
    if batch.changed is not None:
        moving = active[batch.changed]
        heads = [clamp_inactive(head, moving, first=model.variational) for head in heads]
    values: dict[str, Tensor] = {}
    shown = heads[0]
    if model.variational:
        posterior = GaussianPosterior(*heads)
        noise = torch.randn(shown.shape, generator=when.generator, device=shown.device)
        shown = posterior.sample(noise)
        values["rate"] = posterior.rate_per_latent().sum()
    total = binary_cross_entropy_with_logits(model.decoder(shown), batch.images, reduction="sum")
    values["distortion"] = total / len(batch)
    loss = torch.stack(list(values.values())).sum()
    learner.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    learner.optimiser.step()
    return Terms(loss, values)
