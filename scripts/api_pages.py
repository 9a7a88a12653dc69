"""How the API pages of the documentation site read the package (an extension of griffe)."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*|\n\1 +\S.*)*", re.MULTILINE)


CODE = re.compile(r"(```.*?```|``.*?``|`[^`\n]*`)", re.DOTALL)
PRODUCT = re.compile(r"(?<=\w)\*(?=\w)")


def readable(text: str) -> str:
    """Make a docstring Markdown that reads as it was meant.

    A doctest, up to its blank line, becomes a block of code: it would be taken for prose, in which
    `>>>` is a quotation and `[0.1]` a link. In prose H*W*C is a product, not W in italics.
    """
    text = EXAMPLE.sub(lambda found: f"{found[1]}```pycon\n{found[0]}\n{found[1]}```", text)
    parts = CODE.split(text)
    parts[::2] = [PRODUCT.sub(r"\*", prose) for prose in parts[::2]]
    return "".join(parts)


class ApiPages(griffe.Extension):
    """Shows examples as code, and every name once, where it is defined."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Forget what a package passes on."""
        mod.exports = None
