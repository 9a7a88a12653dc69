"""Experiments: score a run, compare runs, the demo."""
