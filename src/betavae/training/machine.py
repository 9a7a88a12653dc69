"""What depends on the machine: the device, compilation, the C heap."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import torch

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.networks import SMALL
from betavae.objectives.optimisers import Optimiser
from betavae.training.records import warn

Function = TypeVar("Function", bound=Callable[..., Any])


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: when the named device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if not there[name]:
        found = ", ".join(device for device, present in there.items() if present)
        raise InputError(f"device {name} is not available here; found: {found}")
    return torch.device(name)


def choose_threads(config: Config) -> int:
    """Return the CPU threads to train with.

    The layers of patch and mlp are so small that at 32 images or fewer a second thread gains
    nothing, and on a machine that does something else as well its barriers cost several times
    the work (docs/findings/performance.md).
    """
    if config.threads is not None:
        return config.threads
    small = config.network in SMALL and config.batch <= 32
    return 1 if small else torch.get_num_threads()


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compiled(function: Function, device: torch.device) -> Function:
    """Return `function` compiled, or as it is, with a warning, where the compiler fails.

    On CUDA its kernels are replayed as one graph (``reduce-overhead``): those of networks this
    small take less time than their launches. What it returned before may then be overwritten by
    the next call, and no gradient may be kept from one call to the next.
    """
    fast = torch.compile(function, mode="reduce-overhead" if device.type == "cuda" else None)
    state = {"broken": False}

    def call(*arguments: Any) -> Any:
        if not state["broken"]:
            try:
                return fast(*arguments)
            except Exception as error:  # any compiler failure: g++ missing, unsupported platform
                state["broken"] = True
                reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                warn(f"torch.compile failed, training goes on without it ({reason})")
        return function(*arguments)

    return call  # type: ignore[return-value]


@lru_cache(maxsize=1)
def keep_heap() -> None:
    """Make glibc keep freed memory instead of giving it back to the kernel every step.

    A step frees and takes tens of megabytes; by default glibc maps and unmaps them each time
    and the page faults cost more than the smaller layers do. Does nothing on other systems.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    for megabytes in (1024, 32):
        if mallopt(mmap_threshold, megabytes << 20):
            break
    mallopt(trim_threshold, (1 << 31) - 1)


@torch.no_grad()
def drop_denormals(optimiser: Optimiser) -> None:
    """Set to 0 what has faded below 1e-30 in the optimiser's state, on the CPU.

    Adam's averages of a weight whose gradient stays 0 (a pixel rarely lit, a dead unit) shrink
    by a constant factor a step until they are denormal, and arithmetic on denormals is many
    times slower: unchecked, it triples the step of the FC network. Such values are far too
    small to move a weight. The processor's own switch is per thread, so it would not do for
    runs that must repeat bit for bit; this depends on nothing but the step it is called at.
    """
    for state in optimiser.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor) and value.dim() and value.device.type == "cpu":
                torch.hardshrink(value, 1e-30, out=value)
