"""One frozen description of a run: Python arguments, CLI options, TOML file, checkpoint header."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from betavae._system.errors import InputError, did_you_mean
from betavae.options import TAKES, ObjectiveOptions

SIZES = (32, 64, 128)
BETA_OPTIONS = ("beta", "beta_norm", "beta_schedule", "beta_start", "beta_ramp", "beta_cycles")


def _number(value: object) -> object:
    """Read a whole number's text: the command line hands text on, which no Literal takes."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Size = Annotated[Literal[32, 64, 128], BeforeValidator(_number)]

# Defaults of the methods whose papers set other ones than the VAE's.
METHOD_DEFAULTS: dict[str, dict[str, Any]] = {
    "infogan": {"latents": 5, "batch": 64, "learning_rate": 1e-3},
    "dcign": {"latents": 10, "batch": 20, "learning_rate": 5e-4},
}
# What the other methods take; the rest describes a VAE.
TRAINED = (
    "batch", "images", "learning_rate", "learning_rate_schedule", "learning_rate_decay",
    "threads", "checkpoint_every", "device", "tensorboard",
)  # fmt: skip
METHOD_TAKES: dict[str, tuple[str, ...]] = {
    "infogan": TRAINED,
    "dcign": TRAINED,
    "pca": (),
    "ica": (),
}
TAKEN_BY_ALL = ("data", "size", "method", "latents", "seed")


class Config(BaseModel):
    """Everything that decides a run. Frozen; unknown keys and bad values are refused.

    Lengths (`images`, `beta_ramp`, `checkpoint_every`) count images shown to the model.

    >>> Config(beta=4, latents=10).beta
    4.0
    >>> Config(objective="tcvae") == Config(objective={"name": "tcvae"})
    True
    >>> Config.from_mapping({"latent": 3})
    Traceback (most recent call last):
    ...
    betavae.InputError: unknown option 'latent'; did you mean 'latents'?
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = Field(
        "shapes2d",
        description="shapes2d, a prepared set's name, a .npy/.npz file, or an image folder.",
    )
    size: Size | None = Field(
        None, description="Size of a prepared set; crop and resize a folder's images to this size."
    )

    method: Literal["vae", "infogan", "dcign", "pca", "ica"] = Field(
        "vae", description="What is fitted; the others are the paper's baselines."
    )
    network: Literal["fc", "conv", "burgess", "patch", "mlp"] = Field(
        "patch", description="fc and conv are the paper's Table 1; see docs/networks.md."
    )
    latents: int = Field(10, ge=1, description="Number of latents, M.")
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli", description="Decoder distribution."
    )
    sigma: float = Field(0.1, gt=0, description="Standard deviation of the Gaussian decoder.")

    objective: ObjectiveOptions = Field(
        ObjectiveOptions.model_validate({}),
        description="Training objective, by name or with its options.",
    )
    beta: float | None = Field(
        None,
        ge=0,
        description="Objective beta: weight of the rate (KL), nats per image on both sides. "
        "[default: 4]",
    )
    beta_norm: float | None = Field(
        None, ge=0, description="The same weight normalised: beta * latents / pixels (A.5)."
    )
    beta_schedule: Literal["constant", "linear", "exponential", "cyclical"] = Field(
        "constant", description="How beta moves from beta_start to its value over beta_ramp."
    )
    beta_start: float = Field(0.0, ge=0, description="Value of beta at the first image.")
    beta_ramp: int | None = Field(
        None, ge=1, description="Images over which beta moves. [default: 40 % of the run]"
    )
    beta_cycles: int = Field(
        4, ge=1, description="Rises of the cyclical schedule, each over half of its cycle."
    )

    optimiser: Literal["adam", "adagrad"] = Field("adam", description="Optimiser.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate.")
    learning_rate_schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="Decay of the learning rate to zero, or none."
    )
    learning_rate_decay: int | None = Field(
        None, ge=1, description="Last images, over which it decays. [default: the whole run]"
    )
    batch: int = Field(8, ge=1, description="Images a step.")
    images: int = Field(
        200_000, ge=0, description="Length of training, in images; 0 leaves a VAE untrained."
    )
    seed: int = Field(0, ge=0, description="Seed of weights, data order and noise.")
    init: str | None = Field(
        None, description="Run folder whose weights training starts from (a warm start)."
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where to train; auto takes CUDA, then MPS, then the CPU."
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="CPU threads. [default: 1 for patch and mlp with batch <= 32, else PyTorch's]",
    )
    bf16: bool = Field(False, description="bfloat16 autocast on CUDA; the KL stays in float32.")
    compile: bool = Field(
        False, description="torch.compile the step, as CUDA graphs on CUDA; falls back and says so."
    )
    checkpoint_every: int = Field(50_000, ge=1, description="Images between checkpoints.")
    tensorboard: bool = Field(
        False, description="Write TensorBoard events beside metrics.jsonl (extra tensorboard)."
    )

    @field_validator("objective", mode="before")
    @classmethod
    def _named(cls, objective: object) -> object:
        return {"name": objective} if isinstance(objective, str) else objective

    @model_validator(mode="wrap")
    @classmethod
    def _method(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Fill in the method's own defaults, and refuse options that it does not take."""
        if not isinstance(values, Mapping):
            return handler(values)
        defaults = METHOD_DEFAULTS.get(values.get("method", "vae"), {})
        config = handler({**defaults, **values})
        config.model_fields_set.difference_update(defaults.keys() - values.keys())
        if config.method != "vae":
            for name in config.model_fields_set - {*TAKEN_BY_ALL, *METHOD_TAKES[config.method]}:
                if getattr(config, name) != cls.model_fields[name].default:
                    raise ValueError(f"{name} belongs to method vae, not to {config.method}")
            if config.method in ("infogan", "dcign") and config.images < 1:
                raise ValueError(f"images must be >= 1 with method={config.method}, got 0")
        return config

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.beta is not None and self.beta_norm is not None:
            raise ValueError("give beta or beta_norm, not both")
        if self.beta_schedule == "exponential" and not self.beta_start > 0:
            raise ValueError("beta_start must be > 0 with beta_schedule=exponential, got 0")
        if self.learning_rate_decay is not None and self.learning_rate_schedule == "constant":
            raise ValueError(
                "learning_rate_decay needs learning_rate_schedule=linear or cosine, got constant"
            )
        name = self.objective.name
        if name != "beta":
            for key in BETA_OPTIONS:
                if getattr(self, key) != type(self).model_fields[key].default:
                    hint = "; did you mean objective.beta?" if "beta" in TAKES[name] else ""
                    raise ValueError(f"{key} belongs to objective beta, not to {name}{hint}")
        return self

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Config:
        """Build a Config; every bad key or value is one InputError line."""
        try:
            return cls(**options)
        except ValidationError as error:
            raise InputError(explain(error)) from None

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

    def replaced(self, **changes: Any) -> Config:
        """Return a validated copy with `changes`; fields set so far stay marked as set."""
        given = self.model_dump(include=self.model_fields_set)
        return Config.from_mapping({**given, **changes})

    def resolved_ramp(self) -> int:
        """Return the images over which beta moves."""
        return self.beta_ramp or max(1, round(0.4 * self.images))

    def resolved_decay(self) -> int:
        """Return the images at the end over which the learning rate decays."""
        return min(self.learning_rate_decay or self.images, self.images)

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length, so that a longer run begins otherwise.

        >>> Config(images=1000).part_of_length() is None
        True
        >>> Config(beta_schedule="linear").part_of_length()
        'beta_ramp'
        """
        if self.learning_rate_schedule != "constant":
            return "the learning rate's decay"
        if self.beta_schedule != "constant" and self.beta_ramp is None:
            return "beta_ramp"
        if self.objective.name == "capacity" and self.objective.target_ramp is None:
            return "objective.target_ramp"
        if self.method == "dcign":
            return "dcign's unsupervised start"
        return None

    def resolved_beta(self, pixels: int) -> float:
        """Return the weight of the rate in nats for images of `pixels` values (N = C*H*W).

        Source: Higgins et al. 2017, A.5: beta_norm = beta M / N.
        """
        if self.beta_norm is not None:
            return self.beta_norm * pixels / self.latents
        return 4.0 if self.beta is None else self.beta


def explain(error: ValidationError) -> str:
    """Turn pydantic's first complaint into one line: what, expected, got."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        inner = [f"objective.{key}" for key in ObjectiveOptions.model_fields]
        known = inner if len(first["loc"]) > 1 else list(Config.model_fields)
        return f"unknown option '{name}'{did_you_mean(name, known)}"
    message = first["msg"].removeprefix("Value error, ")
    if not name or first["type"] == "value_error":
        return message
    message = message.replace("Input should be ", "must be ")
    for words, sign in (
        ("greater than or equal to ", ">= "),
        ("less than or equal to ", "<= "),
        ("greater than ", "> "),
    ):
        message = message.replace(words, sign)
    got = first["input"]
    hint = did_you_mean(got, _choices(name)) if isinstance(got, str) else ""
    return f"{name} {message}, got {got!r}{hint}"


def _underscored(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, tables in them included, with ``_`` for ``-`` in their names."""
    return {
        key.replace("-", "_"): _underscored(value) if isinstance(value, dict) else value
        for key, value in options.items()
    }


def _choices(name: str) -> tuple[str, ...]:
    """Return the literal choices of option `name`, if it has any."""
    model = ObjectiveOptions if name.startswith("objective.") else Config
    field = model.model_fields.get(name.removeprefix("objective."))
    arguments = getattr(field.annotation, "__args__", ()) if field else ()
    return tuple(choice for choice in arguments if isinstance(choice, str))
