"""The examples of docs/metrics.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from betavae.cli import run
from betavae.metrics.catalogue import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_python_examples(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "docs/metrics.md", "exec"), {})
    assert "95 % interval" in capsys.readouterr().out


def test_commands_have_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    run(["score", "--help"])
    known = capsys.readouterr().out
    for option in set(re.findall(r"betavae score .*?(--[a-z-]+)", PAGE)):
        assert option in known


def test_every_metric_and_protocol_is_described() -> None:
    for metric in METRICS.values():
        assert f"`{metric.function.__name__}`" in PAGE
        for protocol in metric.protocols:
            assert protocol.replace("_", " ") in PAGE or f"`{protocol}`" in PAGE
