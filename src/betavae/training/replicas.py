"""Replicas in one process: seeds and betas of one small network, trained as a batch of models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from betavae._system.errors import InputError
from betavae._system.interrupts import stop_signals
from betavae.config import Config
from betavae.data.batches import DataOrder
from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.terms import Terms
from betavae.training import checkpoint
from betavae.training.configured import (
    beta_schedule,
    learning_rate_schedule,
    make_optimiser,
    set_learning_rate,
)
from betavae.training.loop import RECORD_STEPS
from betavae.training.machine import (
    choose_device,
    choose_threads,
    cpu_threads,
    drop_denormals,
    keep_heap,
)
from betavae.training.records import Recorder, start_log
from betavae.training.session import (
    Diverged,
    Interrupted,
    check_same_run,
    divergence,
    how_to_resume,
)

MAY_DIFFER = {"seed", "beta", "beta_norm", "beta_schedule", "beta_start", "beta_ramp"}
FASTER_FROM = 5
"""Replicas of the patch network from which one process is faster (benchmarks/replicas.py)."""


class _Elbo(nn.Module):
    """Distortion and rate per latent as a module's forward, which `functional_call` needs."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        found = elbo_pass(self.model, images, noise)
        return found.distortion, found.rate_per_latent


def pays(config: Config, replicas: int) -> bool:
    """Say whether training replicas together is faster than one after the other here.

    The patch network's layers are so small that calling them costs more than their arithmetic;
    with the larger networks, and on a GPU that is filled by one, there is nothing to gain.
    """
    small = config.method == "vae" and config.network == "patch" and config.batch <= 8
    objective = config.objective
    plain = objective.name == "beta" and not objective.given() and config.init is None
    plain = plain and not config.bf16 and not config.compile
    on_cpu = choose_device(config.device).type == "cpu"
    return small and plain and on_cpu and replicas >= FASTER_FROM


def train_replicas(
    configs: Sequence[Config], dataset: Dataset, outs: Sequence[Path], *, resume: bool = False
) -> None:
    """Train VAEs that differ in seed and beta alone, a step of all at a time.

    Every one sees the images and the noise that it sees when trained alone, and ends in a run
    folder of its own; the numbers differ by rounding.

    Args:
        configs: one a replica.
        dataset: the images.
        outs: a run folder a replica.
        resume: go on from the folders' checkpoints, which must stand at the same step.

    Raises:
        InputError: when the configurations differ in more, or the checkpoints do not fit.
        Diverged: when a loss is no longer finite; the last good checkpoints are kept.
        Interrupted: after Ctrl-C, with the state saved.
    """
    first = configs[0]
    _check_alike(configs)
    device = choose_device(first.device)
    keep_heap()
    image_shape, rows = dataset.images.image_shape, len(dataset.images)
    batch, pixels = min(first.batch, rows), math.prod(image_shape)
    models, optimisers, generators = [], [], []
    start, before = 0, 0.0
    for config, out in zip(configs, outs, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            models.append(VAE.from_config(config, image_shape).to(device))
        optimisers.append(make_optimiser(config, models[-1], device))
        generators.append(torch.Generator(device).manual_seed(config.seed))
        if resume:
            header = checkpoint.read_header(out)
            check_same_run(header, config, dataset)
            checkpoint.restore(out, models[-1], optimisers[-1], generators[-1])
            if out != outs[0] and header.steps != start:
                raise InputError(f"{out} stands at step {header.steps}, {outs[0]} at {start}")
            start, before = header.steps, header.seconds
    stacked = _Stack(models, optimisers, first, device)
    betas = [beta_schedule(config, pixels) for config in configs]
    learning_rate = learning_rate_schedule(first)
    recorders = [
        Recorder(beta_norm=c.latents / pixels, images_seen=start * batch, seconds=before)
        for c in configs
    ]
    logs = [start_log(out, start * batch if resume else None) for out in outs]
    total, saved, since = math.ceil(first.images / batch), start, start
    shape = (batch, first.latents)
    orders = [DataOrder(rows, batch, c.seed) for c in configs]
    sums: Tensor | float = 0.0

    def save(steps: int) -> None:
        stacked.unstack(models, optimisers)
        parts = zip(configs, outs, models, optimisers, generators, recorders, strict=True)
        for config, out, model, optimiser, generator, recorder in parts:
            header = checkpoint.Header(config, image_shape, rows, steps, recorder.seconds)
            checkpoint.save(out, header, model, optimiser, generator)

    with stop_signals() as stopping, cpu_threads(choose_threads(first)):
        for index in range(start, total):
            seen = index * batch
            chosen = torch.cat([order(index) for order in orders])
            images = dataset.images.batch(chosen, device).view(-1, batch, *image_shape)
            noise = torch.stack(
                [torch.randn(shape, generator=g, device=device) for g in generators]
            )
            weights = torch.tensor([beta(seen) for beta in betas], device=device)
            sums = sums + stacked.step(images, noise, weights, learning_rate(seen))
            done = index + 1
            if done % RECORD_STEPS == 0:
                drop_denormals(stacked.optimiser)
            if done % RECORD_STEPS and done != total and not stopping():
                continue
            means, since, sums = sums / (done - since), done, 0.0
            parts = zip(recorders, means, betas, outs, logs, strict=True)
            for recorder, values, beta, out, log in parts:
                terms = Terms(values[0], values[1], values[2:].sum(), values[2:], beta(seen))
                recorder.add(terms)
                record = recorder.record(done * batch, terms.beta, learning_rate(seen))
                if not math.isfinite(record.loss):
                    raise Diverged(
                        divergence(
                            record.loss, record.images, learning_rate(seen), out, saved * batch
                        )
                    )
                with log.open("a", encoding="utf-8") as file:
                    file.write(record.to_json() + "\n")
            if (done - saved) * batch >= first.checkpoint_every or done == total or stopping():
                save(done)
                saved = done
            if stopping() and done < total:
                raise Interrupted(how_to_resume(first, outs[0], done * batch))


def _check_alike(configs: Sequence[Config]) -> None:
    """Refuse replicas that differ in what decides the step's shape or the optimiser."""
    first = configs[0].model_dump(exclude=MAY_DIFFER)
    for config in configs[1:]:
        other = config.model_dump(exclude=MAY_DIFFER)
        differing = [key for key in first if first[key] != other[key]]
        if differing:
            raise InputError(
                f"replicas may differ in seed and beta only, got different {', '.join(differing)}"
            )


class _Stack:
    """Models as one: every weight with the replicas along its first axis, and one optimiser.

    Adam and Adagrad work number by number, so the stacked one moves each replica as its own.
    """

    def __init__(
        self,
        models: Sequence[VAE],
        optimisers: Sequence[torch.optim.Optimizer],
        config: Config,
        device: torch.device,
    ) -> None:
        whole, _ = stack_module_state(list(models))
        bag = nn.ParameterList([nn.Parameter(weight.detach()) for weight in whole.values()])
        self.weights: dict[str, Tensor] = dict(zip(whole, bag, strict=True))
        self.optimiser = make_optimiser(config, bag, device)
        elbo = _Elbo(models[0])

        def one(weights: dict[str, Tensor], images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
            named = {f"model.{name}": value for name, value in weights.items()}
            found: tuple[Tensor, Tensor] = functional_call(elbo, named, (images, noise))
            return found

        self.forward = vmap(one)
        states = [list(optimiser.state_dict()["state"].items()) for optimiser in optimisers]
        if states[0]:
            state = {
                index: {key: _together([dict(s)[index][key] for s in states]) for key in parts}
                for index, parts in states[0]
            }
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": groups})

    def step(self, images: Tensor, noise: Tensor, betas: Tensor, rate: float) -> Tensor:
        """Move every replica once; return (R, 2 + M): loss, distortion, rate a latent."""
        set_learning_rate(self.optimiser, rate)
        distortion, rates = self.forward(self.weights, images, noise)
        losses = distortion + betas * rates.sum(dim=1)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.sum())
        self.optimiser.step()
        return torch.cat((torch.stack((losses, distortion), dim=1), rates), dim=1).detach()

    @torch.no_grad()
    def unstack(self, models: Sequence[VAE], optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """Copy weights and the optimiser's state into the single models and optimisers."""
        whole = self.optimiser.state_dict()["state"]
        for place, (model, optimiser) in enumerate(zip(models, optimisers, strict=True)):
            for name, weight in model.named_parameters():
                weight.copy_(self.weights[name][place])
            state = {
                index: {
                    key: value.clone() if value.dim() == 0 else value[place].clone()
                    for key, value in parts.items()
                }
                for index, parts in whole.items()
            }
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})


def _together(values: list[Tensor]) -> Tensor:
    """Stack a state's tensors; the count of steps, which all share, stays one number."""
    return values[0] if values[0].dim() == 0 else torch.stack(values)
