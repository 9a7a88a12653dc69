"""docs/metrics.md describes every metric; its code is run with all documents'."""

from __future__ import annotations

from pathlib import Path

from betavae.metrics.catalogue import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_metric_and_protocol_is_described() -> None:
    for metric in METRICS.values():
        assert f"`{metric.function.__name__}`" in PAGE
        for protocol in metric.protocols:
            assert protocol.replace("_", " ") in PAGE or f"`{protocol}`" in PAGE
