"""How the API pages of the documentation site read the package (an extension of griffe)."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*|\n\1 +\S.*)*", re.MULTILINE)


def fenced(text: str) -> str:
    """Put every doctest of a docstring, up to its blank line, into a code block.

    Otherwise it would be taken for prose, in which `>>>` is a quotation and `[0.1]` a link.
    """
    return EXAMPLE.sub(lambda found: f"{found[1]}```pycon\n{found[0]}\n{found[1]}```", text)


class ApiPages(griffe.Extension):
    """Shows examples as code, and every name once: where it is defined, not where it is passed on."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Forget what a package passes on."""
        mod.exports = None
