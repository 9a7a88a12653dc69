"""Work shared among threads, each with a single-threaded BLAS."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_here = threading.local()


def halves(n: int, size: int) -> list[range]:
    """Cut the starts of blocks of `size` rows out of `n` into two ranges, one a thread.

    >>> halves(10, 3)
    [range(0, 6, 3), range(6, 10, 3)]
    """
    middle = -(-n // size // 2) * size
    return [range(0, middle, size), range(middle, n, size)]


@cache
def _blas() -> Any:
    """Return the loaded BLAS libraries; looking for them takes longer than many a map."""
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, scikit-learn's too
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Return threads that are kept from one map to the next."""
    return ThreadPoolExecutor(workers, thread_name_prefix="betavae-metrics")


if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def thread_map(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``[function(item) for item in items]``, computed by as many threads as cores.

    NumPy, SciPy and scikit-learn's trees release the interpreter lock. BLAS is held to one
    thread meanwhile: its own threads on small matrices wait for each other, and on a busy
    machine that costs a hundredfold. Inside a thread of an outer call it is a plain loop.

    >>> thread_map(lambda x: x + 1, [1, 2, 3])
    [2, 3, 4]
    """
    if getattr(_here, "busy", False):  # the limits are global: nested ones would not be undone
        return [function(item) for item in items]

    def marked(item: T) -> R:
        _here.busy = True
        return function(item)

    available = getattr(os, "sched_getaffinity", None)
    cores = len(available(0)) if available else os.cpu_count() or 1
    with _blas().limit(limits=1, user_api="blas"):
        if min(cores, len(items)) < 2:
            return [function(item) for item in items]
        return list(_pool(cores).map(marked, items))
