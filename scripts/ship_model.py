"""Puts a trained run of the 2D shapes into the package, for `from_pretrained` and `--pretrained`.

The model goes to src/betavae/sharing/models/NAME: what `betavae export` writes, card.json with the
command and what the test holds the model to, and thinned metrics.jsonl for curves and reports.

Run: python scripts/ship_model.py RUN NAME
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from betavae._system.files import write_beside, write_json
from betavae.report.settings_words import command
from betavae.runs.opened import open_run
from betavae.runs.scores import SCORES
from betavae.sharing.runs import export_run
from betavae.sharing.shipped import CARD_JSON, FOLDER
from betavae.studies.five_factors import five_factors
from betavae.training.records import RECORDS

KEPT = 250  # lines of metrics.jsonl, evenly spaced: a curve needs no more


def main() -> None:
    """Write the folder and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    folder = FOLDER / arguments.name
    export_run(arguments.run, "hub", folder)
    run = open_run(arguments.run)
    lines = (arguments.run / RECORDS).read_text(encoding="utf-8").splitlines()
    every = max(1, len(lines) // KEPT)
    with write_beside(folder / RECORDS) as beside:
        kept = [*lines[:-1:every], lines[-1]]
        beside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    shutil.copyfile(arguments.run / SCORES, folder / SCORES)
    measures = five_factors(run.model, run.dataset)
    card = {
        "command": " ".join(command(run.header.config, Path("runs") / arguments.name)),
        "seed": run.header.config.seed,
        "images": run.images_seen,
        "measures": {name: round(value, 4) for name, value in measures.items()},
    }
    write_json(folder / CARD_JSON, card)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size:,} bytes\n{card}")


if __name__ == "__main__":
    main()
