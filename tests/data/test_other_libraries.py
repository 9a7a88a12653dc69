"""Data sets of other libraries: torch's, Hugging Face's, plain sequences."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset
from written import file_content, noise

from betavae import BetaVAE
from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.data.other_libraries import from_dataset

GREY = noise(0, 6, 32, 32)
COLOUR = noise(1, 6, 32, 32, 3)
FACTORS = Factors(("a", "b"), (2, 3)).table()


class Views(Dataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """A torch Dataset as torchvision's are: an image, then its labels."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        pixels = torch.from_numpy(COLOUR[index]).permute(2, 0, 1).float() / 255
        return pixels, torch.tensor(FACTORS[index, 0]), int(FACTORS[index, 1])


def test_a_torch_dataset_with_labels() -> None:
    dataset = from_dataset(Views())
    np.testing.assert_array_equal(dataset.images.data, np.moveaxis(COLOUR, 3, 1))
    assert dataset.grid == Factors(("factor1", "factor2"), (2, 3))


def test_a_tensor_dataset_of_binary_images_is_packed() -> None:
    images = torch.from_numpy(GREY > 127)
    store = from_dataset(TensorDataset(images)).images
    assert store.packed
    np.testing.assert_array_equal(store[:].numpy()[:, 0], images.numpy())


def test_a_hugging_face_dataset() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, not ours
        import datasets as hf

        features = hf.Features({
            "image": hf.Image(),
            "label": hf.ClassLabel(names=["x", "y"]),
            "size": hf.Value("int32"),
            "name": hf.Value("string"),
        })  # fmt: skip
        columns = {
            "image": [{"bytes": file_content(image), "path": None} for image in COLOUR],
            "label": FACTORS[:, 0].tolist(),
            "size": FACTORS[:, 1].tolist(),
            "name": list("abcdef"),
        }
        # Not from_dict, whose fingerprint cannot be computed with every release of dill.
        table = hf.table.InMemoryTable.from_pydict(columns, schema=features.arrow_schema)
        info = hf.DatasetInfo(features=features)
        dataset = from_dataset(hf.Dataset(table, info=info, fingerprint="fixed"))
    np.testing.assert_array_equal(dataset.images.data, np.moveaxis(COLOUR, 3, 1))
    assert dataset.grid == Factors(("label", "size"), (2, 3))


class LikeHuggingFace:
    """What a Hugging Face data set is to us, without the library."""

    column_names = ("img", "label", "text", "maybe", "vector")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "img": Image.fromarray(GREY[index]),
            "label": int(FACTORS[index, 1]),
            "text": "words",
            "maybe": None if index == 2 else index % 2,
            "vector": FACTORS[index].tolist(),
        }


def test_mappings_keep_every_whole_number() -> None:
    dataset = from_dataset(LikeHuggingFace())
    assert dataset.factor_names == ("label", "maybe", "vector1", "vector2")
    assert dataset.labels is not None
    np.testing.assert_array_equal(dataset.labels[:, 0], FACTORS[:, 1])
    np.testing.assert_array_equal(dataset.labels[:, 1], [0, 1, -1, 1, 0, 1])
    np.testing.assert_array_equal(dataset.labels[:, 2:], FACTORS)
    np.testing.assert_array_equal(dataset.images.data[:, 0], GREY)


@pytest.mark.parametrize(
    "items",
    [
        list(GREY),
        list(GREY[..., None]),
        list(GREY[:, None]),
        [torch.from_numpy(image) for image in GREY],
        [{"pixels": image} for image in GREY],
        [(image / 255, "a name") for image in GREY],
        [Image.fromarray(image).convert("LA") for image in GREY],
    ],
)
def test_every_form_of_an_image(items: list[Any]) -> None:
    store = from_dataset(items, image="pixels").images
    np.testing.assert_array_equal(store.data[:, 0], GREY)


def test_grey_among_colour_and_size() -> None:
    items = [Image.fromarray(COLOUR[0]), Image.fromarray(GREY[0])]
    data = from_dataset(items).images.data
    np.testing.assert_array_equal(data[1], np.broadcast_to(GREY[0], (3, 32, 32)))
    mixed = [Image.new("L", (50, 80), 9), Image.new("L", (300, 40), 200)]
    data = from_dataset(mixed, size=64).images.data
    assert data.shape == (2, 1, 64, 64)
    assert [image.item() for image in data.max(axis=(1, 2, 3))] == [9, 200]


def test_a_model_learns_from_one() -> None:
    store = from_dataset(Views()).images
    codes = BetaVAE(latents=2, images=32, batch=6).fit(store).transform(store)
    assert codes.shape == (6, 2)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "at least one image, got none"),
        (iter(GREY), "must have a length and items, got"),
        ([{"x": GREY[0]}], "item 0 must hold image or img .* got x; say which"),
        ([np.zeros((4, 5, 6, 7))], r"image 0 must be \(H, W\).*got \(4, 5, 6, 7\)"),
        ([np.zeros((5, 32, 32))], r"with C 1 or 3, got \(5, 32, 32\)"),
        (["a.png"], "image 0 must be uint8, bool or float"),
        ([GREY[0], GREY[1] / 1.0], r"image 1 of dtype float64 must lie in \[0, 1\]"),
        ([GREY[0], np.zeros((64, 64))], r"image 1 must have .* \(1, 32, 32\) as the first, got"),
        ([GREY[0], COLOUR[0]], r"image 1 must have .*got \(3, 32, 32\)"),
        ([np.zeros((4, 48))], "sides of 8 to 256 pixels, got 4x48"),
        ([None], "image 0 holds pickled Python objects|image 0 must be"),
    ],
)
def test_what_is_no_set_of_images_is_one_line(items: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        from_dataset(items)
    assert "\n" not in str(error.value)
