"""Commands that give a model away: `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from betavae.cli.apps import RunFolder, app


@app.command
def export(
    run_folder: RunFolder,
    /,
    *,
    form: Annotated[Literal["hub", "onnx", "torch"], Parameter(name="--to")] = "hub",
    out: Path | None = None,
) -> None:
    """Write a VAE's run for others: a folder for the Hugging Face hub, ONNX, or torch.export.

    The hub's folder holds config.json, model.safetensors and a card with
    scores and a traversal. Python reads it: BetaVAE.from_pretrained(FOLDER).
    The other two hold an encoder and a decoder that run without betavae.

    Example: betavae export runs/b4 --to onnx --out exported

    Args:
        form: hub, onnx (pip install betavae[onnx]) or torch.
        out: Folder to write to. [default: a folder named after the form in the run's]
    """
    from betavae.sharing.runs import export_run

    for path in export_run(run_folder, form, out):
        print(path)
