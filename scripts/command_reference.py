"""Writes docs/commands.md: every command's help, as the program prints it at 80 columns.

Run: python scripts/command_reference.py
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from importlib.metadata import version
from pathlib import Path

from cyclopts import App

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = f"""# Commands

Written by `python scripts/command_reference.py` from the program itself, as cyclopts
{version("cyclopts")} prints it; a test compares the two.
"""


def commands(app: App, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command, those of groups included, in order."""
    found: list[tuple[str, ...]] = []
    for name in sorted(name for name in app if not name.startswith("-")):
        inner = commands(app[name], (*words, name))
        found += inner or [(*words, name)]
    return found


def help_of(words: tuple[str, ...]) -> str:
    """Return what `betavae WORDS --help` prints at 80 columns."""
    from betavae.cli import run

    shown = io.StringIO()
    before = dict(os.environ)
    os.environ |= {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    try:
        with contextlib.redirect_stdout(shown):
            run([*words, "--help"])
    finally:
        os.environ.clear()
        os.environ.update(before)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def page() -> str:
    """Return the page as Markdown."""
    from betavae.cli import app

    parts = [
        f"## betavae {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n"
        for words in commands(app)
    ]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
