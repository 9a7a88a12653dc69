"""Options: small frozen models that stand beside the function which they configure."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """The options of one objective, latent, likelihood, optimiser or method, chosen by `name`.

    A subclass has a `name` that is one literal, and a field with a default, range and help for
    each option. `betavae.config.Config` joins the subclasses of a kind by their names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: ClassVar[str] = ""
    """What reports call a model of an objective or method."""
    bare: ClassVar[tuple[str, ...]] = ()
    """Options that are also known by their bare names: --beta for --objective.beta."""
    exclusive: ClassVar[tuple[str, ...]] = ()
    """Options that say the same thing in two ways, so that only one of them may be given."""

    def given(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, without the name."""
        return self.model_dump(exclude={"name"}, exclude_defaults=True)

    def __str__(self) -> str:
        parts = [f"{key.replace('_', ' ')} {_short(value)}" for key, value in self.given().items()]
        return " ".join([getattr(self, "name", ""), ", ".join(parts)]).strip()


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"
