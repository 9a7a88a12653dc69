"""Learn disentangled representations from images, and know how disentangled they are.

Nothing heavy is imported here: names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy as _lazy

if TYPE_CHECKING:
    from betavae._system.errors import InputError as InputError
    from betavae.config import Config as Config
    from betavae.data import load as load
    from betavae.estimator import BetaVAE as BetaVAE
    from betavae.estimator import from_pretrained as from_pretrained
    from betavae.metrics import evaluate as evaluate
    from betavae.report.shown_run import open_run as open_run
    from betavae.training.fit import train as train

__version__ = "0.2.0"
__all__ = [
    "BetaVAE", "Config", "InputError", "__version__", "evaluate", "from_pretrained", "load",
    "open_run", "train",
]  # fmt: skip

_HOMES = {
    "BetaVAE": "estimator",
    "Config": "config",
    "InputError": "_system.errors",
    "evaluate": "metrics",
    "from_pretrained": "estimator",
    "load": "data",
    "open_run": "report.shown_run",
    "train": "training.fit",
}
__getattr__, __dir__ = _lazy(__name__, _HOMES)
