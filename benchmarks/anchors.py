"""Distortion and rate of four objectives on the 2D shapes, beside published training logs.

The logs (conv network, batch 64, Adam 1e-4) stand at 22 million images. Here the four models
take turns, a slice of images each, for as long as is given, and the same command goes on where
it stopped: compare the columns only with the number of images in mind.

Run: python benchmarks/anchors.py --out runs/anchors --minutes 4 [--learning-rate 1e-4]
    [--network burgess] [--batch 64]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from betavae._system.files import write_json
from betavae.config import Config

if TYPE_CHECKING:
    from betavae.data.dataset import Dataset
    from betavae.models.vae import VAE
    from betavae.training.records import Record

IMAGES = 22_000_000
SLICE = 6_400
# name: title, options, published distortion and rate at 22 million images, nats an image
MODELS: dict[str, tuple[str, dict[str, Any], float, float]] = {
    "beta1": ("beta 1", {"beta": 1}, 18.0, 25.4),
    "beta4": ("beta 4", {"beta": 4}, 35.6, 15.4),
    "factor": ("FactorVAE 6.4", {"objective": {"name": "factor", "gamma": 6.4}}, 36.6, 21.7),
    "tcvae": ("beta-TCVAE 6.4", {"objective": {"name": "tcvae", "beta": 6.4}}, 42.2, 13.6),
}


def go_on(config: Config, dataset: Dataset, folder: Path, until: int) -> Record:
    """Train until `until` images have been seen, from where the folder stands."""
    from betavae.training import checkpoint
    from betavae.training.fit import train
    from betavae.training.records import RECORDS, read_records

    def enough(model: VAE, record: Record) -> bool:
        return record.images >= until

    resume = (folder / checkpoint.NAME).exists()
    train(config, dataset, folder, resume=resume, progress=False, watch=enough)
    return read_records(folder / RECORDS)[-1]


def last(folder: Path) -> Record | None:
    """Return where a model stands."""
    from betavae.training.records import RECORDS, read_records

    records = read_records(folder / RECORDS)
    return records[-1] if records else None


def main(
    out: Path = Path("runs/anchors"),
    minutes: float = 4.0,
    learning_rate: float = 1e-4,
    network: str = "burgess",
    batch: int = 64,
    threads: int = 1,
) -> dict[str, Any]:
    """Train in turns until the time is over; print the table; write anchors.json and the curves."""
    from betavae import data as datasets

    end = time.monotonic() + 60 * minutes
    dataset = datasets.load("shapes2d")
    while time.monotonic() < end:
        seen = {name: found.images if (found := last(out / name)) else 0 for name in MODELS}
        name = min(MODELS, key=lambda name: seen[name])  # the one that is furthest behind
        options = {
            **MODELS[name][1],
            "network": network,
            "batch": batch,
            "learning_rate": learning_rate,
            "images": IMAGES,
            "checkpoint_every": IMAGES,  # saved at the end of each slice
            "threads": threads,
        }
        config = Config.from_mapping(options)
        record = go_on(config, dataset, out / name, min(IMAGES, seen[name] + SLICE))
        print(
            f"{MODELS[name][0]}: {record.images:,} images, distortion {record.distortion:.1f}, "
            f"rate {record.rate:.1f}",
            flush=True,
        )
    return table(out)


def table(out: Path) -> dict[str, Any]:
    """Print our figures beside the published ones; write anchors.json and anchors.png."""
    from betavae import figures
    from betavae.figures.tradeoff import term_curves
    from betavae.training.records import RECORDS, read_records

    rows, curves = [], {}
    print(f"{'model':<16}{'images':>10}{'ours D / R':>16}{'at 22 M':>14}{'loss':>8}{'at 22 M':>9}")
    for name, (title, options, distortion, rate) in MODELS.items():
        records = read_records(out / name / RECORDS)
        if not records:
            continue
        tail = records[-min(10, 1 + len(records) // 20) :]  # a record is the mean of 50 steps
        ours = [sum(getattr(r, term) for r in tail) / len(tail) for term in ("distortion", "rate")]
        weight = options.get("beta", 1)
        rows.append(
            {
                "model": title,
                "images": records[-1].images,
                "seconds": records[-1].seconds,
                "distortion": ours[0],
                "rate": ours[1],
                "published_distortion": distortion,
                "published_rate": rate,
            }
        )
        print(
            f"{title:<16}{records[-1].images:>10,}{ours[0]:>9.1f} /{ours[1]:>5.1f}"
            f"{distortion:>7.1f} /{rate:>5.1f}{ours[0] + weight * ours[1]:>8.1f}"
            f"{distortion + weight * rate:>9.1f}"
        )
        curves[title] = {
            term: [getattr(r, term) for r in records] for term in ("images", "distortion", "rate")
        }
    write_json(out / "anchors.json", rows)
    figures.save(term_curves(curves), out / "anchors.png")
    print(f"loss: distortion + beta rate; written to {out / 'anchors.json'}, {out / 'anchors.png'}")
    return {"rows": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/anchors"))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--network", default="burgess")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    main(**vars(parser.parse_args()))
