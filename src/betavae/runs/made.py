"""What is made of a run's weights, and whether it still is of the weights that are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from betavae._system.errors import InputError
from betavae.training.checkpoint import NAME, digest_of_run
from betavae.training.records import warn

MADE = ("representation.npz", "report.html", "traversal.png", "traversal.gif", "traversal.json")
"""Files in a run folder that show what the weights were when they were made."""


def current_weights(folder: Path) -> str:
    """Return the digest of the weights in a run folder; empty where there is no run."""
    return digest_of_run(folder) if (folder / NAME).is_file() else ""


def remove_made(folder: Path) -> None:
    """Remove what other weights made from a run folder, and say so: any of it is soon renewed."""
    gone = [name for name in MADE if (folder / name).exists()]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    if gone:
        warn(f"removed from {folder} what earlier weights made: {', '.join(gone)}")


def check_made(codes: Path) -> None:
    """Refuse a representation in a run folder that was made of other weights than are there now.

    Raises:
        InputError: says how to renew it.
    """
    if codes.suffix == ".npz" and (codes.parent / NAME).is_file():
        with np.load(codes, allow_pickle=False) as archive:
            if "weights" in archive.files:
                check_current(codes, str(archive["weights"]))


def check_current(path: Path, weights: str) -> None:
    """Refuse a file in a run folder that was made of other weights than are there now.

    Args:
        path: the file.
        weights: the digest of the weights that it came from; nothing is checked if empty.

    Raises:
        InputError: says how to renew it.
    """
    folder = path.parent
    if weights and (folder / NAME).is_file() and digest_of_run(folder) != weights:
        raise InputError(
            f"{path} is of earlier weights of this run; renew it with: betavae encode {folder}"
        )
