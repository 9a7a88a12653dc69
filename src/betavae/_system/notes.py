"""One line on stderr about what was assumed: neither an error nor a Python warning."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from betavae._system.text import printable

_said: set[str] = set()


def note(line: str) -> None:
    """Print a line that begins with ``note:`` on stderr."""
    print(f"note: {printable(line)}", file=sys.stderr)


def note_once(lines: Iterable[str]) -> None:
    """Print notes that this process has not printed yet."""
    for line in lines:
        if line not in _said:
            _said.add(line)
            note(line)
