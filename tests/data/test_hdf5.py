"""Chunked and compressed HDF5 arrays, read piece by piece: equal to what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from written import noise

from betavae._system.errors import InputError
from betavae.data.readers import hdf5
from betavae.data.readers.hdf5 import hdf5_source

SHAPE = (23, 20, 18, 3)


def written(path: Path, values: np.ndarray, **how: Any) -> np.ndarray:
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=values, **how)
    return values


def read(path: Path, rows: int = 5) -> np.ndarray:
    return np.concatenate(list(hdf5_source(path, "images").pieces(rows)))


@pytest.mark.parametrize("chunks", [(1, 20, 18, 3), (4, 8, 7, 2), (23, 3, 3, 1), (40, 20, 18, 3)])
@pytest.mark.parametrize("how", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}])
def test_chunks_of_every_shape(
    tmp_path: Path, chunks: tuple[int, ...], how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, kind = tmp_path / "a.h5", {"maxshape": (None,) * 4, "chunks": chunks}
    values = written(path, noise(0, *SHAPE), **kind, **how)
    np.testing.assert_array_equal(read(path), values)
    monkeypatch.setattr(hdf5, "MEMORY", 3 * values[0].nbytes)  # less than a chunk's depth
    np.testing.assert_array_equal(read(path), values)


def test_other_filters_types_and_missing_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for values, how in (
        (noise(0, *SHAPE).astype(np.int32), {"compression": "gzip"}),
        (noise(0, *SHAPE), {"compression": "lzf"}),
        (noise(0, *SHAPE), {"chunks": (4, 8, 7, 2)}),
        (noise(0, *SHAPE), {"compression": "gzip", "fletcher32": True}),
        (noise(0, *SHAPE), {}),
    ):
        written(path, values, **how)
        np.testing.assert_array_equal(read(path), values)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "images", SHAPE, np.uint8, chunks=(4, 20, 18, 3), compression="gzip", fillvalue=7
        )
        data[8:12] = 1
    assert read(path)[0, 0, 0, 0] == 7
    assert read(path)[9, 0, 0, 0] == 1


def test_a_chunk_that_is_stored_as_it_is(tmp_path: Path) -> None:
    path, values = tmp_path / "a.h5", noise(0, 4, 20, 18, 3)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "images", values.shape, np.uint8, chunks=(2, 20, 18, 3), compression="gzip"
        )
        data.id.write_direct_chunk((0, 0, 0, 0), values[:2].tobytes(), filter_mask=1)
        data[2:] = values[2:]
    np.testing.assert_array_equal(read(path), values)


def test_a_damaged_chunk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    written(path, noise(0, 4, 20, 18, 3), compression="gzip", chunks=(2, 20, 18, 3))
    with h5py.File(path, "r+") as file:
        file["images"].id.write_direct_chunk((2, 0, 0, 0), b"no gzip at all")
    with pytest.raises(InputError, match="damaged or not an HDF5 file") as error:
        read(path)
    assert "\n" not in str(error.value)
