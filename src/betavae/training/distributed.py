"""One training in several processes: what torchrun starts, joined by DistributedDataParallel."""

from __future__ import annotations

import atexit
import gc
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # imported later, its defaults would keep the group alive
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from betavae._system.errors import InputError, RankFailed
from betavae._system.launch import launched
from betavae.config import Config
from betavae.models.vae import VAE
from betavae.objectives.elbo import Between, Pass
from betavae.objectives.ranks import Ranks
from betavae.training import checkpoint
from betavae.training.machine import choose_device
from betavae.training.session import Diverged, Interrupted, resume_line

Run = Callable[[VAE, Tensor, Tensor, Between | None], Pass]


def ranks_here() -> Ranks:
    """Return this process's place among those that train together.

    Raises:
        InputError: when the environment is not torchrun's.
    """
    place = launched()
    return Ranks(place.rank, place.count)


def device_of(ranks: Ranks, name: str) -> torch.device:
    """Return the device called `name` (see `choose_device`); of several GPUs, this rank's own.

    Raises:
        InputError: when the device is not there, or the machine has fewer GPUs than ranks.
    """
    if ranks.count == 1:
        return choose_device(name)
    if name == "mps":
        raise InputError("several processes train on CUDA devices or on the CPU, got device mps")
    device = choose_device("cpu" if name == "auto" and not torch.cuda.is_available() else name)
    if device.type != "cuda":
        return device
    place, there = launched().local_rank, torch.cuda.device_count()
    if place >= there:
        raise RankFailed(
            f"no GPU is left for rank {ranks.rank}: this machine has {there}; start "
            f"{there} processes on it (--nproc-per-node {there}), or train with --device cpu"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def check_batch(ranks: Ranks, batch: int) -> None:
    """Refuse a batch that the ranks cannot share equally: its mean would not be theirs."""
    if batch % ranks.count:
        raise InputError(
            f"batch must be a multiple of the {ranks.count} processes that share it, got {batch}"
        )


def _check_alike(ranks: Ranks, config: Config, rows: int, start: int) -> None:
    """Refuse ranks that were started with different settings, data or checkpoints."""
    settings = hashlib.sha256(config.model_dump_json().encode()).digest()
    mine = torch.tensor([[int.from_bytes(settings[:7], "big"), rows, start]])
    everyone = ranks.gather(mine)
    for column, what in (
        (0, "other settings: start all nodes with the same command"),
        (1, "other data: every node needs the same images"),
        (2, "other checkpoints: --out must be one folder that all nodes share"),
    ):
        differing = (everyone[:, column] != everyone[0, column]).nonzero().flatten().tolist()
        if differing:
            raise InputError(f"rank {differing[0]} has {what}")


class _Elbo(nn.Module):
    """A rank's pass as a module's forward, which DistributedDataParallel needs."""

    def __init__(self, model: VAE, run: Run) -> None:
        super().__init__()
        self.model = model
        self.run = run

    def forward(self, images: Tensor, noise: Tensor, between: Between | None) -> Pass:
        return self.run(self.model, images, noise, between)


def shared(ranks: Ranks, model: nn.Module, run: Run) -> Run:
    """Return `run` for a batch that the ranks share: the whole batch's terms and codes.

    The weights' gradients are averaged in the backward pass. The images are the rank's rows;
    the noise is the whole batch's.
    """
    if ranks.count == 1 or not isinstance(model, VAE):
        return run
    parallel = DistributedDataParallel(_Elbo(model, run))

    def whole(_: VAE, images: Tensor, noise: Tensor, between: Between | None) -> Pass:
        own: Pass = parallel(images, ranks.part(noise), between)
        terms = ranks.average(torch.cat((own.distortion[None], own.rate_per_latent)))
        posterior = own.posterior.map(ranks.gather)
        return Pass(terms[0], terms[1:], posterior, ranks.gather(own.latents))

    return whole


class Agreement:
    """Whether any rank was asked to stop, known to all at the same step.

    The ranks tell each other while they take the next step, so that none waits: the answer is
    about the step before. A process that trains alone is answered at once.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._told: tuple[Tensor, dist.Work] | None = None

    def __call__(self, asked: bool) -> bool:
        """Tell the others, once a step on every rank, and return what all agree on."""
        if self.ranks.count == 1:
            return asked
        before = self._told
        flag = torch.tensor(float(asked))
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._told = (flag, work)
        if before is None:
            return False
        before[1].wait()
        return bool(before[0])

    def settle(self) -> None:
        """Wait for the last answer: a process that ends while it is under way is aborted."""
        if self._told is not None:
            self._told[1].wait()
            self._told = None


@contextmanager
def connected(
    ranks: Ranks,
    device: torch.device,
    config: Config,
    *,
    rows: int = 0,
    start: int = 0,
    out: Path | None = None,
) -> Iterator[Agreement]:
    """Join the other ranks for the block: NCCL between GPUs, gloo between CPUs.

    Args:
        ranks: from `ranks_here`.
        device: from `device_of`.
        config: what the training is told, the same on all ranks, as are the following.
        rows: images in the data set.
        start: steps done so far.
        out: run folder.

    Raises:
        InputError: when the ranks were not started alike.
        RankFailed: when another rank is gone; torchrun says which, and why.
    """
    agreement = Agreement(ranks)
    if ranks.count == 1:
        yield agreement
        return
    try:
        if not dist.is_initialized():
            # Once a process: a second group would read the first one's addresses in the store.
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
            atexit.register(disconnect)
        _check_alike(ranks, config, rows, start)
        yield agreement
        agreement.settle()
    except (Diverged, Interrupted):  # all ranks raise these, at the same step
        agreement.settle()
        raise
    except BaseException as error:
        atexit.unregister(disconnect)  # which waits for the others
        if not _lost(error):
            raise
        there = out is not None and (out / checkpoint.NAME).exists()
        kept = f"; go on from the last checkpoint with: {resume_line(out)}" if there else ""
        reason = re.sub(r"\[/.*?\] ", "", str(error).splitlines()[0]).split(". ")[0]
        raise RankFailed(
            f"lost the other processes of this training ({reason}); the report of torchrun says "
            f"which one ended first{kept}"
        ) from None


def disconnect() -> None:
    """Leave the other ranks and end gloo's threads; registered to run at the process's end.

    A thread that still lets go of its last tensors while Python ends would abort the process.
    """
    if dist.is_initialized():
        gc.collect()  # whatever still holds the group would keep its threads
        dist.destroy_process_group()


def of_first(ranks: Ranks, answer: bool) -> bool:
    """Return rank 0's answer, on every rank."""
    if ranks.count == 1:
        return answer
    flag = torch.tensor(float(answer))
    dist.broadcast(flag, src=0)
    return bool(flag)


def _lost(error: BaseException) -> bool:
    """Say whether an error comes from the connection; gloo's has no class of its own."""
    gloo = isinstance(error, RuntimeError) and "gloo" in str(error).lower()
    return gloo or isinstance(error, dist.DistError)
