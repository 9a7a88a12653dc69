"""Milliseconds of a batch of 64 random images from a prepared file, against the original format.

The same colour 64x64 images are kept as the published sets are, in gzipped HDF5 (3D Shapes) and as
PNG files (chairs) and JPEG files (CelebA), and prepared by betavae. A batch is 64 random rows as
floats on the CPU, what a training step asks for. Rounds alternate between all of them; each figure
is the median over the rounds of a round's median. The bar is 0.5 ms.

Every other form of a prepared file is measured beside it: bit-packed, grey, colour, each side.

Run: python -m benchmarks data
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_SECONDS = 0.5e-3
IMAGES = 12_000  # 147 MB as bytes: more than any cache of the processor
ON_DISK = 1_000  # as PNG and JPEG files
BATCH = 64
ROUNDS = 5
KIND_BYTES = 100 << 20  # of each form measured: more than the caches too


def pictures(count: int) -> np.ndarray:
    """Rooms with a disc in them, (N, 64, 64, 3): they compress about as rendered sets do."""
    rng = np.random.default_rng(0)
    line, column = np.mgrid[:64, :64]
    out = np.empty((count, 64, 64, 3), np.uint8)
    for start in range(0, count, 1000):
        n = min(1000, count - start)
        colours = rng.integers(40, 250, (3, n, 1, 1, 3))
        x, y, r = rng.integers(16, 48, (3, n, 1, 1))
        disc = (column - x) ** 2 + (line - y) ** 2 < (r / 3) ** 2
        floor = np.broadcast_to(line > 40, disc.shape)
        shaded = np.where(disc[..., None], colours[0], np.where(floor[..., None], *colours[1:]))
        light = 1 - (np.abs(column - x) + line) / 256
        out[start : start + n] = shaded * light[..., None]
    return out


def write_originals(folder: Path, images: np.ndarray) -> None:
    """Write 3dshapes.h5, and folders of PNG and JPEG files."""
    import h5py
    from PIL import Image

    with h5py.File(folder / "3dshapes.h5", "w") as file:
        # h5py's own choice of chunks, as whoever writes such a file mostly leaves it.
        file.create_dataset("images", data=images, compression="gzip", chunks=True)
        file.create_dataset("labels", data=np.random.default_rng(1).random((len(images), 6)))
    for kind in ("png", "jpeg"):
        (folder / kind).mkdir()
        for k in range(ON_DISK):
            Image.fromarray(images[k]).save(folder / kind / f"{k:05d}.{kind}")


def readers(folder: Path) -> dict[str, tuple[int, Callable[[np.ndarray], Any]]]:
    """Return for every form how many images it has, and what makes a batch of its rows."""
    import h5py
    import torch
    from PIL import Image

    from betavae import data as datasets
    from betavae.data.prepare import prepare

    prepare("shapes3d", folder / "3dshapes.h5")
    store = datasets.load("shapes3d").images
    file = h5py.File(folder / "3dshapes.h5")

    def as_floats(batch: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255)

    def decoded(kind: str) -> Callable[[np.ndarray], torch.Tensor]:
        def batch(rows: np.ndarray) -> torch.Tensor:
            files = [folder / kind / f"{row:05d}.{kind}" for row in rows]
            return as_floats(np.stack([np.asarray(Image.open(path)) for path in files]))

        return batch

    return {
        "prepared": (len(store), lambda rows: store.batch(torch.from_numpy(rows))),
        "hdf5": (len(store), lambda rows: as_floats(file["images"][np.sort(rows)])),
        "png": (ON_DISK, decoded("png")),
        "jpeg": (ON_DISK, decoded("jpeg")),
    }


def kinds(folder: Path) -> dict[str, tuple[int, Callable[[np.ndarray], Any]]]:
    """Return the same for memory maps of noise in each form that a prepared file has."""
    import torch

    from betavae.data.images import ImageStore

    forms = {
        f"{name} {side}": ((channels, side, side), name == "binary")
        for side in (32, 64, 128)
        for name, channels in (("binary", 1), ("grey", 1), ("colour", 3))
    }
    found: dict[str, tuple[int, Callable[[np.ndarray], Any]]] = {}
    for name, (shape, packed) in forms.items():
        pixels = int(np.prod(shape))
        row = (pixels // 8,) if packed else shape
        count = max(1000, min(100_000, KIND_BYTES // int(np.prod(row))))
        path = folder / f"{name}.npy"
        out = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *row))
        out[:] = np.random.default_rng(2).integers(0, 256, out.shape, np.uint8)
        out.flush()
        store = ImageStore(np.load(path, mmap_mode="r"), shape, packed=packed)
        found[name] = (count, lambda rows, store=store: store.batch(torch.from_numpy(rows)))
    return found


def seconds(batch: Callable[[np.ndarray], Any], count: int, repeats: int, seed: int) -> float:
    """Return the median time of a batch of random rows."""
    batch(np.arange(BATCH))  # starts threads, opens files
    rng = np.random.default_rng(seed)
    times = []
    for _ in range(repeats):
        rows = rng.choice(count, BATCH, replace=False)
        start = time.perf_counter()
        batch(rows)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> dict[str, Any]:
    """Prepare, measure, and print the summary line."""
    from betavae.training.machine import keep_heap

    keep_heap()  # as training does: a batch's memory is kept for the next
    before = os.environ.get("BETAVAE_CACHE")
    with tempfile.TemporaryDirectory(prefix="betavae-bench-") as name:
        os.environ["BETAVAE_CACHE"] = str(Path(name) / "cache")
        try:
            write_originals(Path(name), pictures(IMAGES))
            started = time.perf_counter()
            found = readers(Path(name))
            preparing = time.perf_counter() - started
            others = kinds(Path(name))
            repeats = {"hdf5": 1, "png": 10, "jpeg": 10}
            rounds: list[dict[str, float]] = []
            for seed in range(ROUNDS):
                rounds.append({})
                for key, (count, batch) in (found | others).items():
                    rounds[-1][key] = seconds(batch, count, repeats.get(key, 200), seed)
        finally:
            if before is None:
                del os.environ["BETAVAE_CACHE"]
            else:
                os.environ["BETAVAE_CACHE"] = before
    times = {key: statistics.median(row[key] for row in rounds) for key in rounds[0]}
    share = times["prepared"] / LIMIT_SECONDS
    against = {
        key: statistics.median(row[key] / row["prepared"] for row in rounds)
        for key in ("hdf5", "png", "jpeg")
    }
    print(
        f"data: a batch of {BATCH} colour 64x64 in {times['prepared'] * 1e3:.2f} ms from the "
        f"prepared file, {share:.2f}x of the 0.5 ms limit; "
        + ", ".join(
            f"{key} {times[key] * 1e3:.1f} ms ({ratio:.0f}x)" for key, ratio in against.items()
        )
        + f"; prepared {IMAGES / preparing:,.0f} images a second from HDF5"
    )
    print("data, ms by form: " + ", ".join(f"{key} {1e3 * times[key]:.2f}" for key in others))
    return {
        "images": IMAGES,
        "milliseconds": {key: round(value * 1e3, 3) for key, value in times.items()},
        "share_of_limit": round(share, 3),
        "against_prepared": {key: round(ratio, 1) for key, ratio in against.items()},
        "prepared_images_a_second": round(IMAGES / preparing),
    }


if __name__ == "__main__":
    main()
