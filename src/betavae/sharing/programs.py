"""Encoder and decoder as programs that run without this package: ONNX, and torch.export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from betavae._system.errors import InputError, not_installed
from betavae._system.files import write_beside
from betavae._system.stamps import KEY
from betavae.models.latents import Gaussian
from betavae.models.networks import ImageShape, plain
from betavae.models.vae import VAE
from betavae.training.checkpoint import weights_digest


class Encoder(nn.Module):
    """Images (B, C, H, W) to means and log variances, each (B, M)."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return q(z|x)."""
        posterior = self.model.encode(images)
        return posterior.mean, posterior.log_var


class Decoder(nn.Module):
    """Codes (B, M) to mean images (B, C, H, W)."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        """Return the mean of p(x|z)."""
        return self.model.decode(codes)


def export_onnx(model: VAE, image_shape: ImageShape, folder: Path) -> list[Path]:
    """Write encoder.onnx (images -> mean, log_var) and decoder.onnx (codes -> images).

    Float32, any batch size.

    Args:
        model: the VAE.
        image_shape: (C, H, W) of its images.
        folder: made where missing.

    Raises:
        InputError: when the exporter is not installed, or the folder cannot be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise not_installed("ONNX", str(error.name), "onnx") from None
    paths, digest = [], weights_digest(model.state_dict())
    for name, (module, example, inputs, outputs) in _programs(model, image_shape).items():
        with _quiet():
            program = torch.onnx.export(
                module, (example,), dynamo=True, dynamic_shapes=_any_batch(), input_names=inputs,
                output_names=outputs, external_data=False, verbose=False,
            )  # fmt: skip
        assert program is not None
        program.model.metadata_props[KEY] = digest
        paths.append(folder / f"{name}.onnx")
        with write_beside(paths[-1]) as beside:
            program.save(beside)
    return paths


def export_torch(model: VAE, image_shape: ImageShape, folder: Path) -> list[Path]:
    """Write encoder.pt2 and decoder.pt2, which `torch.export.load` reads; any batch size.

    Args:
        model: the VAE.
        image_shape: (C, H, W) of its images.
        folder: made where missing.

    Raises:
        InputError: when the folder cannot be written.
    """
    paths, digest = [], weights_digest(model.state_dict())
    for name, (module, example, _, _) in _programs(model, image_shape).items():
        program = torch.export.export(module, (example,), dynamic_shapes=_any_batch())
        paths.append(folder / f"{name}.pt2")
        with write_beside(paths[-1]) as beside, beside.open("wb") as file:
            torch.export.save(program, file, extra_files={KEY: digest})
    return paths


def _programs(
    model: VAE, image_shape: ImageShape
) -> dict[str, tuple[nn.Module, Tensor, list[str], list[str]]]:
    """Return both halves with an example, and names of what goes in and comes out.

    Raises:
        InputError: for latents that have no means and log variances.
    """
    if not isinstance(model.latent, Gaussian):
        kind = type(model.latent).__name__.lower()
        raise InputError(f"programs are written of Gaussian latents, got {kind}")
    copy = plain(model).cpu().eval()
    copy.requires_grad_(False)
    images, codes = torch.zeros(2, *image_shape), torch.zeros(2, model.latents)
    return {
        "encoder": (Encoder(copy).eval(), images, ["images"], ["mean", "log_var"]),
        "decoder": (Decoder(copy).eval(), codes, ["codes"], ["images"]),
    }


def _any_batch() -> tuple[dict[int, torch.export.Dim]]:
    return ({0: torch.export.Dim("batch")},)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporter from telling the user what torch deprecates, and of torchvision."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)
