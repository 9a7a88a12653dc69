"""A run's state on disk: one safetensors file with a JSON header, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.config import Config
from betavae.data.source import Source
from betavae.models.networks import ImageShape
from betavae.training.build import Model, Own, build_model

FORMAT = 2
NAME = "checkpoint.safetensors"


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself, besides tensors.

    Attributes:
        config: of the run.
        image_shape: (C, H, W).
        dataset_rows: images in the data set.
        steps: taken so far.
        seconds: of training so far.
        source: where the images were; None for images that were only ever in memory.
    """

    config: Config
    image_shape: ImageShape
    dataset_rows: int
    steps: int
    seconds: float
    source: Source | None = None

    def to_json(self) -> str:
        """Return the header as JSON, with the format's version."""
        fields = {
            "format": FORMAT,
            "config": self.config.model_dump(mode="json"),
            "image_shape": list(self.image_shape),
            "dataset_rows": self.dataset_rows,
            "steps": self.steps,
            "seconds": self.seconds,
            "source": None if self.source is None else self.source.to_dict(),
        }
        return json.dumps(fields)


def save(
    folder: Path, header: Header, model: nn.Module, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write weights, state and header beside, then rename.

    Args:
        folder: the run's.
        header: what the file says of itself.
        model: whose weights are written.
        state: what training needs to go on (`Learner.state`); None for what is fitted in one go.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    packed = {
        name: value.detach().cpu().contiguous()
        for name, value in {**tensors, **(state or {})}.items()
    }
    with write_beside(folder / NAME) as beside:
        try:
            save_file(packed, beside, metadata={"betavae": header.to_json()})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_header(folder: Path) -> Header:
    """Read a run's header.

    Raises:
        InputError: when the folder is no run, is damaged, or is of another version.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(
            f"{folder} is not a run folder (no {NAME} in it); train one with "
            f"`betavae train shapes2d --out {folder}`"
        )
    try:
        with safe_open(path, "pt") as file:
            fields: dict[str, Any] = json.loads((file.metadata() or {})["betavae"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is damaged or not a betavae checkpoint ({error})") from None
    if fields.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {fields.get('format')}, this betavae reads format {FORMAT}"
        )
    channels, height, width = fields["image_shape"]
    source = fields.get("source")
    return Header(
        config=Config.from_mapping(fields["config"]),
        image_shape=(channels, height, width),
        dataset_rows=fields["dataset_rows"],
        steps=fields["steps"],
        seconds=fields["seconds"],
        source=None if source is None else Source.from_dict(source),
    )


def read_tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix`, the prefix taken off."""
    try:
        with safe_open(folder / NAME, "pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder / NAME} is damaged ({error})") from None


def start_from(folder: Path, model: nn.Module) -> None:
    """Give `model` the weights of another run, for a warm start.

    Raises:
        InputError: when the folder is no run, or its model is of another form.
    """
    read_header(folder)  # says what is wrong with the folder, if anything
    try:
        model.load_state_dict(read_tensors(folder, "model."))
    except RuntimeError:
        raise InputError(
            f"cannot start from {folder}: it holds another network, number of latents or image size"
        ) from None


def load_model(folder: Path, own: Own | None = None) -> tuple[Model, Header]:
    """Return the trained model of a run, in eval mode on the CPU, and the run's header.

    Args:
        folder: the run's.
        own: the network and latent that were given from Python, if any.
    """
    header = read_header(folder)
    model = build_model(header.config, header.image_shape, own)
    try:
        model.load_state_dict(read_tensors(folder, "model."))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder / NAME} does not hold the configured network: {reason}"
        ) from None
    return model.eval(), header
