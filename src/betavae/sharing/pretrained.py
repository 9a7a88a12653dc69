"""Writing a trained VAE as a folder for others: config.json, model.safetensors, a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

import betavae
from betavae import figures
from betavae._system.files import write_beside, write_json
from betavae._system.stamps import KEY
from betavae._system.text import readable
from betavae.runs.pretrained_folder import CONFIG, WEIGHTS, Pretrained, PretrainedForm
from betavae.sharing.card import MACHINE, card_text, prior_traversal
from betavae.training.checkpoint import weights_digest
from betavae.training.records import Record

CARD, PICTURE = "README.md", "traversal.png"


def write_pretrained(
    folder: Path,
    trained: Pretrained,
    record: Record | None = None,
    scores: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the folder; what is private is left out: paths, and images of the training set.

    Args:
        folder: made where missing; of files there only those of the same names are replaced.
        trained: what to write.
        record: the last one of training, for the card.
        scores: numbers for the card, by name.

    Returns:
        The files written: config.json, model.safetensors, README.md, and traversal.png of images.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    settings = trained.config.model_dump(mode="json", exclude=MACHINE, exclude_none=True)
    settings["data"] = Path(trained.config.data).name
    form = PretrainedForm(
        library="betavae",
        version=betavae.__version__,
        image_shape=trained.image_shape,
        flat=trained.flat,
        white=trained.white,
        feature_names=trained.feature_names,
        config=settings,
    )
    weights = trained.model.state_dict()
    digest = weights_digest(weights)
    packed = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    with write_beside(folder / WEIGHTS) as beside:
        try:
            save_file(packed, beside, metadata={"format": "pt", KEY: digest})
        except SafetensorError as error:
            raise OSError(str(error)) from error
    write_json(folder / CONFIG, form.model_dump(mode="json"))
    pictures = []
    if trained.image_shape[:2] != (1, 1):
        rates = None if record is None else record.rate_per_latent
        picture = prior_traversal(trained.model, rates)
        pictures = [figures.save(picture, folder / PICTURE, weights=[digest])]
    text = card_text(trained.config, trained.image_shape, record, scores, bool(pictures))
    with write_beside(folder / CARD) as beside:
        beside.write_bytes(readable(f"{text}\n<!-- {KEY}: {digest} -->\n").encode("utf-8"))
    return [folder / CONFIG, folder / WEIGHTS, folder / CARD, *pictures]
