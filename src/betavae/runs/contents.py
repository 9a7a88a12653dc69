"""What a run folder may hold, so that a new run in its place begins empty."""

from __future__ import annotations

RUN_FILES = (
    "checkpoint.safetensors",
    "metrics.jsonl",
    "score.json",
    "representation.npz",
    "latent_names.json",
    "report.html",
    "traversal.png",
    "traversal.gif",
    "traversal.json",
    "restarts.json",
    "events.out.tfevents.*.betavae",
    ".tmp*",
    "*.part",
)
RUN_FOLDERS = ("restarts",)
