"""PCA and ICA, fitted in one go over the training part of a set."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.source import Source
from betavae.models import linear
from betavae.training import checkpoint
from betavae.training.records import warn


def fit_linear(
    config: Config,
    dataset: Dataset,
    out: Path | None = None,
    source: Source | None = None,
    *,
    progress: bool = True,
    begin: Callable[[], None] = lambda: None,
) -> linear.Affine:
    """Fit PCA or ICA in one go, over the training part of a set; `begin` comes before writing."""
    began, store = time.perf_counter(), dataset.images
    watch = show_blocks if progress else linear.no_watch
    model = linear.pca(linear.moments(store, watch=watch), store.image_shape, config.latents)
    if config.method.name == "ica":
        model, converged = linear.ica(store, model, seed=config.seed, watch=watch)
        if not converged:
            warn("FastICA did not converge; its sources depend on the seed")
    begin()
    if out is not None:
        seconds = time.perf_counter() - began
        header = checkpoint.Header(config, store.image_shape, len(store), 0, seconds, source)
        checkpoint.save(out, header, model)
    return model


def show_blocks(blocks: Iterable[int], heading: str) -> Iterable[int]:
    """Show a bar on stderr with the time left; nothing where there is no terminal."""
    from rich.console import Console
    from rich.progress import track

    quiet = not sys.stderr.isatty()
    return track(blocks, heading, console=Console(stderr=True), transient=True, disable=quiet)
