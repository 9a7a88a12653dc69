"""A trained VAE as a folder that others wrote: config.json and model.safetensors, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from betavae._system.errors import InputError, did_you_mean
from betavae._system.files import read_json
from betavae.config import Config
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.training.build import Own, build_model
from betavae.training.checkpoint import NAME

CONFIG, WEIGHTS = "config.json", "model.safetensors"
Positive = Annotated[int, Field(gt=0)]


class PretrainedForm(BaseModel):
    """What config.json holds beside the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: Literal["betavae"]
    format: Literal[1] = 1
    version: str
    image_shape: tuple[Positive, Positive, Positive]
    flat: bool = False
    white: int | None = None
    feature_names: tuple[str, ...] | None = None
    config: dict[str, Any]


@dataclass(frozen=True)
class Pretrained:
    """A trained VAE and what is needed to use it on others' images.

    Attributes:
        model: in eval mode, on the CPU.
        config: what it was made and trained with.
        image_shape: (C, H, W), or (1, 1, d) of tables.
        flat: whether it was given flat rows.
        white: the whole number that is white in images; None: as each array suggests.
        feature_names: names of the columns, where it was given a table that has them.
    """

    model: VAE
    config: Config
    image_shape: ImageShape
    flat: bool = False
    white: int | None = None
    feature_names: tuple[str, ...] | None = None


def is_pretrained(folder: Path) -> bool:
    """Say whether a folder holds what `save_pretrained` writes, and no run."""
    return (
        (folder / CONFIG).is_file()
        and (folder / WEIGHTS).is_file()
        and not (folder / NAME).exists()
    )


def read_pretrained(folder: Path, own: Own | None = None) -> Pretrained:
    """Read what `betavae.sharing.pretrained.write_pretrained` wrote. Nothing of it is executed.

    Raises:
        InputError: for a file that is missing or damaged, a key that is not known, or weights
            that are not those of the configured network: the first thing that is wrong.
    """
    path = folder / CONFIG
    form = _form(path, read_json(path))
    try:
        config = Config.from_mapping(form.config)
        with torch.device("meta"):  # takes no memory, whatever sizes the file names
            model = build_model(config, form.image_shape, own)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(model, VAE):
        raise InputError(f"{path}: method must be vae, got {config.method.name}")
    model.load_state_dict(_weights(folder / WEIGHTS, model), assign=True)
    # As they lay in training: the same codes, to the last bit.
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Pretrained(
        model.eval(), config, form.image_shape, form.flat, form.white, form.feature_names
    )


def _form(path: Path, found: dict[str, Any]) -> PretrainedForm:
    try:
        return PretrainedForm.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        raise InputError(
            f"{path}: unknown key '{name}'{did_you_mean(name, PretrainedForm.model_fields)}"
        )
    if first["type"] == "missing":
        raise InputError(f"{path} is not betavae's: it has no '{name}'")
    message = first["msg"].replace("Input should be", "must be")
    raise InputError(f"{path}: {name} {message}, got {first['input']!r}")


def _weights(path: Path, model: VAE) -> dict[str, torch.Tensor]:
    """Read tensors, of which names, shapes and types must be the model's."""
    expected = {
        name: (list(value.shape), value.dtype) for name, value in model.state_dict().items()
    }
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            for name in sorted(expected.keys() - names):
                raise InputError(f"{path} lacks the weights '{name}' of the configured network")
            for name in sorted(names - expected.keys()):
                raise InputError(
                    f"{path}: unknown weights '{name}'{did_you_mean(name, expected)}; the "
                    "configured network has none of that name"
                )
            for name, (shape, _) in expected.items():
                found = file.get_slice(name).get_shape()
                if found != shape:
                    raise InputError(f"{path}: '{name}' must have shape {shape}, got {found}")
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    for name, (_, dtype) in expected.items():
        if tensors[name].dtype != dtype:
            raise InputError(f"{path}: '{name}' must be {dtype}, got {tensors[name].dtype}")
    return tensors
