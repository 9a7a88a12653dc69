"""Names that people and file systems gave, made fit for a line, a page or a file."""

from __future__ import annotations

import re

MARK = "\ufffd"  # stands for what cannot be shown
BREAKS = re.compile(r"[\t\n\r]")
STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and what turns the direction of writing, of the text behind it too."""


def readable(text: str) -> str:
    r"""Return text that UTF-8 can hold: a file name's stray bytes are read as UTF-8 after all.

    Python gives bytes that the locale cannot read as lone surrogates, which no file takes.

    >>> readable("gr\udcc3\udcb6\udcc3\udc9fe"), readable("a\udcff"), readable("b\ud800")
    ('größe', 'a�', 'b?')
    """
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        content = text.encode("utf-8", "replace")
    return content.decode("utf-8", "replace")


def printable(text: str) -> str:
    r"""Return text on one line, a mark for each character that would steer a terminal.

    >>> printable("a\x1b[31m\nb\u202ec")
    'a�[31m b�c'
    """
    return STEERS.sub(MARK, BREAKS.sub(" ", readable(text)))
