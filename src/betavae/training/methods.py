"""Fit any method on a data set: what `betavae train` calls."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from betavae._system.errors import InputError
from betavae._system.launch import launched
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.models import linear
from betavae.training import checkpoint, dcign, infogan
from betavae.training.alternating import run_steps
from betavae.training.loop import train
from betavae.training.records import warn


def fit(
    config: Config,
    dataset: Dataset,
    out: Path | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
) -> nn.Module:
    """Fit the configured method; the run folder holds its checkpoint afterwards.

    Args:
        config: everything that decides the result.
        dataset: the images.
        out: run folder; nothing is written if None.
        resume: go on from the folder's checkpoint.
        progress: show a bar on stderr.

    Returns:
        The model, in eval mode: `code_means(images)` gives codes, `decode(codes)` images.

    Raises:
        InputError: for a run that cannot start (see the message).
        Interrupted: after Ctrl-C, with the state saved.
    """
    processes = launched().count
    if config.method != "vae" and processes > 1:
        raise InputError(
            f"method {config.method} trains in one process, torchrun started {processes}: "
            "start it without torchrun (only method vae is shared between processes)"
        )
    if config.method == "infogan":
        return run_steps(config, dataset, out, infogan.prepare, resume=resume, progress=progress)
    if config.method == "dcign":
        return run_steps(config, dataset, out, dcign.prepare, resume=resume, progress=progress)
    if config.method in ("pca", "ica"):
        return fit_linear(config, dataset, out, progress=progress)
    return train(config, dataset, out, resume=resume, progress=progress).model


def fit_linear(
    config: Config, dataset: Dataset, out: Path | None = None, *, progress: bool = True
) -> linear.Affine:
    """Fit PCA or ICA in one go, over every image of the set."""
    began, store = time.perf_counter(), dataset.images
    watch = show_blocks if progress else linear.no_watch
    model = linear.pca(linear.moments(store, watch=watch), store.image_shape, config.latents)
    if config.method == "ica":
        model, converged = linear.ica(store, model, seed=config.seed, watch=watch)
        if not converged:
            warn("FastICA did not converge; its sources depend on the seed")
    if out is not None:
        seconds = time.perf_counter() - began
        header = checkpoint.Header(config, store.image_shape, len(store), 0, seconds)
        checkpoint.save(out, header, model)
    return model


def show_blocks(blocks: Iterable[int], title: str) -> Iterable[int]:
    """Show a bar on stderr with the time left; nothing where there is no terminal."""
    from rich.console import Console
    from rich.progress import track

    quiet = not sys.stderr.isatty()
    return track(blocks, title, console=Console(stderr=True), transient=True, disable=quiet)
