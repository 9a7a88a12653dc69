"""Train any method on a data set: what `betavae train` and `BetaVAE.fit` call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae._system.interrupts import stop_signals
from betavae._system.locks import only_one
from betavae._system.notes import note_once
from betavae.config import Config
from betavae.config.suited import suited
from betavae.data.augmentation import varied
from betavae.data.batches import DataOrder, Rows, fetch, independent_pair, shuffled
from betavae.data.dataset import Dataset
from betavae.data.kept_images import keep_images
from betavae.data.source import Source
from betavae.data.splits import split, subset
from betavae.models.latents import Latent
from betavae.objectives.beta import BetaOptions
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.terms import Objective
from betavae.training import checkpoint
from betavae.training.build import Own, OwnNetwork
from betavae.training.config_file import write_config
from betavae.training.distributed import check_batch, connected, device_of, ranks_here, shared
from betavae.training.learners import Learner, make_learner, restore
from betavae.training.linear_fit import fit_linear
from betavae.training.log import Log, check_events
from betavae.training.loop import Home, Span, Watch, run_loop
from betavae.training.machine import choose_threads, compiled, cpu_threads, keep_heap
from betavae.training.measuring import HeldOut
from betavae.training.progress_bar import ProgressBar
from betavae.training.records import COLLAPSED_NATS, Record, mean_record, warn
from betavae.training.run_data import find_data
from betavae.training.run_folder import clear_run, remove_made
from betavae.training.session import check_same_run


@dataclass(frozen=True, repr=False)
class Run:
    """A finished training.

    Attributes:
        model: in eval mode, a VAE or the method's own (`betavae.training.build.Model`):
            `code_means(images)` gives codes, `decode(codes)` images.
        config: what was trained; a network or latent given from Python is named in it.
        records: nats per image; none of what is fitted in one go.
        learner: what would go on, the model in it; None for what is fitted in one go.
    """

    model: Any
    config: Config
    records: list[Record]
    learner: Learner | None = None

    def __repr__(self) -> str:
        seen = f"{self.records[-1].images:,} images seen" if self.records else "no records"
        terms = self.records[-1].terms.items() if self.records else ()
        parts = [seen, *(f"{name.replace('_', ' ')} {value:.4g}" for name, value in terms)]
        return f"<Run {title(self.config)}, {self.config.latents} latents: {', '.join(parts)}>"


def train(
    config: Config,
    dataset: Dataset | Any | None = None,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    objective: Objective | None = None,
    network: OwnNetwork | None = None,
    latent: Latent | None = None,
    progress: bool = True,
    watch: Watch | None = None,
    begin: Callable[[], None] = lambda: None,
    patience: float = 0.0,
) -> Run:
    """Train the configured method, alone or with the processes that torchrun started.

    Args:
        config: everything that decides the result; where it chooses no objective, the images say
            what is trained (`betavae.config.suited`), and a note says what that is.
        dataset: the images, or whatever else `betavae.data.load` takes: a path, a torch Dataset
            or DataLoader, a Hugging Face set; loaded as configured if None.
        out: run folder for metrics.jsonl and checkpoints, in place of a run that it holds;
            nothing is written if None.
        resume: go on from the folder's checkpoint; on the CPU the weights end bit for bit
            where the uninterrupted run's end.
        objective: replaces the configured one: (model, batch, step) -> Terms. Where it is
            also a `Stateful`, its state is started, saved and restored with the model's.
        network: replaces the configured one: a pair of modules (encoder, decoder), which is
            copied, or a function of (C, H, W) and the number of latents that returns one.
        latent: replaces the configured one (`betavae.models.latents`).
        progress: show the bar on stderr.
        watch: called with the model after every record; stops early when it returns True.
        begin: called once when nothing is left to check and nothing is written yet.
        patience: seconds to wait for another process in the folder that is about to end.

    Raises:
        InputError: for a run that cannot start (see the message), or whose folder another
            process uses.
        Diverged: when the loss is no longer finite; the last good checkpoint is kept.
        Interrupted: after Ctrl-C, with the state saved.

    >>> import numpy as np
    >>> from betavae.data.images import ImageStore
    >>> squares = np.zeros((32, 1, 32, 32), np.uint8)
    >>> squares[::2, :, 8:16, 8:16] = 255
    >>> data = Dataset("squares", ImageStore.from_uint8(squares))
    >>> run = train(Config(latents=2, images=64), data, progress=False)
    >>> run.records[-1].images, run.model.latents
    (64, 2)
    """
    folder = None if out is None else Path(out)
    if dataset is None and resume and folder is not None:
        header = checkpoint.read_header(folder)
        if config.data == header.config.data:  # which may have moved
            dataset = find_data(folder, header)
    if not isinstance(dataset, Dataset):
        given = config.data if dataset is None else dataset
        dataset = datasets.load(given, **config.load_options())
    own, ranks = Own(objective, network, latent), ranks_here()
    if not own.any:
        config, said = suited(config, dataset, alone=ranks.count == 1)
        note_once(said)
    source = None if folder is None else Source.of(dataset, folder)
    whole, (dataset, held_out) = dataset, training_part(config, dataset)
    method = config.method.name
    if method != "vae":
        _check_alone(method, ranks.count)
        if own.any:
            raise InputError(f"objective, network and latent belong to method vae, not to {method}")

    def start_folder(steps: int = 0) -> None:
        begin()
        if folder is None:
            return
        if not resume:
            clear_run(folder)
        elif steps < math.ceil(config.images / min(config.batch, len(dataset.images))):
            remove_made(folder)  # before the weights that it shows
        write_config(folder, config)
        keep_images(folder, whole)

    with nullcontext() if folder is None or ranks.rank else only_one(folder, patience):
        if method in ("pca", "ica"):
            model = fit_linear(
                config, dataset, folder, source, progress=progress, begin=start_folder
            )
            return Run(model.eval(), config, [])
        rows = len(dataset.images)
        batch = min(config.batch, rows)
        if rows < 2 or (method != "vae" and batch < 2):
            least = "training" if rows < 2 else f"method {method} with its batches"
            raise InputError(f"{least} needs at least 2 images, got {min(rows, batch)}")
        check_batch(ranks, batch)
        device = device_of(ranks, config.device)
        if config.bf16 and device.type != "cuda":
            raise InputError(f"bf16 needs a CUDA device, got {device.type}")
        if config.tensorboard:
            check_events()
        keep_heap()
        config = own.named_in(config)
        learner = make_learner(config, dataset, device, own)
        draw = learner.sampler(dataset, batch, config.seed)
        if config.augment not in (None, "none") and (
            ranks.count > 1 or learner.sampler not in (shuffled, independent_pair)
        ):
            what = "torchrun" if ranks.count > 1 else "batches drawn by their factors"
            raise InputError(f"augment does not go with {what}")
        start, seconds = 0, 0.0
        if resume and folder is not None:
            header = checkpoint.read_header(folder)
            check_same_run(header, config, len(dataset.images), whole)
            restore(learner, folder, begun=header.steps > 0)
            start, seconds = header.steps, header.seconds
        total = math.ceil(config.images / batch)
        span = Span(start, total, start * batch, rows, seconds)
        shown = progress and ranks.rank == 0
        bar = ProgressBar(total * batch, start * batch, title(config)) if shown else None
        home = Home(folder, bar=bar, watch=watch, source=source)
        if method == "vae" and len(held_out):
            home.held_out = HeldOut(whole, held_out)
        learner.model.train()
        if ranks.rank == 0:
            start_folder(start)
        with (
            stop_signals(second_kills=ranks.count == 1) as home.stopping,
            cpu_threads(choose_threads(config)),
            connected(ranks, device, config, rows=rows, start=start, out=folder) as agreed,
            Log(
                folder if ranks.rank == 0 else None,
                start * batch if resume else None,
                tensorboard=config.tensorboard,
            ) as home.log,
            bar or nullcontext(),
        ):
            run = compiled(elbo_pass, device) if config.compile else elbo_pass
            elbo = shared(ranks, learner.model, run)
            records = run_loop(
                learner,
                lambda index: varied(
                    fetch(dataset, draw(index), device, ranks.part),
                    config.augment,
                    config.seed,
                    index,
                ),
                span,
                home,
                ranks=ranks,
                elbo=elbo,
                agreed=agreed,
            )
        if folder is not None and ranks.rank == 0:
            _check_kept(folder, records[-1].images if records else span.seen, batch)
        _warn_of_collapse(records, ranks.rank)
        return Run(learner.model.eval(), config, records, learner)


def training_part(config: Config, whole: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
    """Return what a training sees of a set, and the rows (n,) that it never sees.

    Raises:
        InputError: for a split that does not fit the set.
    """
    options = config.split_options()
    if not options.any:
        return whole, np.empty(0, np.int64)
    found = split(whole, options)
    return subset(whole, found.train), found.held_out


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
        InputError: for an objective that needs other batches than shuffled images.
        Diverged: when the loss is no longer finite.
    """
    rows, device = len(dataset.images), learner.device
    if learner.sampler not in (shuffled, independent_pair):
        raise InputError("images that come a part at a time are only drawn shuffled")
    order, first = DataOrder(rows, rows, learner.config.seed), images_seen
    parts = order(number).tensor_split(math.ceil(rows / learner.config.batch))
    others: Sequence[Tensor | None] = [None] * len(parts)
    if learner.sampler is independent_pair:
        others = order(number, second=True).tensor_split(len(parts))
    learner.model.to(device).train()
    with cpu_threads(choose_threads(learner.config)):
        records = run_loop(
            learner,
            lambda index: varied(
                fetch(dataset, Rows(parts[index], others[index]), device),
                learner.config.augment,
                learner.config.seed,
                first + index,
            ),
            Span(0, len(parts), images_seen, rows),
            Home(),
        )
    learner.model.eval()
    return mean_record(records, images_seen)


def title(config: Config) -> str:
    """Return what a run is called while it trains."""
    if config.method.name != "vae":
        return config.method.name
    objective = config.objective
    words = f"beta {objective.label}" if isinstance(objective, BetaOptions) else str(objective)
    return f"{config.network} {words}"


def _check_alone(method: str, processes: int) -> None:
    if processes > 1:
        raise InputError(
            f"method {method} trains in one process, torchrun started {processes}: "
            "start it without torchrun (only method vae is shared between processes)"
        )


def _check_kept(folder: Path, images: int, batch: int) -> None:
    """Say so when the folder does not hold what this training has just saved there."""
    kept = checkpoint.read_header(folder).steps * batch
    if kept != images:
        raise InputError(
            f"{folder} holds a checkpoint at {kept:,} images, this training saved one at "
            f"{images:,}: something else writes to the folder"
        )


def _warn_of_collapse(records: list[Record], rank: int) -> None:
    if rank or not records or not records[-1].rate_per_latent:
        return
    rate = sum(records[-1].rate_per_latent)
    if rate < COLLAPSED_NATS:
        warn(
            f"the posterior collapsed: rate {rate:.3f} nats, no latent says anything "
            "about the image; try a smaller beta, another seed or a longer run"
        )
