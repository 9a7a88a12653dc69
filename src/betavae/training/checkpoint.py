"""A run's state on disk: one safetensors file with a JSON header, written atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.config import Config
from betavae.data.source import Source
from betavae.models.networks import ImageShape
from betavae.training.build import Model, Own, build_model

FORMAT = 2
NAME = "checkpoint.safetensors"


Size = Annotated[int, Field(gt=0, le=1 << 20)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Said(BaseModel):
    """The JSON header of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    config: dict[str, Any]
    image_shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    dataset_rows: Count
    steps: Count
    seconds: Annotated[FiniteFloat, Field(ge=0)]
    source: dict[str, Any] | None = None


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
    content = safetensors.torch.save(packed, metadata={"betavae": header.to_json()})
    with write_beside(folder / NAME) as beside:  # save_file would leave its own file when killed
        beside.write_bytes(content)


def read_header(folder: Path) -> Header:
    """Read a run's header.

    Raises:
        InputError: when the folder is no run, cannot be read, is damaged, or is of another
            version.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(
            f"{folder} is not a run folder (no {NAME} in it); train one with "
            f"`betavae train shapes2d --out {folder}`"
        )
    try:
        with path.open("rb"), safe_open(path, "pt") as file:
            fields = json.loads((file.metadata() or {})["betavae"])
        if not isinstance(fields, dict):
            raise ValueError("its header is no object")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or not a betavae checkpoint ({error})") from None
    if fields.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {str(fields.get('format'))[:40]}, this betavae reads format "
            f"{FORMAT}"
        )
    try:
        said = _Said.model_validate(fields)
        config = Config.from_mapping(said.config)
        source = None if said.source is None else Source.from_dict(said.source)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is damaged: {where}: {first['msg']}") from None
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}") from None
    channels, height, width = said.image_shape
    return Header(
        config=config,
        image_shape=(channels, height, width),
        dataset_rows=said.dataset_rows,
        steps=said.steps,
        seconds=said.seconds,
        source=source,
    )


def read_tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix`, the prefix taken off.

    They are copies: a view would keep the file's space on the disk taken after it is replaced.
    """
    path = folder / NAME
    try:
        with path.open("rb"), safe_open(path, "pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): file.get_tensor(name).clone() for name in names}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except SafetensorError as error:
        raise InputError(f"{path} is damaged ({error})") from None


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return a short digest of a model's weights, which what is made from them carries.

    >>> import torch
    >>> weights_digest({"a": torch.zeros(2)}) == weights_digest({"a": torch.ones(2)})
    False
    """
    found = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:32]


def digest_of_run(folder: Path) -> str:
    """Return the digest of the weights that a run folder holds now.

    Raises:
        InputError: when the folder is no run, or is damaged.
    """
    read_header(folder)  # says what is wrong with the folder, if anything
    there = (folder / NAME).stat()
    return _digest_of_file(folder.resolve(), there.st_mtime_ns, there.st_size, there.st_ino)


@lru_cache(maxsize=1024)
def _digest_of_file(folder: Path, *version: int) -> str:
    return weights_digest(read_tensors(folder, "model."))


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
    weights = read_tensors(folder, "model.")
    for name, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{folder / NAME} is damaged: its weights '{name}' are not finite")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder / NAME} does not hold the configured network: {reason}"
        ) from None
    return model.eval(), header
