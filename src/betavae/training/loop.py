"""The training loop: batch, terms, backward, step, record. One for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from betavae.data.batches import Batch
from betavae.data.source import Source
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.optimisers import set_learning_rate
from betavae.objectives.ranks import Ranks
from betavae.objectives.terms import Step
from betavae.training import checkpoint
from betavae.training.distributed import Agreement, Run, of_first
from betavae.training.learners import Learner
from betavae.training.log import Log
from betavae.training.machine import drop_denormals
from betavae.training.measuring import Measure
from betavae.training.progress_bar import ProgressBar
from betavae.training.records import Record, Recorder
from betavae.training.session import Diverged, Interrupted, divergence, how_to_resume

MEASURES = 20  # times that held-out images are measured in a training, about
RECORD_STEPS = 50  # steps between records; terms are read back from the device only then
SAVE_SECONDS = 180.0  # between checkpoints at most, however few images were seen

Watch = Callable[[nn.Module, Record], bool]
"""Called with the model after every record; training stops early when it returns True."""


@dataclass
class Home:
    """Where a training's results go, and what it is asked from outside while it runs.

    Attributes:
        out: run folder; nothing is written if None.
        log: of the records, already open; None where they are only returned.
        bar: shows the records, already open.
        watch: see `Watch`.
        held_out: adds terms of held-out images to some records, the last among them.
        stopping: says whether the user asked to stop.
        source: where the images are, for the checkpoint.
    """

    out: Path | None = None
    log: Log | None = None
    bar: ProgressBar | None = None
    watch: Watch | None = None
    held_out: Measure | None = None
    stopping: Callable[[], bool] = field(default=lambda: False)
    source: Source | None = None


@dataclass(frozen=True)
class Span:
    """Which steps a loop takes.

    Attributes:
        start: steps done before.
        stop: steps done after.
        seen: images seen before.
        rows: images in the data set, N.
        seconds: of training before.
    """

    start: int
    stop: int
    seen: int
    rows: int
    seconds: float = 0.0


def run_loop(
    learner: Learner,
    fetch: Callable[[int], Batch],
    span: Span,
    home: Home,
    *,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
    elbo: Run = elbo_pass,
    agreed: Agreement | None = None,
) -> list[Record]:
    """Take the steps of a span, and record, show, save and stop as it goes.

    Args:
        learner: takes the steps.
        fetch: returns the batch of a step's number.
        span: which steps.
        home: where results go.
        ranks: the processes that share the batches.
        elbo: runs a batch through a VAE, compiled or shared.
        agreed: how the ranks agree to stop.

    Raises:
        Diverged: when the loss is no longer finite; the last good checkpoint is kept.
        Interrupted: when asked to stop, with the state saved.
    """
    config, pixels = learner.config, math.prod(learner.image_shape)
    learning_rate = config.optimiser.schedule(config.images)
    recorder = Recorder(
        beta_norm=config.latents / pixels, images_seen=span.seen, seconds=span.seconds
    )
    records: list[Record] = []
    seen = saved = span.seen
    # By the step alone, so that a resumed run measures where the uninterrupted one does.
    measured = RECORD_STEPS * max(1, round(span.stop / (MEASURES * RECORD_STEPS)))
    saved_at = time.monotonic()

    def save(steps: int) -> None:
        if home.log:
            home.log.sync()
        if home.out is not None and ranks.rank == 0:  # one process writes
            header = checkpoint.Header(
                config, learner.image_shape, span.rows, steps, recorder.seconds, home.source
            )
            checkpoint.save(home.out, header, learner.model, learner.state())

    if span.stop == 0:
        save(0)
    for index in range(span.start, span.stop):
        rate = learning_rate(seen)
        set_learning_rate(learner.optimiser, rate)
        batch = fetch(index)
        step = Step(seen, learner.generator, span.rows, elbo, ranks)
        recorder.add(learner.step(batch, step))
        seen += len(batch) * ranks.count
        done, stop = index + 1, home.stopping()
        if agreed is not None:
            stop = agreed(stop)
        if done % RECORD_STEPS == 0:  # by the step alone, so that a resumed run repeats it
            drop_denormals(learner.optimiser)
        last = done == span.stop
        if not (done % RECORD_STEPS == 0 or last or stop):
            continue
        record = recorder.record(seen, rate)
        if not math.isfinite(record.loss):
            raise Diverged(divergence(record.loss, seen, rate, home.out, saved))
        if home.held_out is not None and (last or done % measured == 0):
            record = replace(record, terms=record.terms | home.held_out(learner.model))
        records.append(record)
        if home.log and (last or done % RECORD_STEPS == 0):  # the resumed run writes no other
            home.log.add(record.to_json())
        if home.bar:
            home.bar.show(record)
        enough = home.watch is not None and of_first(ranks, home.watch(learner.model, record))
        late = time.monotonic() - saved_at >= SAVE_SECONDS
        if seen - saved >= config.checkpoint_every or late or last or stop or enough:
            save(done)
            saved, saved_at = seen, time.monotonic()
        if enough or last:
            break
        if stop:
            raise Interrupted(how_to_resume(config, home.out, seen))
    return records
