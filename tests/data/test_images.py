"""ImageStore: the same batches from every form, and every wrong index or array refused."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from betavae._system.errors import InputError
from betavae.data import images
from betavae.data.images import ImageStore
from betavae.training.machine import cpu_threads

N = 7
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (N, 3, 32, 32), dtype=np.uint8)
BINARY = RNG.integers(0, 2, (N, 1, 32, 32), dtype=np.uint8)


def mapped(array: np.ndarray, path: Path) -> np.ndarray:
    np.save(path, array)
    data: np.ndarray = np.load(path, mmap_mode="r")
    return data


@pytest.fixture(params=["uint8", "packed", "mapped uint8", "mapped packed", "channels last"])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ImageStore, np.ndarray]:
    """A store and the floats it must give."""
    kind = request.param
    binary = kind.endswith("packed")
    images = BINARY if binary else GREY
    store = ImageStore.from_binary(images) if binary else ImageStore.from_uint8(images)
    if kind.startswith("mapped"):
        data = mapped(store.data, tmp_path / "data.npy")
        store = ImageStore(data, store.image_shape, packed=binary)
    if kind == "channels last":
        data = mapped(np.ascontiguousarray(np.moveaxis(images, 1, 3)), tmp_path / "data.npy")
        store = ImageStore(np.moveaxis(data, 3, 1), store.image_shape, packed=False)
    return store, images.astype(np.float32) / np.float32(1 if binary else 255)


@pytest.mark.parametrize(
    "rows",
    [
        3,
        -1,
        np.int32(2),
        [0, 5, 5, -7],
        (1, 2),
        [],
        slice(None),
        slice(1, 6, 2),
        slice(None, None, -1),
        slice(4, 4),
        range(2, 5),
        np.array([6, 0], np.uint8),
        np.array([6, 0, -2])[::-1],
        np.array([1, 3], ">i4"),
        np.arange(N) % 2 == 0,
        torch.tensor([2, -3]),
        torch.tensor([2, 4], dtype=torch.int32),
        torch.tensor(5),
        torch.tensor([True, False, False, True, False, False, True]),
    ],
    ids=repr,
)
def test_every_kind_of_rows(form: tuple[ImageStore, np.ndarray], rows: Any) -> None:
    store, floats = form
    batch = store[rows]
    expected = floats[rows if not isinstance(rows, (range, tuple, list)) else np.array(rows, int)]
    assert batch.dtype == torch.float32
    np.testing.assert_allclose(
        batch.numpy(), expected.reshape(-1, *store.image_shape), rtol=0, atol=1e-7
    )


def test_reading_a_read_only_row_list_neither_warns_nor_writes(tmp_path: Path) -> None:
    rows = mapped(np.array([1, 4]), tmp_path / "rows.npy")
    store = ImageStore(mapped(GREY, tmp_path / "x.npy"), (3, 32, 32), packed=False)
    before = (tmp_path / "x.npy").read_bytes()
    store[rows].zero_()  # a batch is the caller's own
    assert store[rows].sum() > 0
    assert (tmp_path / "x.npy").read_bytes() == before


@given(st.data())
def test_packing_keeps_every_bit(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 3])), 8, 8)
    seed = data.draw(st.integers(0, 2**32 - 1))
    images = np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)
    dtype = data.draw(st.sampled_from([np.uint8, bool, np.float32, np.int64]))
    store = ImageStore.from_binary(images.astype(dtype))
    assert store.nbytes == images.size // 8
    np.testing.assert_array_equal(store[:].numpy(), images)


def test_batch_and_indexing_agree_and_the_set_is_moved_once(
    form: tuple[ImageStore, np.ndarray],
) -> None:
    store, _ = form
    rows = torch.tensor([5, 0, 5])
    assert torch.equal(store.batch(rows), store[rows])
    assert torch.equal(store.batch(rows, "cpu"), store.batch(rows, torch.device("cpu")))
    kept = [resident for resident, _ in store._resident.values()]
    assert len({tensor.data_ptr() for tensor in kept}) == 1
    assert kept[0].data_ptr() == store.data.__array_interface__["data"][0], "copied on the CPU"


def test_every_number_of_threads_gives_the_same_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    store, rows = ImageStore.from_uint8(GREY), torch.tensor([5, 0, 5])
    batches = []
    for many, threads in ((1, 1), (1, 2), (1 << 30, 2)):
        monkeypatch.setattr(images, "MANY", many)
        with cpu_threads(threads):
            batches.append(store.batch(rows))
    assert torch.equal(batches[0], batches[1])
    assert torch.equal(batches[0], batches[2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_on_cuda_is_the_same(form: tuple[ImageStore, np.ndarray]) -> None:
    store, _ = form
    rows = torch.tensor([5, 0, 5])
    for device in ("cuda", "cuda:0", torch.device("cuda", 0)):
        assert torch.equal(store.batch(rows, device).cpu(), store.batch(rows))
        assert torch.equal(store.batch(rows.cuda(), device).cpu(), store.batch(rows))
    on_device = {id(t) for t, _ in store._resident.values() if t.is_cuda}
    assert len(on_device) == 1, "cuda and cuda:0 keep one copy"


def test_pickle_carries_the_images_but_no_device_copies(
    form: tuple[ImageStore, np.ndarray],
) -> None:
    store, _ = form
    whole = store[:]
    again = pickle.loads(pickle.dumps(store))
    assert again._resident == {}
    assert torch.equal(again[:], whole)


def refused(message: str) -> Any:
    return pytest.raises(InputError, match=re.escape(message))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (7, "rows must be in 0..6, got 7"),
        (-8, "rows must be in 0..6, got -8"),
        ([0, 99], "rows must be in 0..6, got 99"),
        ([0.5], "rows must be (n,) integers"),
        ("all", "rows must be (n,) integers"),
        (None, "rows must be (n,) integers"),
        ([[0, 1]], "got shape (1, 2)"),
        ([[0], [1, 2]], "rows must be (n,) integers"),
        ([True, False], "an (N,) mask, got shape (2,)"),
    ],
)
def test_wrong_rows_are_refused(rows: Any, message: str) -> None:
    with refused(message):
        ImageStore.from_binary(BINARY)[rows]


def test_wrong_data_is_refused() -> None:
    with refused("must be uint8 of shape (N, 3, 32, 32), got float64"):
        ImageStore(GREY.astype(float), (3, 32, 32), packed=False)
    with refused("must be uint8 of shape (N, 384), got uint8 (7, 3, 32, 32)"):
        ImageStore(GREY, (3, 32, 32), packed=True)
    with refused("a multiple of 8 pixels, got 9"):
        ImageStore(np.zeros((2, 1), np.uint8), (1, 3, 3), packed=True)
    with refused("a multiple of 8 pixels, got 9"):
        ImageStore.from_binary(np.zeros((2, 1, 3, 3), bool))
    with refused("must have shape (N, C, H, W), got (7, 32, 32)"):
        ImageStore.from_uint8(GREY[:, 0])
    with refused("must hold 0 and 1 only, got 7"):
        ImageStore.from_binary(BINARY * np.uint8(7))
    with refused("must hold 0 and 1 only, got nan"):
        ImageStore.from_binary(np.full((1, 1, 8, 8), np.nan))
