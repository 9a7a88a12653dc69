"""What `betavae export` does: a run as a folder for the hub, or as programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from betavae._system.errors import InputError
from betavae.models.vae import VAE
from betavae.runs.made import writing
from betavae.runs.pretrained_folder import Pretrained
from betavae.runs.scores import read_scores
from betavae.sharing.pretrained import write_pretrained
from betavae.sharing.programs import export_onnx, export_torch
from betavae.training.checkpoint import load_model
from betavae.training.records import RECORDS, read_records

Form = Literal["hub", "onnx", "torch"]


def export_run(run_folder: Path, form: Form = "hub", out: Path | None = None) -> list[Path]:
    """Write a run in a form that others use; its training data is not needed.

    Args:
        run_folder: the run of a VAE.
        form: hub (config.json, model.safetensors, a card with the scores that score.json keeps),
            onnx, or torch (torch.export).
        out: folder to write to; a folder named after the form in the run's if None.

    Returns:
        The files written.

    Raises:
        InputError: when the folder is no run of a VAE, or cannot be written.
    """
    folder = run_folder / form if out is None else out
    with writing(folder, run_folder):
        return _export(run_folder, form, folder)


def _export(run_folder: Path, form: Form, folder: Path) -> list[Path]:
    model, header = load_model(run_folder)
    if not isinstance(model, VAE):
        raise InputError(
            f"only VAEs can be exported; {run_folder} is a run of method "
            f"{header.config.method.name}"
        )
    if form != "hub":
        export = export_onnx if form == "onnx" else export_torch
        return export(model, header.image_shape, folder)
    records = read_records(run_folder / RECORDS)
    scores = {f"{one.metric} ({one.protocol})": one.score for one in read_scores(run_folder) or []}
    return write_pretrained(
        folder,
        Pretrained(model, header.config, header.image_shape),
        records[-1] if records else None,
        scores,
    )
