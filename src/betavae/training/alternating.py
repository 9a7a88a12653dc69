"""The steps of trainings that are not a VAE's: resumed, recorded and watched like one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae._system.interrupts import stop_signals
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.models.methods import build_model
from betavae.training import checkpoint
from betavae.training.configured import learning_rate_schedule, set_learning_rate
from betavae.training.log import Log
from betavae.training.machine import choose_device, choose_threads, cpu_threads, keep_heap
from betavae.training.records import ProgressBar
from betavae.training.session import (
    Diverged,
    Interrupted,
    check_same_run,
    divergence,
    how_to_resume,
)

RECORD_STEPS = 20  # steps between records; terms are read back from the device only then

Named = dict[str, Tensor]
TakeStep = Callable[[int, torch.Generator], Named]
"""Takes the step of this number and returns its terms, scalars, the loss first."""


@dataclass(frozen=True)
class Parts:
    """What a method brings to a training.

    Attributes:
        model: its module.
        optimiser: one for all its weights; groups may differ in their rate.
        take_step: one step; a pure function of its number, the weights and the generator.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    take_step: TakeStep


def seeded_model(config: Config, dataset: Dataset, device: torch.device) -> nn.Module:
    """Return the configured model with weights drawn from the configured seed, on `device`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_model(config, dataset.images.image_shape)
    moved = model.to(device)
    return moved.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def run_steps(
    config: Config,
    dataset: Dataset,
    out: Path | None,
    prepare: Callable[[Config, Dataset, torch.device], Parts],
    *,
    resume: bool = False,
    progress: bool = True,
) -> nn.Module:
    """Train to the configured length; every step is `take_step`'s.

    Args:
        config: everything that decides the result.
        dataset: the images.
        out: run folder for metrics.jsonl and checkpoints; nothing is written if None.
        prepare: makes the method's model, optimiser and step.
        resume: go on from the folder's checkpoint, on the CPU bit for bit.
        progress: show the bar on stderr.

    Returns:
        The trained model, in eval mode.

    Raises:
        InputError: for a run that cannot start (see the message).
        Diverged: when the loss is no longer finite; the last good checkpoint is kept.
        Interrupted: after Ctrl-C, with the state saved.
    """
    rows = len(dataset.images)
    batch = min(config.batch, rows)
    if batch < 2:
        raise InputError(f"method {config.method} needs batches of at least 2 images, got {batch}")
    device = choose_device(config.device)
    keep_heap()
    parts = prepare(config, dataset, device)
    model, optimiser = parts.model, parts.optimiser
    learning_rate = learning_rate_schedule(config)
    generator = torch.Generator(device).manual_seed(config.seed)
    start, before = 0, 0.0
    if resume and out is not None:
        header = checkpoint.read_header(out)
        check_same_run(header, config, dataset)
        checkpoint.restore(out, model, optimiser, generator)
        start, before = header.steps, header.seconds
    total = math.ceil(config.images / batch)
    began = time.perf_counter()
    saved, since, clock = start, start, began
    sums: Tensor | float = 0.0

    def save(steps: int) -> None:
        if out is not None:
            seconds = before + time.perf_counter() - began
            header = checkpoint.Header(config, dataset.images.image_shape, rows, steps, seconds)
            checkpoint.save(out, header, model, optimiser, generator)

    model.train()
    bar = ProgressBar(total * batch, start * batch, config.method) if progress else None
    with (
        stop_signals() as stopping,
        cpu_threads(choose_threads(config)),
        Log(out, start * batch if resume else None, tensorboard=config.tensorboard) as log,
        bar or nullcontext(),
    ):
        for index in range(start, total):
            set_learning_rate(optimiser, learning_rate(index * batch))
            terms = parts.take_step(index, generator)
            sums = sums + torch.stack([value.detach() for value in terms.values()])
            done = index + 1
            if done % RECORD_STEPS and done != total and not stopping():
                continue
            means = dict(zip(terms, (sums / (done - since)).tolist(), strict=True))
            now = time.perf_counter()
            speed = (done - since) * batch / max(now - clock, 1e-9)
            loss = next(iter(means.values()))
            if not math.isfinite(loss):
                raise Diverged(
                    divergence(loss, done * batch, config.learning_rate, out, saved * batch)
                )
            line = {"images": done * batch, "seconds": before + now - began, **means}
            log.add(json.dumps({**line, "images_per_second": speed}))
            if bar:
                shown = "  ".join(f"{name.replace('_', ' ')} {v:.3g}" for name, v in means.items())
                bar.move(done * batch, speed, shown)
            since, clock, sums = done, now, 0.0
            if (done - saved) * batch >= config.checkpoint_every or done == total or stopping():
                save(done)
                saved = done
            if stopping() and done < total:
                raise Interrupted(how_to_resume(config, out, done * batch))
    return model.eval()
