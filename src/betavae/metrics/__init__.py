"""Measures of disentanglement on plain arrays."""

from betavae.metrics.higgins import HigginsResult, higgins_score

__all__ = ["HigginsResult", "higgins_score"]
