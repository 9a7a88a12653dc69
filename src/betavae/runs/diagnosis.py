"""What went wrong in a training, as far as its numbers show it, with a line of advice for each.

Every sign is a function of plain arrays that returns one line, or None where all is well;
`diagnose` looks for all of them in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from betavae.data.splits import split
from betavae.models.vae import VAE
from betavae.runs.opened import OpenRun
from betavae.runs.read_factors import NOT_LEARNED, FactorRead, read_factors
from betavae.training.records import COLLAPSED_NATS

LOOKED_AT = 256  # images that are reconstructed
ALIKE = 0.1  # share of the images' variance that reconstructions should have at least
WORSE = 1.5  # times the error of training images from which others are overfitted
LEFT = 0.05  # share of the variance that may be wrong in any case
DEAD = 0.75  # share of a layer's units that may be silent
TOO_FEW = 64  # images among which a unit may have nothing to answer to
SPIKE = 0.5  # share of what training gained that a loss may rise by on the way
EARLY = 1 / 3  # of a training, in which a rise is the start's fault


def collapsed(rates: NDArray[np.float64]) -> str | None:
    """Say so when no latent says anything about the image.

    Args:
        rates: (M,) nats that each latent carries.

    >>> collapsed(np.array([2.0, 0.01])) is None
    True
    """
    rate = float(np.sum(rates))
    if rate >= COLLAPSED_NATS:
        return None
    return (
        f"the posterior collapsed: rate {rate:.3f} nats, no latent says anything about the image; "
        "try a smaller beta, another seed or a longer run"
    )


def alike(images: NDArray[Any], outputs: NDArray[Any]) -> str | None:
    """Say so when all reconstructions are nearly the same picture.

    Args:
        images: (N, ...) inputs.
        outputs: (N, ...) their reconstructions.

    >>> pictures = np.random.default_rng(0).random((8, 4))
    >>> alike(pictures, 0.9 * pictures) is None
    True
    """
    before, after = (float(np.var(x, axis=0).mean()) for x in (images, outputs))
    if before == 0 or after >= ALIKE * before:
        return None
    return (
        f"the reconstructions look alike: they vary by {after / before:.1%} of what the images do; "
        "train longer, with a smaller beta, or leave out --objective, --beta and --likelihood for "
        "the preset that suits the images"
    )


def overfitted(
    images: NDArray[Any], outputs: NDArray[Any], unseen: NDArray[Any], unseen_outputs: NDArray[Any]
) -> str | None:
    """Say so when images that training did not see come out much worse than those it saw.

    Args:
        images: (N, ...) of training, and `outputs`, their reconstructions.
        outputs: (N, ...).
        unseen: (K, ...) held out, and `unseen_outputs`.
        unseen_outputs: (K, ...).
    """
    error, other = (
        float(np.square(x - y).mean()) for x, y in ((images, outputs), (unseen, unseen_outputs))
    )
    variance = float(np.var(unseen, axis=0).mean())
    if other <= WORSE * error or other <= LEFT * variance:
        return None
    return (
        f"it overfits: the squared error of held-out images is {other / error:.1f} times that of "
        "training images; take more images, --augment flip,crop, fewer --images shown, or a "
        "larger --beta"
    )


def hot_start(losses: Sequence[float], silent: Mapping[str, float]) -> str | None:
    """Say so when training began with too large steps: a loss that shot up, or units that died.

    Args:
        losses: of the records in order, of one kind (distortion).
        silent: by layer, the share of units that are 0 for every image.

    >>> hot_start([9.0, 5.0, 4.0, 3.0, 2.5, 2.0], {"encoder.1": 0.1}) is None
    True
    """
    dead = {name: share for name, share in silent.items() if share > DEAD}
    if dead:
        name, share = max(dead.items(), key=lambda item: item[1])
        return (
            f"{share:.0%} of the units of layer {name} are dead: they are 0 for every image, after "
            "too large steps at the start; try a smaller --learning-rate, or --network photo"
        )
    values = np.asarray(losses, np.float64)
    early = values[: max(2, round(EARLY * len(values)))]
    if len(values) < 6 or not np.isfinite(values).all():
        return None
    rise = float((early - np.minimum.accumulate(early)).max())
    gained = float(values[0] - values.min())
    if gained <= 0 or rise <= SPIKE * gained:
        return None
    return (
        f"the distortion shot up by {rise:.4g} nats early in training: the start was too hot; try "
        "a smaller --learning-rate or a larger --batch"
    )


def not_captured(found: Sequence[FactorRead]) -> str | None:
    """Say which known factors cannot be read from the codes.

    Args:
        found: from `betavae.runs.read_factors.read_factors`.

    >>> not_captured([FactorRead("scale", 0.95, "R² 0.95")]) is None
    True
    """
    missed = [one for one in found if one.share < NOT_LEARNED]
    if not missed:
        return None
    names = ", ".join(f"{one.name} ({one.how})" for one in missed)
    return (
        f"not captured: the codes do not say {names}; train longer, with more latents or a "
        "smaller beta"
    )


def diagnose(run: OpenRun, factors: Sequence[FactorRead] | None = None) -> list[str]:
    """Look for signs of a training that went wrong; a line of advice for each.

    Args:
        run: of a VAE; of another method only its factors are looked at.
        factors: how well they can be read, where that is known already.

    Returns:
        No line where all is well.
    """
    read = read_factors(run, rows=2_000) if factors is None else factors
    found = [not_captured(read)]
    if isinstance(run.model, VAE) and run.distortion is not None:
        empty = collapsed(run.rates)
        found = [empty, *(_of_images(run) if empty is None else ()), *found]
    return [line for line in found if line is not None]


def _of_images(run: OpenRun) -> list[str | None]:
    """Return the signs that reconstructions show."""
    options, rows = run.header.config.split_options(), np.arange(len(run.dataset.images))
    unseen = np.empty(0, np.int64)
    if options.any and run.is_own_data:
        parts = split(run.dataset, options)
        rows, unseen = parts.train, parts.held_out
    images, outputs, silent = _reconstructed(run, _some(rows))
    found = [
        alike(images, outputs),
        hot_start([record.terms["distortion"] for record in run.records], silent),
    ]
    if len(unseen):
        found.append(overfitted(images, outputs, *_reconstructed(run, _some(unseen))[:2]))
    return found


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return up to `LOOKED_AT` of the rows, evenly."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, LOOKED_AT).astype(np.int64))]


@torch.inference_mode()
def _reconstructed(
    run: OpenRun, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any], dict[str, float]]:
    """Return images, reconstructions, and the share of silent units of each ReLU layer."""
    alive: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Module) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            on = (output.flatten(2).amax(dim=2) if output.dim() > 2 else output).amax(dim=0) > 0
            alive[name] = on | alive.get(name, torch.zeros_like(on))

        return layer.register_forward_hook(hook)

    hooks = [
        watch(name, layer) for name, layer in run.model.named_modules()
        if isinstance(layer, nn.ReLU)
    ]  # fmt: skip
    try:
        images = run.dataset.images[rows]
        outputs = run.model.decode(run.model.code_means(images))
    finally:
        for hook in hooks:
            hook.remove()
    enough = len(rows) >= TOO_FEW
    silent = {name: 1 - float(on.float().mean()) for name, on in alive.items() if enough}
    return images.numpy(), outputs.float().numpy(), silent
