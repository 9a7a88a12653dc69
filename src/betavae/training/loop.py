"""Training: batch, terms, backward, step, record; a run that can be left alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.errors import InputError
from betavae.models.vae import VAE
from betavae.objectives.beta import beta_vae, elbo_terms
from betavae.objectives.terms import Objective, Step
from betavae.training import checkpoint, schedules
from betavae.training.machine import (
    choose_device,
    choose_threads,
    compiled,
    cpu_threads,
    drop_denormals,
    keep_heap,
)
from betavae.training.order import batch_rows
from betavae.training.records import (
    COLLAPSED_NATS,
    RECORDS,
    ProgressBar,
    Record,
    Recorder,
    truncate_records,
    warn,
)
from betavae.training.session import (
    Diverged,
    Interrupted,
    check_same_run,
    divergence,
    how_to_resume,
    nothing,
    stop_signals,
)

RECORD_STEPS = 50  # steps between records; terms are read back from the device only then


@dataclass(frozen=True)
class Run:
    """A finished training: the model in eval mode, its configuration and its records."""

    model: VAE
    config: Config
    records: list[Record]


def beta_schedule(config: Config, pixels: int) -> schedules.Schedule:
    """Return the configured weight of the rate as a function of the images seen."""
    end = config.resolved_beta(pixels)
    if config.beta_schedule == "constant":
        return schedules.constant(end)
    ramp = config.resolved_ramp()
    if config.beta_schedule == "linear":
        return schedules.linear(config.beta_start, end, ramp)
    if end <= 0:
        raise InputError(f"beta must be > 0 with beta_schedule=exponential, got {end:g}")
    return schedules.exponential(config.beta_start, end, ramp)


def learning_rate_schedule(config: Config) -> schedules.Schedule:
    """Return the configured learning rate as a function of the images seen."""
    if config.learning_rate_schedule == "linear":
        return schedules.linear(config.learning_rate, 0.0, config.images)
    if config.learning_rate_schedule == "cosine":
        return schedules.cosine(config.learning_rate, config.images)
    return schedules.constant(config.learning_rate)


def make_optimiser(config: Config, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """Return Adam or Adagrad, fused where the device has it.

    Adagrad starts its accumulator at 0.1, as TensorFlow's did for the paper; torch's 0 would
    make the first step move every weight by the whole learning rate.
    """
    fused = device.type in ("cpu", "cuda")
    if config.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=fused)
    return torch.optim.Adagrad(
        model.parameters(),
        lr=config.learning_rate,
        initial_accumulator_value=0.1,
        fused=device.type == "cpu",
    )


def train_step(
    model: VAE,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    images: Tensor,
    step: Step,
    recorder: Recorder,
    *,
    bf16: bool = False,
) -> float:
    """Take one step and return the beta used in it."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        terms = objective(model, images, step)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(terms.loss)
    optimiser.step()
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
    """Train a VAE.

    Args:
        config: everything that decides the result.
        dataset: the images.
        out: run folder for metrics.jsonl and checkpoints; nothing is written if None.
        resume: go on from the folder's checkpoint; on the CPU the weights end bit for bit
            where the uninterrupted run's end.
        objective: replaces the configured one: (model, images, step) -> Terms.
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
    device = choose_device(config.device)
    if config.bf16 and device.type != "cuda":
        raise InputError(f"bf16 needs a CUDA device, got {device.type}")
    keep_heap()
    image_shape = dataset.images.image_shape
    pixels = math.prod(image_shape)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = VAE.from_config(config, image_shape)
    model = model.to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = make_optimiser(config, model, device)
    generator = torch.Generator(device).manual_seed(config.seed)
    start, seconds = 0, 0.0
    if resume and out is not None:
        header = checkpoint.read_header(out)
        check_same_run(header, config, dataset)
        checkpoint.restore(out, model, optimiser, generator)
        start, seconds = header.steps, header.seconds
    if objective is None:
        terms = compiled(elbo_terms) if config.compile else elbo_terms
        objective = beta_vae(beta_schedule(config, pixels), terms)
    learning_rate = learning_rate_schedule(config)

    recorder = Recorder(
        beta_norm=config.latents / pixels, images_seen=start * batch, seconds=seconds
    )
    total_steps = math.ceil(config.images / batch)
    log = out / RECORDS if out is not None else None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        truncate_records(log, start * batch) if resume else log.unlink(missing_ok=True)
    records: list[Record] = []
    saved = start

    def save(steps: int) -> None:
        if out is not None:
            header = checkpoint.Header(config, image_shape, rows, steps, recorder.seconds)
            checkpoint.save(out, header, model, optimiser, generator)

    model.train()
    title = f"{config.network} beta {config.resolved_beta(pixels):g}"
    bar = ProgressBar(total_steps * batch, start * batch, title) if progress else None
    if total_steps == 0:
        save(0)
    with stop_signals() as stopping, cpu_threads(choose_threads(config)), bar or nothing():
        for index in range(start, total_steps):
            seen = index * batch
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(seen)
            images = dataset.images.batch(batch_rows(rows, batch, config.seed, index), device)
            step = Step(seen, generator)
            beta = train_step(model, optimiser, objective, images, step, recorder, bf16=config.bf16)
            done = index + 1
            if done % RECORD_STEPS == 0:  # by the step alone, so that a resumed run repeats it
                drop_denormals(optimiser)
            if done % RECORD_STEPS == 0 or done == total_steps or stopping():
                record = recorder.record(done * batch, beta, learning_rate(seen))
                if not math.isfinite(record.loss):
                    raise Diverged(
                        divergence(
                            record.loss, record.images, learning_rate(seen), out, saved * batch
                        )
                    )
                records.append(record)
                if log is not None:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(record.to_json() + "\n")
                if bar:
                    bar.show(record)
                enough = watch(model, record) if watch is not None else False
                due = (done - saved) * batch >= config.checkpoint_every
                if due or done == total_steps or stopping() or enough:
                    save(done)
                    saved = done
                if enough or done == total_steps:
                    break
                if stopping():
                    raise Interrupted(how_to_resume(config, out, done * batch))
    if records and records[-1].rate < COLLAPSED_NATS:
        warn(
            f"the posterior collapsed: rate {records[-1].rate:.3f} nats, no latent says anything "
            "about the image; try a smaller beta, another seed or a longer run"
        )
    return Run(model.eval(), config, records)
