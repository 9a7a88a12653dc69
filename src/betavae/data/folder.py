"""A user's own images: a .npy or .npz array, or a folder of PNG and JPEG files."""

from __future__ import annotations

from betavae.data.dataset import Dataset


def load(name: str, *, size: int | None = None) -> Dataset:
    raise NotImplementedError
