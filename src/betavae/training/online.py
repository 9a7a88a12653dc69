"""Learning from images that come a part at a time: one pass over each part."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor

from betavae.data.batches import DataOrder
from betavae.data.dataset import Dataset
from betavae.objectives.terms import Step
from betavae.training.configured import learning_rate_schedule, set_learning_rate
from betavae.training.learner import Learner
from betavae.training.loop import train_step
from betavae.training.machine import choose_threads, cpu_threads
from betavae.training.records import Record, Recorder
from betavae.training.session import Diverged, divergence


def one_pass(learner: Learner, dataset: Dataset, images_seen: int, number: int) -> Record:
    """Show every image of a part once, in batches of about the configured size.

    Schedules go by the images seen over all parts, and run over the configured length.

    Args:
        learner: what learns; changed in place.
        dataset: the part.
        images_seen: before this part.
        number: of the part, 0 for the first: decides the order within it.

    Returns:
        The means over the part.

    Raises:
        Diverged: when the loss is no longer finite.
    """
    config, model = learner.config, learner.model
    rows, device = len(dataset.images), learner.generator.device
    learning_rate = learning_rate_schedule(config)
    recorder = Recorder(
        beta_norm=config.latents / math.prod(learner.image_shape), images_seen=images_seen,
        seconds=0.0,
    )  # fmt: skip
    order = DataOrder(rows, rows, config.seed)
    parts = order(number).tensor_split(math.ceil(rows / config.batch))
    others = order(number, second=True).tensor_split(len(parts))
    model.to(device).train()
    seen = images_seen
    beta: float | Tensor = 0.0

    def batch(part: Tensor) -> Tensor:
        return dataset.images.batch(part, device)

    with cpu_threads(choose_threads(config)):
        for part, other in zip(parts, others, strict=True):
            set_learning_rate(learner.optimiser, learning_rate(seen))
            step = Step(seen, learner.generator, rows, partial(batch, other))
            beta = train_step(
                model, learner.optimiser, learner.objective, batch(part), step, recorder,
                bf16=config.bf16,
            )  # fmt: skip
            seen += len(part)
    model.eval()
    record = recorder.record(seen, beta, learning_rate(seen))
    if not math.isfinite(record.loss):
        raise Diverged(divergence(record.loss, seen, record.learning_rate, None, 0))
    return record
