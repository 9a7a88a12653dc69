"""Training: batch, terms, backward, step, record; a run that can be left alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.interrupts import stop_signals
from betavae.config import Config
from betavae.data.batches import DataOrder
from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.terms import Objective, Step
from betavae.training import checkpoint
from betavae.training.configured import learning_rate_schedule, set_learning_rate
from betavae.training.distributed import (
    check_batch,
    connected,
    device_of,
    of_first,
    ranks_here,
    shared,
)
from betavae.training.learner import Learner
from betavae.training.log import Log
from betavae.training.machine import (
    choose_threads,
    compiled,
    cpu_threads,
    drop_denormals,
    keep_heap,
)
from betavae.training.records import (
    COLLAPSED_NATS,
    ProgressBar,
    Record,
    Recorder,
    warn,
)
from betavae.training.session import (
    Diverged,
    Interrupted,
    check_same_run,
    divergence,
    how_to_resume,
)

RECORD_STEPS = 50  # steps between records; terms are read back from the device only then


@dataclass(frozen=True)
class Run:
    """A finished training: the model in eval mode, its configuration and its records.

    `learner` is what would go on, the model in it.
    """

    model: VAE
    config: Config
    records: list[Record]
    learner: Learner


def train_step(
    model: VAE,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    images: Tensor,
    step: Step,
    recorder: Recorder,
    *,
    bf16: bool = False,
) -> float | Tensor:
    """Take one step and return the beta used in it."""
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        terms = objective(model, images, step)
    torch.autograd.backward(terms.loss)
    optimiser.step()
    if terms.after is not None:
        terms.after()
    recorder.add(terms)
    return terms.beta


def train(
    config: Config,
    dataset: Dataset,
    out: Path | None = None,
    *,
    resume: bool = False,
    objective: Objective | None = None,
    progress: bool = True,
    watch: Callable[[VAE, Record], bool] | None = None,
) -> Run:
    """Train a VAE, alone or with the other processes that torchrun started (docs/scaling.md).

    Args:
        config: everything that decides the result.
        dataset: the images.
        out: run folder for metrics.jsonl and checkpoints; nothing is written if None.
        resume: go on from the folder's checkpoint; on the CPU the weights end bit for bit
            where the uninterrupted run's end.
        objective: replaces the configured one: (model, images, step) -> Terms. Where it is
            also a `Stateful`, its state is started, saved and restored with the model's.
        progress: show the bar on stderr.
        watch: called after every record; training stops early when it returns True.

    Raises:
        InputError: for a run that cannot start (see the message).
        Diverged: when the loss is no longer finite; the last good checkpoint is kept.
        Interrupted: after Ctrl-C, with the state saved.
    """
    if config.method != "vae":
        raise InputError(f"this trains VAEs; for method {config.method} use training.methods.fit")
    rows, batch = len(dataset.images), min(config.batch, len(dataset.images))
    if rows < 2:
        raise InputError(f"training needs at least 2 images, got {rows}")
    ranks = ranks_here()
    check_batch(ranks, batch)
    device = device_of(ranks, config.device)
    if config.bf16 and device.type != "cuda":
        raise InputError(f"bf16 needs a CUDA device, got {device.type}")
    keep_heap()
    image_shape = dataset.images.image_shape
    pixels = math.prod(image_shape)
    learner = Learner.start(config, image_shape, device, objective, init=not resume)
    model, optimiser, generator = learner.model, learner.optimiser, learner.generator
    objective = learner.objective
    start, seconds = 0, 0.0
    if resume and out is not None:
        header = checkpoint.read_header(out)
        check_same_run(header, config, dataset)
        checkpoint.restore(out, model, optimiser, generator, objective)
        start, seconds = header.steps, header.seconds
    learning_rate = learning_rate_schedule(config)

    total_steps = math.ceil(config.images / batch)
    home = out if ranks.rank == 0 else None  # one process writes
    records: list[Record] = []
    saved = start

    def save(steps: int) -> None:
        if home is not None:
            header = checkpoint.Header(config, image_shape, rows, steps, recorder.seconds)
            checkpoint.save(home, header, model, optimiser, generator, objective)

    order = DataOrder(rows, batch, config.seed)

    def images_of(index: int, *, second: bool = False) -> Tensor:
        return dataset.images.batch(ranks.part(order(index, second=second)), device)

    model.train()
    title = f"{config.network} {config.objective}"
    if config.objective.name == "beta":
        title = title.replace("beta", f"beta {config.resolved_beta(pixels):g}", 1)
    shown = progress and ranks.rank == 0
    bar = ProgressBar(total_steps * batch, start * batch, title) if shown else None
    with (
        stop_signals(second_kills=ranks.count == 1) as stopping,
        cpu_threads(choose_threads(config)),
        connected(ranks, device, config, rows=rows, start=start, out=out) as agreed,
        Log(home, start * batch if resume else None, tensorboard=config.tensorboard) as log,
        bar or nullcontext(),
    ):
        run = compiled(elbo_pass, device) if config.compile else elbo_pass
        elbo = shared(ranks, model, run)
        recorder = Recorder(
            beta_norm=config.latents / pixels, images_seen=start * batch, seconds=seconds
        )
        if total_steps == 0:
            save(0)
        for index in range(start, total_steps):
            seen = index * batch
            set_learning_rate(optimiser, learning_rate(seen))
            images, second = images_of(index), partial(images_of, index, second=True)
            step = Step(seen, generator, rows, second, elbo, ranks)
            beta = train_step(model, optimiser, objective, images, step, recorder, bf16=config.bf16)
            done, stop = index + 1, agreed(stopping())
            if done % RECORD_STEPS == 0:  # by the step alone, so that a resumed run repeats it
                drop_denormals(optimiser)
            if done % RECORD_STEPS == 0 or done == total_steps or stop:
                record = recorder.record(done * batch, beta, learning_rate(seen))
                if not math.isfinite(record.loss):
                    raise Diverged(
                        divergence(
                            record.loss, record.images, learning_rate(seen), out, saved * batch
                        )
                    )
                records.append(record)
                log.add(record.to_json())
                if bar:
                    bar.show(record)
                enough = watch is not None and of_first(ranks, watch(model, record))
                due = (done - saved) * batch >= config.checkpoint_every
                if due or done == total_steps or stop or enough:
                    save(done)
                    saved = done
                if enough or done == total_steps:
                    break
                if stop:
                    raise Interrupted(how_to_resume(config, out, done * batch))
    if records and records[-1].rate < COLLAPSED_NATS and ranks.rank == 0:
        warn(
            f"the posterior collapsed: rate {records[-1].rate:.3f} nats, no latent says anything "
            "about the image; try a smaller beta, another seed or a longer run"
        )
    return Run(model.eval(), config, records, learner)
