"""The application, its groups of commands, and what several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

import betavae

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
