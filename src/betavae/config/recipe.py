"""The recipe of a configuration that chooses no objective: all five factors of the 2D shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from betavae.models.networks import NETWORKS
from betavae.objectives.settle_vae import SETTLE_SHARE

IMAGES = 800_000


def recipe(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes with the objective settle, which is taken where none is chosen.

    Another objective, a latent that is no Gaussian and a network of one's own leave the plain
    defaults of `Config` as they are.

    Args:
        tables: the options that were given, `gathered`.

    Source: docs/findings/all-five-factors.md, which measures it.

    >>> recipe({"images": 8000})["optimiser"]["learning_rate_decay"]
    5000
    >>> recipe({"objective": {"name": "beta"}})
    {}
    """
    objective, latent = ({"name": None} | _table(tables, kind) for kind in ("objective", "latent"))
    chosen = objective["name"] or ("settle" if len(objective) == 1 else "beta")
    if chosen != "settle" or latent["name"] not in (None, "gaussian"):
        return {}
    if tables.get("network", "place") not in NETWORKS:
        return {}
    images = tables.get("images", IMAGES)
    optimiser: dict[str, Any] = {"name": "muon"}
    if "learning_rate_schedule" not in _table(tables, "optimiser"):
        optimiser |= {"learning_rate_schedule": "linear", "learning_rate_decay": _rest(images)}
    return {
        "objective": {"name": "settle"},
        "network": "place",
        "optimiser": optimiser,
        "batch": 64,
        "images": IMAGES,
    }


def _table(tables: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = tables.get(kind)
    return dict(found) if isinstance(found, Mapping) else {}


def _rest(images: object) -> int:
    """Return the length after the first part, over which the learning rate falls."""
    if not isinstance(images, int):
        return 1  # images is refused by its own field
    return max(1, images - round(SETTLE_SHARE * images))
