"""The command line: parse, call, print. Nothing here that the Python API lacks.

One module a group of commands; importing it hangs its commands onto `app`.
"""

from betavae.cli import data, judge, pictures, share, studies
from betavae.cli.apps import app
from betavae.cli.entry import run

app.command(
    "betavae.cli.train:train",
    name="train",
    help="Train a model on DATA: shapes2d, a prepared set, an array file, or a folder of images.",
)

__all__ = ["app", "data", "judge", "pictures", "run", "share", "studies"]
