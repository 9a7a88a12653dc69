"""Where the cells of a study run: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from betavae._system.errors import InputError, not_installed

ENGINES = ("local", "ray")
PATIENCE = 5.0  # seconds that a Ray address has to answer


@dataclass(frozen=True)
class Engine:
    """Where the cells of a study run, and how many at a time.

    Attributes:
        name: ``local`` (processes of this machine) or ``ray``.
        jobs: cells at a time; one a device, else one a core, if None; with Ray, no more than it
            has cores.
        ray_address: ``HOST:PORT`` of a running Ray; a local one is started if None.

    Raises:
        InputError: for another name, fewer than one job, or an address without Ray.
    """

    name: str = "local"
    jobs: int | None = None
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, got '{self.name}'")
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"jobs must be >= 1, got {self.jobs}")
        if self.name == "local" and self.ray_address is not None:
            raise InputError("ray_address goes with engine ray, not with engine local")

    @contextmanager
    def started(self) -> Iterator[int]:
        """Make joblib use the engine within the block; yield how many cells run at a time.

        Raises:
            InputError: for a missing extra, or an address that nobody answers.
        """
        from joblib import parallel_config

        if self.name == "local":
            with parallel_config(backend="loky", inner_max_num_threads=1):
                yield self.jobs or slots()
            return
        # A core each: Ray's workers ask for none, so it would start them all on one machine.
        each = {"num_cpus": 1}
        with _ray(self.ray_address) as cores, parallel_config(backend="ray", ray_remote_args=each):
            yield min(self.jobs or cores, cores)  # one without a core would wait for ever


@contextmanager
def _ray(address: str | None) -> Iterator[int]:
    """Join or start Ray; yield its cores."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a study reports to nobody
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise not_installed("engine ray", "ray", "ray") from None
    if address is not None:
        _knock(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        raise InputError(f"no Ray {where}: {str(error).splitlines()[0]}") from None
    try:
        register_ray()  # type: ignore[no-untyped-call,unused-ignore]
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call,unused-ignore]
        yield max(1, int(resources.get("CPU", 1)))
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Refuse an address where nobody listens, at once; Ray itself would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"ray_address must be HOST:PORT, got '{address}'")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise InputError(f"no Ray answers at {address}: {error.strerror or error}") from None


def slots() -> int:
    """Return the cells that this machine runs at a time: one a GPU, else one a core."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.device_count()
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one CPU thread within the block: the cells beside it have the others."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def claimed_device(share: bool) -> Iterator[None]:
    """Take a GPU that no other cell on this machine has, as torch's current device.

    A lock file a device says which are taken; it falls open when its holder dies. Does nothing
    without GPUs, or when only one cell runs (`share` False).
    """
    import torch
    from filelock import FileLock, Timeout

    if not (share and torch.cuda.is_available()):
        yield
        return
    count, user = torch.cuda.device_count(), os.environ.get("USER", "")
    locks = [
        FileLock(Path(tempfile.gettempdir()) / f"betavae-{user}-cuda{k}.lock") for k in range(count)
    ]
    with ExitStack() as held:
        for index, lock in enumerate(locks):
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                continue
            torch.cuda.set_device(index)
            break
        else:  # more jobs than devices: wait for the first to come free
            held.enter_context(locks[0].acquire())
            torch.cuda.set_device(0)
        yield
