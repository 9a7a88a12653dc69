"""Files of arrays under any key, and data sets of torch: labels are used or named, never lost."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch.utils.data import DataLoader, TensorDataset
from user_images import line
from written import noise, write_tar

from betavae import BetaVAE
from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data.images import ImageStore

pytestmark = pytest.mark.usefixtures("own_cache")

GREY = noise(0, 12, 32, 32)
COLOUR = noise(1, 12, 32, 32, 3)
KINDS = np.arange(12) % 3


def write_h5(path: Path, arrays: dict[str, Any]) -> None:
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file.create_dataset(key, data=value)


def write(path: Path, arrays: dict[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".pt":
        torch.save({key: torch.as_tensor(value) for key, value in arrays.items()}, path)
    elif path.suffix == ".mat":
        savemat(path, arrays)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in arrays.items():
                with archive.open(f"{key}.npy", "w") as file:
                    np.lib.format.write_array(file, np.asarray(value))
    elif path.suffix == ".h5":
        write_h5(path, arrays)
    else:
        path.mkdir()
        for key, value in arrays.items():
            np.save(path / f"{key}.npy", value)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".mat", ".zip", ".h5", ""])
@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("imgs", "latents_values"), ("x", "y"), ("x_train", "y_train"),
     ("arr_0", "arr_1"), ("pics", "target")],
)  # fmt: skip
def test_images_and_labels_under_any_key(
    tmp_path: Path, suffix: str, images: str, labels: str
) -> None:
    dataset = datasets.load(write(tmp_path / f"set{suffix}", {images: GREY, labels: KINDS}))
    np.testing.assert_allclose(dataset.images[:].numpy()[:, 0], GREY / 255, atol=1e-6)
    assert dataset.factor_names == (labels,)
    assert dataset.labels is not None
    np.testing.assert_array_equal(dataset.labels[:, 0], KINDS)


def test_what_is_not_used_is_named(tmp_path: Path) -> None:
    arrays = {"x_train": GREY, "y_train": KINDS, "x_test": GREY[:4], "z": np.zeros((12, 5))}
    dataset = datasets.load(write(tmp_path / "set.npz", arrays))
    assert dataset.factor_names == ("y_train",)
    assert any("left out 'x_test' (4, 32, 32), 'z' (12, 5)" in note for note in dataset.notes)


def test_several_labels_stand_side_by_side(tmp_path: Path) -> None:
    arrays = {"images": GREY, "labels": KINDS, "factors": np.stack([KINDS, KINDS[::-1]], 1)}
    dataset = datasets.load(write(tmp_path / "set.npz", arrays))
    assert dataset.factor_names == ("factor1", "factor2", "labels")


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        (np.array(list("abcabcabcabc")), KINDS, ("a", "b", "c")),
        (np.array([b"a", b"b", b"c"] * 4), KINDS, ("a", "b", "c")),
        (np.eye(3)[KINDS], KINDS, None),
        (KINDS / 7, KINDS, None),
        (np.where(KINDS == 2, np.nan, KINDS), np.where(KINDS == 2, -1, KINDS), None),
        (np.where(KINDS == 2, 1, -1), (KINDS == 2).astype(int), None),
        (KINDS == 2, (KINDS == 2).astype(int), None),
        (KINDS.astype(">i2")[:, None], KINDS, None),
    ],
)
def test_labels_of_every_kind(
    tmp_path: Path, values: np.ndarray, expected: np.ndarray, words: tuple[str, ...] | None
) -> None:
    np.savez(tmp_path / "set.npz", images=GREY, labels=values)
    dataset = datasets.load(tmp_path / "set.npz")
    assert dataset.labels is not None
    np.testing.assert_array_equal(dataset.labels, np.asarray(expected)[:, None])
    assert dataset.value_names == ({} if words is None else {dataset.factor_names[0]: words})


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".mat"])
def test_images_last(tmp_path: Path, suffix: str) -> None:
    for k, values in enumerate((np.moveaxis(GREY, 0, 2), np.moveaxis(COLOUR, 0, 3))):
        path = tmp_path / f"{k}{suffix}"
        np.save(path, values) if suffix == ".npy" else write(path, {"X": values})
        dataset = datasets.load(path)
        expected = GREY[:, None] if k == 0 else np.moveaxis(COLOUR, 3, 1)
        np.testing.assert_array_equal(dataset.images.data, expected)
        assert any("12 images, which come last" in note for note in dataset.notes)


def test_transparent_arrays_lie_on_white(tmp_path: Path) -> None:
    alpha = np.zeros((12, 32, 32, 1), np.uint8)
    alpha[:, :16] = 255
    np.save(tmp_path / "set.npy", np.concatenate([COLOUR, alpha], axis=3))
    data = datasets.load(tmp_path / "set.npy").images.data
    np.testing.assert_array_equal(data[:, :, :16], np.moveaxis(COLOUR, 3, 1)[:, :, :16])
    assert (data[:, :, 16:] == 255).all()


def test_groups_and_text_of_hdf5(tmp_path: Path) -> None:
    write_h5(tmp_path / "set.h5", {"train/images": COLOUR, "train/labels": ["a", "b"] * 6, "n": 3})
    dataset = datasets.load(tmp_path / "set.h5")
    assert dataset.value_names == {"labels": ("a", "b")}


def test_published_files_are_told_about_data_prepare(tmp_path: Path) -> None:
    images = noise(2, 12, 64, 64, 3)
    write_h5(tmp_path / "some.h5", {"images": images, "labels": noise(3, 12, 6) / 7})
    notes = datasets.load(tmp_path / "some.h5").notes
    assert any("looks like shapes3d; betavae data prepare shapes3d --from" in n for n in notes)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    said = line(tmp_path / "train-images-idx3-ubyte.gz")
    assert "this looks like mnist: betavae data prepare mnist --from" in said


def test_torch_files_hold_tensors_or_nothing(tmp_path: Path) -> None:
    torch.save((torch.from_numpy(GREY), torch.from_numpy(KINDS)), tmp_path / "a.pt")
    assert datasets.load(tmp_path / "a.pt").factor_names == ("arr_1",)
    torch.save(torch.from_numpy(GREY).bfloat16() / 255, tmp_path / "b.pth")
    assert len(datasets.load(tmp_path / "b.pth").images) == 12
    torch.save(torch.nn.Linear(2, 2), tmp_path / "c.pt")
    assert "holds more than tensors, which is refused" in line(tmp_path / "c.pt")
    (tmp_path / "d.pt").write_bytes(b"hello")
    assert "is damaged, or holds more than tensors" in line(tmp_path / "d.pt")


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".pt"])
def test_bombs_are_told_by_their_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setenv("BETAVAE_MAX_GIB", "0.001")
    path, images = tmp_path / f"bomb{suffix}", np.zeros((2000, 64, 64), np.uint8)
    if suffix == ".npz":
        np.savez_compressed(path, images=images)
    elif suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=images, compression="gzip", chunks=(500, 64, 64))
    else:
        torch.save(torch.zeros(1, dtype=torch.uint8).expand(2000, 64, 64), path)
    said = line(path)
    assert (
        "takes 0.00763 GiB, more than the limit of 0.001 GiB; BETAVAE_MAX_GIB=1 allows it" in said
    )


def test_labels_of_another_length_are_never_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file.create_dataset("images", data=GREY)
        file.create_dataset("labels", shape=(10**9,), dtype="i8", chunks=(1000,))
    assert "one row an image, expected 12 rows, got 1000000000" in line(tmp_path / "set.h5")


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    for suffix in (".npy", ".npz", ".h5", ".pt", ".mat", ".zip", ".tar"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        assert "must be a plain file, got a pipe" in line(tmp_path / f"pipe{suffix}")
    assert "must be a plain file, got a pipe, socket or device" in line("/dev/zero")
    write_tar(tmp_path / "arrays.tar", {"a.npy": b"x"})
    assert "holds arrays, a.npy and its like: unpack it" in line(tmp_path / "arrays.tar")


def test_torch_data_sets_loaders_and_paths_go_straight_in(tmp_path: Path) -> None:
    pairs = TensorDataset(torch.from_numpy(GREY)[:, None] / 255, torch.from_numpy(KINDS))
    np.save(tmp_path / "set.npy", GREY)
    loader = DataLoader(pairs, batch_size=4, shuffle=True)
    for items in (pairs, loader, str(tmp_path / "set.npy"), tmp_path / "set.npy"):
        dataset = datasets.load(items)
        np.testing.assert_array_equal(dataset.images.data[:, 0], GREY)
        codes = BetaVAE(latents=2, images=12, batch=6).fit(items).transform(items)
        assert codes.shape == (12, 2)
    assert datasets.load(loader).factor_names == ("factor1",)
    assert isinstance(datasets.load(ImageStore.from_uint8(GREY[:, None])).images, ImageStore)


def test_splits_and_streams_are_explained() -> None:
    for items, message in (
        ({"train": [], "test": []}, "got dict of train, test; give one of them"),
        (iter([]), "collect a stream into a list first"),
    ):
        with pytest.raises(InputError, match=message):
            datasets.load(items)


def test_the_names_of_torchvisions_classes_are_kept() -> None:
    pairs = TensorDataset(torch.from_numpy(GREY)[:, None], torch.from_numpy(KINDS))
    pairs.classes = ["cat", "dog", "owl"]  # type: ignore[attr-defined]
    dataset = datasets.load(pairs)
    assert dataset.value_names == {"factor1": ("cat", "dog", "owl")}


def test_fingerprints_tell_data_sets_apart(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    np.savez(tmp_path / "b.npz", images=GREY)
    np.save(tmp_path / "c.npy", GREY[::-1])
    a, b, c = (datasets.load(tmp_path / n).fingerprint() for n in ("a.npy", "b.npz", "c.npy"))
    assert a == b != c
    assert a.to_dict()["count"] == 12
    packed = ImageStore.from_binary(GREY[:, None] > 127)
    plain = ImageStore.from_uint8((GREY[:, None] > 127) * np.uint8(255))
    assert datasets.Dataset("", packed).fingerprint() == datasets.Dataset("", plain).fingerprint()
