"""Every published layout, prepared: its pixels and factors come back, and wrong files do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import originals
import pytest
from named_sets import WRITERS, line
from written import Evil, Original

from betavae import data as datasets
from betavae.data import prepared
from betavae.data.prepare import prepare
from betavae.data.readers import numpy_files
from betavae.data.recipe import Options
from betavae.data.resize import fit_pixels

pytestmark = pytest.mark.usefixtures("small_grids")


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_pixels_and_factors_come_back(
    name: str, write: Callable[[Path], Original], folder: Path
) -> None:
    original = write(folder)
    prepare(name, original.path)
    dataset = datasets.load(name)
    expected = original.images
    side = dataset.images.image_shape[1]
    if expected.shape[2] != side:
        expected = fit_pixels(expected, side)
    pixels = dataset.images[:].numpy() * 255
    assert pixels.shape == expected.shape
    # JPEG keeps one colour only nearly.
    assert np.abs(pixels - expected).max() <= (3 if name == "celeba" else 1e-3)
    varying = [k for k, column in enumerate(original.factors.T) if len(set(column)) > 1]
    renamed = {"digit": "class"} if name == "fashionmnist" else {}
    assert (
        dataset.factor_names
        == tuple(renamed.get(original.names[k], original.names[k]) for k in varying)
        or name == "mpi3d-toy"
    )
    factors = dataset.factors(np.arange(len(dataset.images)))
    assert factors is not None
    if factors.shape[1] != len(varying):  # a grid that is given keeps constant factors
        varying = list(range(len(original.names)))
    np.testing.assert_array_equal(factors, original.factors[:, varying])
    full_grids = {"dsprites", "shapes3d", "mpi3d-toy", "cars3d", "smallnorb", "chairs"}
    assert (dataset.grid is not None) == (name in full_grids)


# ---------------------------------------------------------------- dSprites


@pytest.mark.parametrize("write", [originals.dsprites_npz, originals.dsprites_hdf5])
def test_dsprites_is_packed_and_compared_with_our_rendering(
    write: Callable[[Path], Original], folder: Path
) -> None:
    header = prepared.read_header(prepare("dsprites", write(folder).path))
    assert header.packed
    assert header.remark == "equal to our rendering (shapes2d), bit for bit"


def test_dsprites_with_one_wrong_pixel_is_found_out(folder: Path) -> None:
    images, classes = originals.dsprites_arrays()
    images[5, 0, 0] ^= 1
    np.savez(folder / "d.npz", imgs=images, latents_classes=classes)
    header = prepared.read_header(prepare("dsprites", folder / "d.npz"))
    assert header.remark == f"1 of {len(images)} images differ from our rendering"


def test_dsprites_metadata_is_never_unpickled(folder: Path, tmp_path: Path) -> None:
    prepare("dsprites", originals.dsprites_npz(folder, tmp_path / "trace").path)
    assert not (tmp_path / "trace").exists()


def test_pickled_images_are_refused_and_do_not_run(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = np.full((4, 64, 64), Evil(trace), object)
    np.savez(folder / "d.npz", imgs=evil, latents_classes=evil)
    np.savez(folder / "m.npz", images=np.broadcast_to(evil[:, :, :, None], (4, 64, 64, 3)))
    np.savez(folder / "e.npz", imgs=np.zeros((4, 64, 64), np.uint8), latents_classes=evil)
    for file in ("d", "e"):
        assert "pickled Python objects" in line("dsprites", folder / f"{file}.npz")
    # Its count is refused before its values are looked at.
    assert "got 4" in line("mpi3d-toy", folder / "m.npz")
    assert not trace.exists()


# ---------------------------------------------------------------- MPI3D, HDF5


def test_mpi3d_is_streamed_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read of the archive is longer than a few images."""
    original = originals.mpi3d(folder)
    monkeypatch.setattr("betavae.data.readers.arrays.PIECE", 4 * 64 * 64 * 3)
    read, longest = numpy_files.read_exactly, 0

    def watched(file: Any, count: int) -> bytes:
        nonlocal longest
        longest = max(longest, count)
        return read(file, count)

    monkeypatch.setattr(numpy_files, "read_exactly", watched)
    prepare("mpi3d-toy", original.path)
    assert longest == 4 * 64 * 64 * 3


def test_hdf5_chunks_are_unpacked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pieces that end within chunks, every image is still right."""
    monkeypatch.setattr("betavae.data.readers.arrays.PIECE", 5 * 64 * 64 * 3)
    original = originals.shapes3d(folder)
    prepare("shapes3d", original.path)
    np.testing.assert_array_equal(datasets.load("shapes3d").images.data, original.images)


def test_hdf5_that_points_elsewhere_is_refused(folder: Path) -> None:
    original = originals.shapes3d(folder)
    with h5py.File(folder / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(original.path), "images")
        file["labels"] = np.zeros((96, 6))
    assert "must hold an array 'images'" in line("shapes3d", folder / "link.h5")
    with h5py.File(folder / "outside.h5", "w") as file:
        layout = [(str(folder / "3dshapes.h5"), 0, 96 * 64 * 64 * 3)]
        file.create_dataset("images", (96, 64, 64, 3), np.uint8, external=layout)
        file["labels"] = np.zeros((96, 6))
    assert "must be an array in the file itself" in line("shapes3d", folder / "outside.h5")


def test_without_h5py_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = originals.shapes3d(folder)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert line("shapes3d", original.path).endswith("pip install 'betavae[hdf5]'")


def test_smallnorb_has_two_cameras(folder: Path) -> None:
    left, right = (originals.smallnorb(folder, camera=camera) for camera in (0, 1))
    size = 96 * 96
    assert left.images.reshape(-1, size).tolist() != right.images.reshape(-1, size).tolist()
    for cameras, wanted in (("left", left), ("right", right)):
        prepare("smallnorb", folder, Options(cameras=cameras))
        dataset = datasets.load("smallnorb")
        assert dataset.factor_names == left.names
        np.testing.assert_array_equal(dataset.images.data, fit_pixels(wanted.images, 64))
    prepare("smallnorb", folder, Options(cameras="both"))
    both = datasets.load("smallnorb")
    assert both.grid is not None
    assert both.grid.names == (*left.names, "camera")
    for camera, wanted in enumerate((left, right)):  # the last factor, so rows take turns
        np.testing.assert_array_equal(both.images.data[camera::2], fit_pixels(wanted.images, 64))
