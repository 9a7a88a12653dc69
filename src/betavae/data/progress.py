"""A progress bar on stderr with the time left, for reading and rendering that takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

BAR_FROM = 1000  # fewer items than this are done before a bar would be seen


@contextmanager
def progress(title: str, count: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many of `count` items are done."""
    if count <= BAR_FROM:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=count)
        yield lambda done: bar.update(task, completed=done)
