"""The application, its groups of commands, and what several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

import betavae
from betavae._system.errors import InputError

app = App(
    name="betavae",
    version=betavae.__version__,
    help=(
        "Learn disentangled representations from images, and know how disentangled they are.\n\n"
        "Start with: betavae demo"
    ),
    help_format="plaintext",
    default_parameter=Parameter(negative=""),
    suppress_keyboard_interrupt=False,
)
data_app = App(name="data", help="List, inspect and prepare data sets.")
app.command(data_app)
study_app = App(name="study", help="Repeat and compare: experiments of many runs.")
app.command(study_app)
reproduce_app = App(name="reproduce", help="Run the paper's experiments and compare.")
app.command(reproduce_app)

app.register_install_completion_command(
    help="Make the shell complete betavae's commands and options (bash, zsh or fish)."
)

RunFolder = Annotated[Path, Parameter(help="A run folder, made by `betavae train`.")]
Named = Annotated[
    str | None,
    Parameter(name="--pretrained", help="A model that comes with betavae, in place of a run."),
]


def run_or_pretrained(run_folder: Path | None, pretrained: str | None) -> Path:
    """Return the run folder that was given, or one of the model that was named.

    Raises:
        InputError: for both or neither, or a name that is not there.
    """
    from betavae.sharing.shipped import shipped_run

    if (run_folder is None) == (pretrained is None):
        raise InputError(
            "give a run folder or --pretrained, got "
            + ("neither" if pretrained is None else "both")
        )
    return shipped_run(pretrained) if pretrained is not None else Path(run_folder or "")
