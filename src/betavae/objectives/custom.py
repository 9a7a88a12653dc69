"""An objective of one's own: a function given from Python, which a configuration only names."""

from __future__ import annotations

from typing import Literal, NoReturn

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.objectives.length import Length


class CustomOptions(Options):
    """A function given from Python, to `train` or `BetaVAE`."""

    name: Literal["custom"] = "custom"
    title = "VAE with an objective of its own"

    def make(self, length: Length) -> NoReturn:
        """Refuse: the function itself must be given."""
        raise InputError("objective custom is a function: give it from Python, to train or BetaVAE")
