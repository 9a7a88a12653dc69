"""Every named set in its published layout, and the line that a bad one ends in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import originals
import pytest
from written import Original

from betavae._system.errors import InputError
from betavae.data import cache
from betavae.data.prepare import prepare
from betavae.data.recipe import Options


def line(name: str, path: Path, **options: Any) -> str:
    """The one line that a bad source ends in; nothing may be left in the cache."""
    with pytest.raises(InputError) as error:
        prepare(name, path, Options(**options))
    message = str(error.value)
    assert "\n" not in message
    kept = cache.cache_folder()
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]
    return message


WRITERS: list[tuple[str, Callable[[Path], Original]]] = [
    ("dsprites", originals.dsprites_npz),
    ("dsprites", originals.dsprites_hdf5),
    ("shapes3d", originals.shapes3d),
    ("mpi3d-toy", originals.mpi3d),
    ("cars3d", originals.cars3d),
    ("cars3d", lambda folder: originals.cars3d(folder, cells=True)),
    ("smallnorb", originals.smallnorb),
    ("smallnorb", lambda folder: originals.smallnorb(folder, zipped=False)),
    ("mnist", originals.mnist),
    ("fashionmnist", lambda folder: originals.mnist(folder, zipped=False)),
    ("chairs", originals.chairs),
    ("celeba", originals.celeba),
]
