"""Finds the code of a document or an example, and how to run it in short (docs/testing.md)."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import cast

SHELL = {"sh", "bash", "shell", "console"}
PYTHON = {"python", "py", "pycon"}
SILENT = {"text", "toml", "json", "html", "csv", "math"}  # languages that are shown, never run
COMMANDS = ("betavae", "python", "pip", "make", "torchrun", "ray", "sbatch", "srun")
FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*(\w*)")
QUICK_LINE = "# quick:"  # in an example
COMMENT = re.compile(r"<!--\s*(quick|not run|file|setup)\b:?(.*?)-->", re.DOTALL)


class BadDocument(ValueError):
    """A document says something that cannot be followed; names page and line."""


@dataclass(frozen=True)
class Block:
    """A piece of code in a document.

    Attributes:
        page: the document's name.
        line: the number of its first line of code.
        language: of the fence; ``python`` for a setup.
        code: as it is run: shortened as the page says, without the fence's indentation.
        why_not: why it is not run; empty when it is.
        file: the name that it is written to before the next block; empty for code.
        hidden: whether it is a setup, which readers do not see.
    """

    page: str
    line: int
    language: str
    code: str
    why_not: str = ""
    file: str = ""
    hidden: bool = False

    @property
    def is_python(self) -> bool:
        """Whether it is Python."""
        return self.language in PYTHON

    @property
    def commands(self) -> list[tuple[int, str]]:
        """Line number and text of every command of a shell block; of Python, the whole of it."""
        return [(self.line, self.code)] if self.is_python else _commands(self.line, self.code)


@dataclass
class _Said:
    """What the comments before a block ask for."""

    line: int = 0
    quick: list[tuple[str, str]] = field(default_factory=list)
    why_not: str = ""
    file: str = ""


def blocks(text: str, page: str) -> list[Block]:
    """Return what a document wants run, in order, and what it shows without running.

    Raises:
        BadDocument: for code that would be passed over in silence, or a comment that fits nothing.
    """
    found: list[Block] = []
    said = _Said()
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence:
            end = _end(lines, number, fence[2], page)
            inner = [line.removeprefix(fence[1]) for line in lines[number + 1 : end]]
            block = _block(page, number + 2, fence[3], "\n".join(inner), said)
            if block is not None:
                found.append(block)
                said = _Said()
            number = end + 1
            continue
        if "<!--" in lines[number]:
            comment, number = _comment(lines, number, page)
            read = COMMENT.fullmatch(comment)
            if read:
                _hear(said, found, read[1], read[2], page, number)
            continue
        if re.match(rf"^( {{4}}|\t)({'|'.join(COMMANDS)}) ", lines[number]):
            raise BadDocument(f"{page}:{number + 1}: put this command into a ```sh block")
        number += 1
    if said.line:
        raise BadDocument(f"{page}:{said.line}: no block of code follows this comment")
    return found


def example(text: str, name: str) -> Block:
    r"""Return an example, a file of Python, with what its ``# quick: OLD -> NEW`` lines replace.

    Raises:
        BadDocument: for such a line without an arrow, or with text that is not in the code.

    >>> example("# quick: N = 900 -> N = 9\nN = 900\n", "a.py").code.splitlines()[1]
    'N = 9'
    """
    said = _Said()
    lines = [line.rstrip() for line in text.splitlines()]
    for number, line in enumerate(lines, start=1):
        if line.startswith(QUICK_LINE):
            _hear(said, [], "quick", line.removeprefix(QUICK_LINE), name, number)
            lines[number - 1] = ""
    block = _block(name, 1, "python", "\n".join(lines), said)
    return cast("Block", block)


def _end(lines: list[str], start: int, fence: str, page: str) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip().startswith(fence) and not lines[number].strip(" `~"):
            return number
    raise BadDocument(f"{page}:{start + 1}: this block of code does not end")


def _comment(lines: list[str], start: int, page: str) -> tuple[str, int]:
    """Return a comment of one line or more, and the number of the line after it."""
    for number in range(start, len(lines)):
        if "-->" in lines[number]:
            return "\n".join(lines[start : number + 1]).strip(), number + 1
    raise BadDocument(f"{page}:{start + 1}: this comment does not end")


def _hear(said: _Said, found: list[Block], word: str, text: str, page: str, following: int) -> None:
    """Take in a comment: for the block that follows, or, a setup, as a block of its own."""
    if word == "setup":
        code = text.strip("\n")
        line = following - code.count("\n") - 1
        found.append(Block(page, line, "python", code, hidden=True))
        return
    said.line = following
    if word == "not run":
        said.why_not = " ".join(text.split())
        if not said.why_not:
            raise BadDocument(f"{page}:{following}: say why this is not run")
    elif word == "file":
        said.file = text.strip()
    else:
        for line in text.strip().splitlines():
            old, arrow, new = line.partition(" -> ")
            if not arrow:
                raise BadDocument(f"{page}:{following}: quick needs OLD -> NEW, got '{line}'")
            said.quick.append((old.strip(), new.strip()))


def _block(page: str, line: int, language: str, code: str, said: _Said) -> Block | None:
    """Return a block that is run, written to a file, or left out for a reason; else None."""
    if said.file:
        return Block(page, line, language, code, file=said.file)
    if language not in SHELL | PYTHON:
        if language not in SILENT or said.line:
            raise BadDocument(
                f"{page}:{line}: the language of this block must be sh, python or one of "
                f"{', '.join(sorted(SILENT))} without a comment before it, got '{language}'"
            )
        return None
    for old, new in said.quick:
        if old not in code:
            raise BadDocument(f"{page}:{line}: nothing in this block is '{old}'")
        code = code.replace(old, new)
    if language == "console":
        code = "\n".join(t.removeprefix("$ ") for t in code.splitlines() if t.startswith("$ "))
    if language == "pycon":
        code = _without_prompts(code)
    return Block(page, line, language, code, why_not=said.why_not)


def _without_prompts(code: str) -> str:
    kept = [line[4:] for line in code.splitlines() if line.startswith((">>> ", "... "))]
    return "\n".join(kept)


def _commands(first: int, code: str) -> list[tuple[int, str]]:
    """Join continued lines; leave out empty ones and comments."""
    found: list[tuple[int, str]] = []
    parts: list[str] = []
    for number, line in enumerate(code.splitlines(), start=first):
        parts.append(line.rstrip().removesuffix("\\"))
        if line.rstrip().endswith("\\"):
            continue
        command = " ".join(part.strip() for part in parts)
        if shlex.split(command, comments=True):
            found.append((number - len(parts) + 1, command))
        parts = []
    return found
