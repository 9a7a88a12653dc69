"""Everything that decides a run: the configuration, and what is chosen by name in it."""

from betavae.config.explain import explain
from betavae.config.kinds import KINDS, bare_options, gathered, merged, name_of, table
from betavae.config.run_config import CUSTOM, UNDECIDING, Config

__all__ = [
    "CUSTOM",
    "KINDS",
    "UNDECIDING",
    "Config",
    "bare_options",
    "explain",
    "gathered",
    "merged",
    "name_of",
    "table",
]
