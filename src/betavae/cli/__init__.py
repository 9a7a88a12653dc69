"""The command line: parse, call, print. Nothing here that the Python API lacks.

One module a group of commands; importing it hangs its commands onto `app`.
"""

from betavae.cli import data, judge, pictures, share, studies, train
from betavae.cli.apps import app
from betavae.cli.entry import run

__all__ = ["app", "data", "judge", "pictures", "run", "share", "studies", "train"]
