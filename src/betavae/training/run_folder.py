"""What a run folder holds, and what of it goes when other weights come."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from betavae._system.stamps import stamped
from betavae.data import kept_images
from betavae.training import checkpoint, config_file
from betavae.training.records import RECORDS, warn

SCORES, NAMES = "score.json", "latent_names.json"
MADE = (
    "representation.npz", "report.html", "traversal.png", "traversal.gif",
    "hub/config.json", "hub/model.safetensors", "hub/README.md", "hub/traversal.png",
    "onnx/encoder.onnx", "onnx/decoder.onnx", "torch/encoder.pt2", "torch/decoder.pt2",
)  # fmt: skip
"""Files that commands make of a run's weights where no other place is named."""
BEGUN = (
    kept_images.NAME, RECORDS, config_file.NAME, "events.out.tfevents.*.betavae", ".tmp*", "*.part"
)  # fmt: skip
"""What a training writes beside its checkpoint, and what killed ones leave."""


def remove_made(folder: Path) -> None:
    """Remove what other weights made from a run folder, and say so: any of it is soon renewed.

    In a folder that holds no run, a file without the digest of weights is the user's own.
    """
    run = (folder / checkpoint.NAME).exists()
    gone = [n for n in MADE if (folder / n).is_file() and (run or _carries_digest(folder / n))]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
        if "/" in name:
            with suppress(OSError):  # something else is in there
                (folder / name).parent.rmdir()
    if gone:
        warn(f"removed from {folder} what earlier weights made: {', '.join(gone)}")


def _carries_digest(path: Path) -> bool:
    if path.suffix == ".npz":
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return "weights.npy" in archive.namelist()
    return bool(stamped(path))


def clear_run(folder: Path) -> None:
    """Take away what an earlier run left in a folder; files that no run writes stay.

    What was made of the weights goes before them, and their records after them: killed at any
    moment, this leaves a run without some of its results, or no run.
    """
    remove_made(folder)
    of_weights = (SCORES, NAMES, checkpoint.NAME) if (folder / checkpoint.NAME).exists() else ()
    for pattern in (*of_weights, *BEGUN):
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
