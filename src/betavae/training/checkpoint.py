"""A run's state on disk: one safetensors file with a JSON header, written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from betavae.config import Config
from betavae.errors import InputError
from betavae.files import write_beside
from betavae.models.methods import Model, build_model
from betavae.models.networks import ImageShape

FORMAT = 1
NAME = "checkpoint.safetensors"


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself, besides tensors."""

    config: Config
    image_shape: ImageShape
    dataset_rows: int
    steps: int
    seconds: float

    def to_json(self) -> str:
        """Return the header as JSON, with the format's version."""
        fields = {
            "format": FORMAT,
            "config": self.config.model_dump(),
            "image_shape": list(self.image_shape),
            "dataset_rows": self.dataset_rows,
            "steps": self.steps,
            "seconds": self.seconds,
        }
        return json.dumps(fields)


def save(
    folder: Path,
    header: Header,
    model: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Write weights, optimiser state, noise generator state and header beside, then rename.

    A method that is fitted in one go has neither optimiser nor generator.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items() if optimiser else ():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    if generator is not None:
        tensors["generator"] = generator.get_state()
    packed = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
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
    return Header(
        config=Config.from_mapping(fields["config"]),
        image_shape=(channels, height, width),
        dataset_rows=fields["dataset_rows"],
        steps=fields["steps"],
        seconds=fields["seconds"],
    )


def read_tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix`, the prefix taken off."""
    try:
        with safe_open(folder / NAME, "pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder / NAME} is damaged ({error})") from None


def restore(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator
) -> None:
    """Put a checkpoint's weights, optimiser state and noise state back, bit for bit."""
    model.load_state_dict(read_tensors(folder, "model."))
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in read_tensors(folder, "optimiser.").items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        # Fused optimisers walk memory in order, so moments must lie as their weights do.
        laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[key] = laid
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    generator.set_state(read_tensors(folder, "generator")[""])


def load_model(folder: Path) -> tuple[Model, Header]:
    """Return the trained model of a run, in eval mode on the CPU, and the run's header."""
    header = read_header(folder)
    model = build_model(header.config, header.image_shape)
    try:
        model.load_state_dict(read_tensors(folder, "model."))
    except RuntimeError as error:
        raise InputError(f"{folder / NAME} does not hold the configured network: {error}") from None
    return model.eval(), header
