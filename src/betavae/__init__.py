"""Learn disentangled representations from images, and know how disentangled they are.

Nothing heavy is imported here: names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from betavae._system.errors import InputError as InputError
    from betavae.config import Config as Config
    from betavae.estimator import BetaVAE as BetaVAE

__version__ = "0.1.0"
__all__ = ["BetaVAE", "Config", "InputError", "__version__"]

_HOMES = {
    "BetaVAE": "betavae.estimator",
    "Config": "betavae.config",
    "InputError": "betavae._system.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'betavae' has no attribute '{name}'")
