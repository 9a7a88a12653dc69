"""What a notebook shows: a bar that moves, and figures; needs no package but its own."""

from __future__ import annotations

import html
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

BETWEEN = 0.2  # seconds between two states of a bar: a notebook keeps up with no more


def in_notebook() -> bool:
    """Say whether this runs in the kernel of a notebook."""
    return type(_shell()).__name__ == "ZMQInteractiveShell"


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


class NotebookBar:
    """A bar below the cell that runs; rich's own needs ipywidgets, and only warns without it."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = 0.0

    def show(self, title: str, share: float, words: str) -> None:
        """Draw it, or move it.

        Args:
            title: what is being done.
            share: how much is done, in [0, 1]; the state at 1 is always drawn.
            words: what stands behind the bar.
        """
        now = time.monotonic()
        if self._handle is not None and share < 1 and now - self._drawn < BETWEEN:
            return
        self._drawn = now
        shown = {
            "text/plain": f"{title}  {share:4.0%}  {words}",
            "text/html": (
                f'{html.escape(title)} <progress value="{share:.3f}" max="1" '
                f'aria-label="{html.escape(title)}"></progress> {share:.0%} {html.escape(words)}'
            ),
        }
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def show_figures(kind: type, to_png: Callable[[Any], bytes]) -> None:
    """Make a notebook show figures of a kind that a cell returns, where nothing does so yet.

    Matplotlib's own way begins with pyplot, which this package does without.
    """
    if not in_notebook():
        return
    formatter = _shell().display_formatter.formatters["image/png"]
    try:
        formatter.lookup_by_type(kind)
    except KeyError:
        formatter.for_type(kind, to_png)
