"""A trained VAE as a folder that others load: config.json, model.safetensors, a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import betavae
from betavae import figures
from betavae._system.errors import InputError, did_you_mean
from betavae._system.files import read_json, write_beside, write_json
from betavae.config import Config
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.sharing.card import MACHINE, card_text, prior_traversal
from betavae.training.build import Own, build_model
from betavae.training.records import Record

CONFIG, WEIGHTS, CARD, PICTURE = "config.json", "model.safetensors", "README.md", "traversal.png"
Positive = Annotated[int, Field(gt=0)]


class _Form(BaseModel):
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


def write_pretrained(
    folder: Path,
    trained: Pretrained,
    record: Record | None = None,
    scores: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the folder; what is private is left out: paths, and images of the training set.

    Args:
        folder: made where missing; of files there only those of the same names are replaced.
        trained: what to write.
        record: the last one of training, for the card.
        scores: numbers for the card, by name.

    Returns:
        The files written: config.json, model.safetensors, README.md, and traversal.png of images.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    settings = trained.config.model_dump(mode="json", exclude=MACHINE, exclude_none=True)
    settings["data"] = Path(trained.config.data).name
    form = _Form(
        library="betavae",
        version=betavae.__version__,
        image_shape=trained.image_shape,
        flat=trained.flat,
        white=trained.white,
        feature_names=trained.feature_names,
        config=settings,
    )
    weights = trained.model.state_dict()
    packed = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    with write_beside(folder / WEIGHTS) as beside:
        try:
            save_file(packed, beside, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(str(error)) from error
    write_json(folder / CONFIG, form.model_dump(mode="json"))
    pictures = []
    if trained.image_shape[:2] != (1, 1):
        rates = None if record is None else record.rate_per_latent
        pictures = [figures.save(prior_traversal(trained.model, rates), folder / PICTURE)]
    text = card_text(trained.config, trained.image_shape, record, scores, bool(pictures))
    with write_beside(folder / CARD) as beside:
        beside.write_text(text, encoding="utf-8")
    return [folder / CONFIG, folder / WEIGHTS, folder / CARD, *pictures]


def read_pretrained(folder: Path, own: Own | None = None) -> Pretrained:
    """Read what `write_pretrained` wrote. Nothing of it is executed.

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


def _form(path: Path, found: dict[str, Any]) -> _Form:
    try:
        return _Form.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        raise InputError(f"{path}: unknown key '{name}'{did_you_mean(name, _Form.model_fields)}")
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
