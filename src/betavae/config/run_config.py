"""One frozen description of a run: Python arguments, CLI options, TOML file, checkpoint header."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from betavae._system.errors import InputError, did_you_mean
from betavae._system.options import Options
from betavae.config.explain import explain
from betavae.config.kinds import (
    AnyLatent,
    AnyLikelihood,
    AnyMethod,
    AnyOptimiser,
    gathered,
    member_of,
    merged,
    named,
    plain,
)
from betavae.config.recipe import IMAGES, recipe
from betavae.data.load_options import LoadOptions
from betavae.data.splits import SplitOptions
from betavae.models.latents import GaussianLatent
from betavae.models.likelihoods import BernoulliPixels
from betavae.models.methods import ALWAYS, VAEMethod
from betavae.models.networks import NETWORKS
from betavae.objectives import AnyObjective
from betavae.objectives.beta import BetaOptions
from betavae.objectives.length import Length
from betavae.objectives.optimisers import Adam

CUSTOM = "custom"  # a network or latent given from Python
HOW: dict[str, Any] = {"decides": False}  # marks what decides how a run is done, not its result


class Config(BaseModel):
    """Everything that decides a run. Frozen; unknown keys and bad values are refused.

    Lengths (`images`, `beta_ramp`, `checkpoint_every`) count images shown to the model. What is
    chosen by name (`objective`, `optimiser`, ...) is a name, or a table of the name and its
    options; options of the objective beta, of the optimisers and of the likelihoods also have
    bare names: ``beta=4`` is ``objective={"name": "beta", "beta": 4}``.

    Where no objective is chosen it is settle, which brings its own network, optimiser, batch and
    length (`betavae.config.recipe`); grey and colour images bring others once they are known
    (`betavae.config.suited`). The defaults below are those of every other objective.

    >>> Config(beta=4, latents=10).objective.beta
    4.0
    >>> Config(objective="tcvae") == Config(objective={"name": "tcvae"})
    True
    >>> Config.from_mapping({"latent_": 3})
    Traceback (most recent call last):
    ...
    betavae.InputError: unknown option 'latent_'; did you mean 'latent'?
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = Field(
        "shapes2d",
        description="A name of `betavae data list`, a .npy/.npz file, or an image folder.",
    )
    size: int | None = Field(
        None,
        ge=8,
        le=256,
        description="Size of a prepared set; crop and resize your own images to this side.",
    )
    crop: int | Literal["whole"] | None = Field(
        None,
        description="Side of the centre square to cut out first, or whole to squeeze everything.",
    )
    pad: Literal["black", "white", "edge"] | None = Field(
        None, description="Make images square by a border: black, white, or the edge's pixels."
    )
    folders_as: str | None = Field(
        None, description="Name of a factor whose values are the images' sub-folders."
    )
    skip_bad: bool = Field(
        False, description="Leave damaged files out, with a note, instead of refusing the set."
    )
    hold_out: float | None = Field(
        None,
        ge=0,
        description="Images that training never sees: a share below 1, or how many; small sets "
        "without a chosen objective keep 0.1, 0 keeps none.",
    )
    correlate: str | None = Field(
        None, description="A:B:SIGMA, two factors that go together in training (docs/splits.md)."
    )
    without: str | None = Field(
        None, description="Combinations left out of training, as in shape=heart,scale>3."
    )
    split_seed: int = Field(
        0, ge=0, lt=1 << 63, description="Seed of what is held out, or left out by correlate."
    )

    method: Annotated[AnyMethod, Field(discriminator="name")] = Field(
        VAEMethod(), description="What is fitted; the others are the paper's baselines."
    )
    network: str = Field(
        "patch",
        description=f"{', '.join(NETWORKS)}, or MODULE:FUNCTION of your own; fc and conv are the "
        "paper's Table 1 (docs/networks.md). [default: place with settle, else patch]",
    )
    latents: int = Field(10, ge=1, le=100_000, description="Number of latents, M.")
    latent: Annotated[AnyLatent, Field(discriminator="name")] = Field(
        GaussianLatent(), description="What a code is."
    )
    likelihood: Annotated[AnyLikelihood, Field(discriminator="name")] = Field(
        BernoulliPixels(), description="Decoder distribution."
    )
    objective: Annotated[AnyObjective, Field(discriminator="name")] = Field(
        BetaOptions(), description="Training objective (docs/objectives.md)."
    )
    optimiser: Annotated[AnyOptimiser, Field(discriminator="name")] = Field(
        Adam(), description="Optimiser."
    )

    batch: int = Field(
        8,
        ge=1,
        le=10_000_000,
        description="Images a step. [default: 64 with settle, else 8]",
    )
    images: int = Field(
        200_000,
        ge=0,
        le=10**15,
        description="Length of training, in images; 0 leaves a VAE untrained. "
        f"[default: {IMAGES} with settle, else 200000]",
    )
    augment: Literal["none", "flip", "crop", "flip,crop"] | None = Field(
        None,
        description="Mild changes of training images, for small sets: mirrored, shifted by up to a "
        "sixteenth, or both; small grey and colour sets without a chosen objective take it.",
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of weights, data order and noise.")
    init: str | None = Field(
        None, description="Run folder whose weights training starts from (a warm start)."
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="Where to train; auto takes CUDA, then MPS, then the CPU.",
        json_schema_extra=HOW,
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads. [default: 1 for patch and mlp with batch <= 32, else PyTorch's]",
        json_schema_extra=HOW,
    )
    bf16: bool = Field(False, description="bfloat16 autocast on CUDA; the KL stays in float32.")
    compile: bool = Field(
        False,
        description="torch.compile the step, as CUDA graphs on CUDA; falls back and says so.",
        json_schema_extra=HOW,
    )
    checkpoint_every: int = Field(
        50_000, ge=1, description="Images between checkpoints.", json_schema_extra=HOW
    )
    tensorboard: bool = Field(
        False,
        description="Write TensorBoard events beside metrics.jsonl (extra tensorboard).",
        json_schema_extra=HOW,
    )

    @field_validator("network")
    @classmethod
    def _known(cls, network: str) -> str:
        if network not in NETWORKS and network != CUSTOM and ":" not in network:
            raise ValueError(
                f"network must be one of {', '.join(NETWORKS)}, or MODULE:FUNCTION, got "
                f"'{network}'{did_you_mean(network, NETWORKS)}"
            )
        return network

    @field_validator("crop", mode="before")
    @classmethod
    def _whole_or_side(cls, crop: object) -> object:
        if isinstance(crop, str) and crop != "whole":
            raise ValueError(f"crop must be 'whole' or the side of a square, got '{crop}'")
        return crop

    @model_validator(mode="after")
    def _load_options_fit(self) -> Self:
        LoadOptions(**self.load_options())
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _gather(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Put bare options where they belong, and fill in the method's or the recipe's defaults."""
        if not isinstance(values, Mapping):
            return handler(values)
        tables = gathered(values)
        method = member_of("method", tables.get("method"))
        defaults = recipe(tables) if method is VAEMethod else getattr(method, "defaults", {})
        config = handler(named(merged(defaults, tables)))
        config.model_fields_set.difference_update(defaults.keys() - tables.keys())
        if "optimiser" in defaults and "name" not in tables.get("optimiser", {"name": None}):
            config.optimiser.model_fields_set.difference_update(
                defaults["optimiser"].keys() - tables["optimiser"].keys()
            )
        takes = getattr(config.method, "takes", None)
        if takes is not None:
            for name in sorted(config.model_fields_set - {*ALWAYS, *takes}):
                value = getattr(config, name)
                if value != cls.model_fields[name].default:
                    bare = [key for key in getattr(value, "bare", ()) if key in values]
                    raise ValueError(
                        f"{(bare or [name])[0]} belongs to method vae, not to {config.method.name}"
                    )
            if "images" in takes and config.images < 1:
                raise ValueError(
                    f"images must be >= 1 with method={config.method.name}, got {config.images}"
                )
        return config

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Config:
        """Build a Config; every bad key or value is one InputError line."""
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise InputError(explain(error, cls)) from None

    @classmethod
    def from_toml(cls, path: Path) -> dict[str, Any]:
        """Read options from a TOML file, keys as the command line's, ``-`` or ``_`` alike."""
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            options = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid TOML: {error}") from None
        return _underscored(options)

    def load_options(self) -> dict[str, Any]:
        """Return how the data set is taken in, as `betavae.data.load` takes it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(LoadOptions)}

    def split_options(self) -> SplitOptions:
        """Return what is kept from training."""
        return SplitOptions(self.hold_out or None, self.correlate, self.without, self.split_seed)

    def given(self) -> dict[str, Any]:
        """Return the options that were set, without defaults, as `from_mapping` takes them."""
        found = {
            name: plain(getattr(self, name))
            for name in type(self).model_fields
            if name in self.model_fields_set
        }
        known = self.optimiser.model_fields_set
        if "optimiser" in found and "name" not in known:  # the recipe named it, or its method
            found["optimiser"] = {key: getattr(self.optimiser, key) for key in known}
        return found

    @property
    def follows_images(self) -> bool:
        """Whether no objective was chosen, so that the images say what is trained.

        `betavae.config.suited` fills that in once the images are known.
        """
        return self.objective.name == "settle" and "objective" not in self.model_fields_set

    def replaced(self, **changes: Any) -> Config:
        """Return a validated copy with `changes`; fields set so far stay marked as set.

        >>> Config(beta=4, seed=1).replaced(beta_norm=0.1, seed=2).given()
        {'objective': {'name': 'beta', 'beta_norm': 0.1}, 'seed': 2}
        """
        return Config.from_mapping(merged(self.given(), gathered(changes)))

    def differences(self, other: Config) -> list[str]:
        """Name the options that decide the result and differ from another configuration's.

        Those inside a table are named with it, as in ``optimiser.learning_rate``.
        """
        found = []
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name in UNDECIDING or mine == theirs:
                continue
            if isinstance(mine, Options) and type(mine) is type(theirs):
                found += [
                    f"{name}.{key}"
                    for key in type(mine).model_fields
                    if getattr(mine, key) != getattr(theirs, key)
                ]
            else:
                found.append(name)
        return found

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length, so that a longer run begins otherwise.

        >>> Config(beta=4, images=1000).part_of_length() is None
        True
        >>> Config(beta_schedule="linear").part_of_length()
        'beta_ramp'
        """
        if self.optimiser.learning_rate_schedule != "constant":
            return "the learning rate's decay"
        for part in (self.method, self.objective):
            if found := getattr(part, "part_of_length", lambda: None)():
                return str(found)
        return None

    def length(self, image_shape: tuple[int, ...]) -> Length:
        """Return what objectives are told of the run, for images (C, H, W)."""
        pixels = 1
        for side in image_shape:
            pixels *= side
        return Length(self.images, pixels, self.latents)

    def beta(self, image_shape: tuple[int, ...]) -> float | None:
        """Return the last weight of the rate in nats; None where the objective has no fixed one."""
        if isinstance(self.objective, BetaOptions):
            length = self.length(image_shape)
            return self.objective.resolved(length.pixels, self.latents)
        return None


UNDECIDING = frozenset(n for n, f in Config.model_fields.items() if f.json_schema_extra == HOW)
"""Names of the options that decide how a run is done, not its result."""


def _underscored(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, tables in them included, with ``_`` for ``-`` in their names."""
    return {
        key.replace("-", "_"): _underscored(value) if isinstance(value, dict) else value
        for key, value in options.items()
    }
