"""docs/commands.md is what the program says."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_command_reference_is_up_to_date() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import command_reference
    finally:
        sys.path.pop(0)
    there = command_reference.PAGE.read_text(encoding="utf-8")
    assert there == command_reference.page(), "run: python scripts/command_reference.py"
