"""docs/commands.md is what the program says."""

from __future__ import annotations

import re

import command_reference


def test_the_command_reference_is_up_to_date() -> None:
    there = command_reference.PAGE.read_text(encoding="utf-8")
    page = command_reference.page()
    if there.startswith(command_reference.HEAD):
        assert there == page, "run: python scripts/command_reference.py"
    # Another release of cyclopts draws boxes and defaults in its own way.
    assert commands_and_options(there) == commands_and_options(page)


def commands_and_options(page: str) -> list[tuple[str, list[str]]]:
    sections = re.split(r"^## ", page, flags=re.M)[1:]
    return [
        (text.partition("\n")[0], sorted(set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", text))))
        for text in sections
    ]
