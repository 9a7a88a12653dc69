"""A progress bar on stderr with the time left, for reading and rendering that takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from betavae._system.errors import InputError
from betavae._system.notebook import NotebookBar, in_notebook

AFTER = 1.0  # seconds before the bar is shown: short work shows none


def live() -> bool:
    """Say whether a bar can move: stderr is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or in_notebook()


def wanted(verbose: bool | Literal["auto"]) -> bool:
    """Say whether to show progress; "auto" does where a bar can move.

    Raises:
        InputError: for anything else.
    """
    if verbose == "auto":
        return live()
    if not isinstance(verbose, bool):
        raise InputError(f"verbose must be True, False or 'auto', got {verbose!r}")
    return verbose


@contextmanager
def progress(title: str, count: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many of `count` items are done."""
    started = time.monotonic()
    update: Callable[[int], None] | None = None
    with ExitStack() as shown:

        def advance(done: int) -> None:
            nonlocal update
            if update is None and time.monotonic() - started >= AFTER:
                update = _bar(shown, title, count)
            if update is not None:
                update(done)

        yield advance


def _bar(shown: ExitStack, title: str, count: int) -> Callable[[int], None]:
    if in_notebook():
        shown_bar = NotebookBar()
        return lambda done: shown_bar.show(title, done / max(count, 1), "")
    from rich.console import Console
    from rich.progress import Progress

    bar = shown.enter_context(Progress(console=Console(stderr=True), transient=True))
    task = bar.add_task(title, total=count)
    return lambda done: bar.update(task, completed=done)
