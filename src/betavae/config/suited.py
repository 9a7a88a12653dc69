"""What is trained where the user chooses no objective: it follows from the images."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.config.kinds import merged
from betavae.config.run_config import Config
from betavae.data.dataset import Dataset
from betavae.models.networks import takes_size

SMALL = 5_000  # images below which some are held out, to see overfitting
FEW = 2_000  # images below which they are varied
LEAST = 100  # images below which each is needed for training
WIDE = 64  # side above which a run is half as long: its images take longer
TINY = 32  # side below which there is little to say
SHORTEST, LONGEST = 200_000, 1_000_000  # images shown


@dataclass(frozen=True)
class Kind:
    """What a preset looks at.

    Attributes:
        count: images.
        image_shape: (C, H, W).
        binary: whether pixels are black or white.
        factors: whether factors of the images are known.
        grid: whether they are a full grid, as rendered sets have them.
    """

    count: int
    image_shape: tuple[int, int, int]
    binary: bool
    factors: bool
    grid: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Kind:
        """Return what a data set is."""
        store = dataset.images
        return cls(
            len(store),
            store.image_shape,
            store.binary,
            bool(dataset.factor_names),
            dataset.grid is not None,
        )

    @property
    def words(self) -> str:
        """Say it: ``400 colour images of 128x128``.

        >>> Kind(400, (3, 128, 128), False, False).words
        '400 colour images of 128x128'
        """
        channels, height, width = self.image_shape
        look = "black and white" if self.binary else "grey" if channels == 1 else "colour"
        return f"{self.count:,} {look} images of {height}x{width}"


_WHY_MLP = " (sides are no multiples of 16 up to 256; size makes them so)"


def preset(kind: Kind) -> dict[str, Any]:
    """Return the options that suit images, where no objective is chosen.

    Black and white images get settle, which is what `Config` takes without an objective. Grey and
    colour ones get a beta-VAE of beta 1 with a Gaussian likelihood that learns its deviation, a
    ramp of beta at the start, and a network for pictures. Small sets are shifted a little, colour
    ones without factors mirrored too, and a tenth of them is held out.

    >>> preset(Kind(737_280, (1, 64, 64), True, True))
    {}
    >>> preset(Kind(400, (3, 128, 128), False, False))["augment"]
    'flip,crop'
    """
    channels, height, width = kind.image_shape
    options: dict[str, Any] = {}
    if LEAST <= kind.count < SMALL:
        options["hold_out"] = 0.1
    if not takes_size(kind.image_shape):
        options["network"] = "mlp"
    if not kind.binary:
        tiny = max(height, width) < TINY
        images = min(max(SHORTEST, 2 * kind.count), LONGEST)
        images = images // 2 if max(height, width) > WIDE else images
        options |= {
            "objective": {"name": "beta", "beta": 1.0, "beta_schedule": "linear"}
            | {"beta_start": 0.0, "beta_ramp": images // 5},
            "likelihood": {"name": "gaussian", "sigma": "learnt"},
            "network": options.get("network", "photo"),
            "optimiser": {"name": "adam", "learning_rate_schedule": "linear"}
            | {"learning_rate_decay": images // 2},
            "latents": 10 if kind.factors or tiny else 32 if channels == 3 else 16,
            "batch": 16 if kind.count < SMALL else 32,
            "images": images,
        }
        if kind.count < FEW and not kind.grid:
            mirrored = channels == 3 and not kind.factors  # a digit or a side is lost in a mirror
            options["augment"] = "flip,crop" if mirrored else "crop"
    return options


def suited(
    config: Config, dataset: Dataset, *, alone: bool = True
) -> tuple[Config, tuple[str, ...]]:
    """Fill in what the images ask for, where no objective was chosen; what was given wins.

    Args:
        config: as the user gave it.
        dataset: the images.
        alone: whether one process trains; several cannot vary their images.

    Returns:
        The configuration, whose objective is then chosen, and a line or two on what and why.
    """
    if not config.follows_images or dataset.images.data.dtype != np.uint8:
        return config, ()
    kind, given = Kind.of(dataset), config.given()
    options = preset(kind)
    if not alone:
        options.pop("augment", None)
    length = given.get("images")
    if length is not None and "objective" in options:  # what is a part of the length follows it
        options["objective"]["beta_ramp"] = max(1, length // 5)
        options["optimiser"]["learning_rate_decay"] = max(1, length // 2)
    if given.get("optimiser", {}).get("learning_rate_schedule") == "constant":
        del options["optimiser"]["learning_rate_decay"]
    chosen = Config.from_mapping(merged(options, given))
    return chosen, _words(kind, chosen, options.keys() - given.keys())


def _words(kind: Kind, chosen: Config, taken: Set[str]) -> tuple[str, ...]:
    """Say what was taken, and why."""
    parts = {
        "objective": "beta 1 after a ramp",
        "likelihood": "likelihood gaussian with a learnt sigma",
        "network": f"network {chosen.network}{_WHY_MLP * (chosen.network == 'mlp')}",
        "latents": f"{chosen.latents} latents",
        "images": f"{chosen.images:,} images shown",
        "batch": f"batches of {chosen.batch}",
    }
    lines = []
    if said := [words for name, words in parts.items() if name in taken]:
        lines.append(f"{kind.words} are trained with {', '.join(said)}")
    small = []
    if "hold_out" in taken:
        small.append("a tenth is held out to see overfitting (hold_out)")
    if "augment" in taken:
        small.append(f"they are varied (augment {chosen.augment})")
    if small:
        lines.append(f"{kind.count:,} images are few: {', and '.join(small)}")
    if lines:
        lines[-1] += "; options that you give win"
    return tuple(lines)
