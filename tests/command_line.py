"""The command line, run in the process of the tests."""

from __future__ import annotations

import pytest

from betavae.cli import run


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run in this process; return the one line on stderr of an exit with code 2."""
    with pytest.raises(SystemExit) as stop:
        run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert stop.value.code == 2, captured.err
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("betavae: ")
    return lines[0]


def run_quietly(*arguments: object) -> None:
    run([str(argument) for argument in arguments])
