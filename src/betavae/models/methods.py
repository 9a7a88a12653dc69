"""What is fitted: a VAE, or one of the paper's baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from betavae._system.options import Options

ALWAYS = (  # what every method takes
    "data", "size", "crop", "pad", "folders_as", "skip_bad", "method", "latents", "seed",
    "hold_out", "correlate", "without", "split_seed",
)  # fmt: skip
TRAINED = (
    "optimiser", "batch", "images", "threads", "checkpoint_every", "device", "tensorboard",
)  # fmt: skip


class FitOptions(Options):
    """The options of a method, and what it takes of a configuration besides."""

    takes: ClassVar[tuple[str, ...] | None] = TRAINED
    """Which further fields of a configuration the method takes; all of them if None."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What its paper sets otherwise than the VAE's defaults."""

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length, so that a longer run begins otherwise."""
        return None


class VAEMethod(FitOptions):
    """A variational autoencoder: network, latent, likelihood and objective."""

    name: Literal["vae"] = "vae"
    title = "VAE"
    takes = None
