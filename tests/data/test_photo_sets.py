"""Chairs and CelebA: views, lists and crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import originals
import pytest
from written import file_content, write_files, write_tar, write_zip

from betavae import data as datasets
from betavae.data import prepared
from betavae.data.prepare import prepare
from betavae.data.recipe import Options

pytestmark = pytest.mark.usefixtures("small_grids")


def test_chairs_without_the_mat_are_numbered_by_name(folder: Path) -> None:
    members, views = originals.chairs_members(mat=False)
    write_files(folder, members)
    prepare("chairs", folder / "rendered_chairs")
    data = datasets.load("chairs").images.data
    by_name = sorted(views, key=lambda path: (path.split("/")[1], views[path][1:]))
    np.testing.assert_array_equal(data[:, 0, 32, 32], [views[path][3] for path in by_name])


def test_chairs_that_lack_views_have_labels_but_no_grid(folder: Path) -> None:
    members, views = originals.chairs_members()
    gone = sorted(views)[3]
    del members[gone]
    prepare("chairs", write_tar(folder / "rendered_chairs.tar", members))
    dataset = datasets.load("chairs")
    assert dataset.grid is None
    assert dataset.labels is not None
    assert dataset.labels.shape == (17, 3)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"size": 128}, (1, 128, 128)),
        ({"size": 32, "colour": True}, (3, 32, 32)),
        ({"crop": "whole"}, (1, 64, 64)),
    ],
)
def test_chairs_options(folder: Path, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    prepare("chairs", originals.chairs(folder).path, Options(**options))
    images = datasets.load("chairs", size=options.get("size")).images
    assert images.image_shape == shape
    dark = (images.data[0, 0] < 200).mean()
    # The square is a quarter of the crop, a ninth of the whole picture.
    assert dark == pytest.approx(1 / 9 if "crop" in options else 1 / 4, abs=0.02)


def celeba_folder(folder: Path, lists: str) -> Path:
    """CelebA unpacked, with its lists where the argument says."""
    members, _, labels = originals.celeba_members()
    write_files(folder / "celeba", members)
    where = {"official": ("Anno", "Eval"), "in": ("celeba", "celeba"), "none": None}[lists]
    if where is not None:
        written = originals.celeba_lists(labels)
        for place, (name, content) in zip(where, written.items(), strict=True):
            write_files(folder / place, {name: content})
    return folder / "celeba"


@pytest.mark.parametrize("lists", ["official", "in", "none"])
def test_celeba_lists_are_found_in_and_beside(folder: Path, lists: str) -> None:
    header = prepared.read_header(prepare("celeba", celeba_folder(folder, lists)))
    dataset = datasets.load("celeba")
    if lists == "none":
        assert dataset.labels is None
        assert header.remark == "no list_attr_celeba.txt in or beside the images: no labels"
    else:
        assert dataset.labels is not None
        np.testing.assert_array_equal(dataset.labels, originals.celeba_members()[2])


def test_celeba_as_kaggle_has_it(folder: Path) -> None:
    members, _, labels = originals.celeba_members()
    nested = {f"img_align_celeba/{name}": content for name, content in members.items()}
    rows = [f"{k + 1:06d}.jpg," + ",".join(map(str, 2 * row[:-1] - 1)) for k, row in
            enumerate(labels)]  # fmt: skip
    nested["list_attr_celeba.csv"] = "\n".join(
        ["image_id," + ",".join(originals.ATTRIBUTES), *rows]
    ).encode()
    rows = [f"{k + 1:06d}.jpg,{row[-1]}" for k, row in enumerate(labels)]
    nested["list_eval_partition.csv"] = "\n".join(["image_id,partition", *rows]).encode()
    prepare("celeba", write_zip(folder / "archive.zip", nested))
    dataset = datasets.load("celeba")
    assert dataset.factor_names == (*originals.ATTRIBUTES, "partition")
    np.testing.assert_array_equal(dataset.labels, labels)


def test_celeba_crop_and_whole(folder: Path) -> None:
    frame = np.zeros((218, 178, 3), np.uint8)
    frame[35:183, 15:163] = 255  # the centre square of 148
    members = {f"{k:06d}.jpg": file_content(frame, "JPEG", quality=100) for k in range(2)}
    path = write_zip(folder / "img_align_celeba.zip", members)
    prepare("celeba", path)
    assert datasets.load("celeba").images.data.min() > 230
    prepare("celeba", path, Options(crop="whole", colour=False))
    images = datasets.load("celeba").images
    assert images.image_shape == (1, 64, 64)
    assert images.data.mean() / 255 == pytest.approx(148 * 148 / 178 / 218, abs=0.02)


@pytest.mark.parametrize("images", ["zip", "jpg", "png", "JPG"])
def test_celeba_as_its_site_lays_it_out(folder: Path, images: str) -> None:
    members, _, labels = originals.celeba_members()
    root = folder / "CelebA"
    lists = originals.celeba_lists(labels)
    for place, (name, content) in zip(("Anno", "Eval"), lists.items(), strict=True):
        write_files(root / place, {name: content, "list_landmarks_align_celeba.txt": b"x"})
    inside = {
        name.replace(".jpg", f".{images}"): file_content(np.full((218, 178, 3), k, np.uint8), "PNG")
        if images == "png"
        else content
        for k, (name, content) in enumerate(members.items())
    }
    if images == "zip":
        (root / "Img").mkdir()
        inside = {f"img_align_celeba/{name}": content for name, content in members.items()}
        write_zip(root / "Img" / "img_align_celeba.zip", inside)
    else:
        write_files(root / "Img" / "img_align_celeba", inside)
    for path in (root, next((root / "Img").iterdir())):
        prepare("celeba", path)
        dataset = datasets.load("celeba")
        assert dataset.factor_names == (*originals.ATTRIBUTES, "partition")
        np.testing.assert_array_equal(dataset.labels, labels)
