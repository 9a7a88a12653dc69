from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from betavae._system.errors import InputError
from betavae.data.images import ImageStore
from betavae.models import linear


def binary_store(rows: int = 300, side: int = 16) -> ImageStore:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(rows, 6)) @ rng.normal(size=(6, side * side))
    images = (hidden > 0.5).astype(np.uint8).reshape(rows, 1, side, side)
    images[:, :, :2] = 0  # pixels that never change are left out of the products
    return ImageStore.from_binary(images)


def grey_store(rows: int = 200) -> ImageStore:
    rng = np.random.default_rng(1)
    return ImageStore.from_uint8(rng.integers(0, 256, (rows, 1, 8, 8)).astype(np.uint8))


@pytest.mark.parametrize("store", [binary_store(), grey_store()], ids=["binary", "grey"])
def test_the_moments_are_exact(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "BLOCK", 64)
    unit = 1 if store.packed else 255
    pixels = store[:].flatten(1).numpy().astype(np.float64)
    whole = np.rint(pixels * unit).astype(np.int64)
    found = linear.moments(store)
    live = found.live
    assert np.array_equal(np.rint(found.total * unit), whole.sum(axis=0)[live])
    products = whole.T @ whole
    assert np.array_equal(np.rint(found.products * unit**2), products[np.ix_(live, live)])
    assert not whole[:, ~live].any()
    np.testing.assert_allclose(
        found.covariance(), np.cov(whole[:, live] / unit, rowvar=False), atol=1e-12
    )


def test_the_moments_of_parts_add_up() -> None:
    store, rows = binary_store(), np.arange(300)
    whole = linear.moments(store)
    parts = linear.moments(store, rows[:100]) + linear.moments(store, rows[100:])
    assert np.array_equal(whole.products, parts.products)
    assert whole.rows == parts.rows


@pytest.mark.parametrize("store", [binary_store(), grey_store()], ids=["binary", "grey"])
def test_whitened_pca_is_scikit_learns_up_to_sign(store: ImageStore) -> None:
    pixels = store[:].flatten(1).numpy().astype(np.float64)
    expected = PCA(5, whiten=True, svd_solver="full").fit_transform(pixels)
    model = linear.pca(linear.moments(store), store.image_shape, 5)
    codes = model.code_means(store[:]).numpy()
    signs = np.sign((codes * expected).sum(axis=0))
    np.testing.assert_allclose(codes * signs, expected, atol=2e-3)
    np.testing.assert_allclose(np.cov(codes, rowvar=False), np.eye(5), atol=1e-3)


def test_pca_decodes_to_the_projection() -> None:
    store = grey_store()
    model = linear.pca(linear.moments(store), store.image_shape, 63)
    images = store[:10]
    torch.testing.assert_close(model.decode(model.code_means(images)), images, atol=0.1, rtol=0.1)


def test_ica_unmixes_independent_sources() -> None:
    rng = np.random.default_rng(2)
    sources = rng.uniform(-1, 1, (4000, 3))
    mixing = rng.normal(size=(3, 64))
    pixels = sources @ mixing
    images = np.rint(127 + 120 * pixels / np.abs(pixels).max()).astype(np.uint8)
    store = ImageStore.from_uint8(images.reshape(-1, 1, 8, 8))
    white = linear.pca(linear.moments(store), store.image_shape, 3)
    model, converged = linear.ica(store, white, seed=0)
    codes = model.code_means(store[:]).numpy()
    found = np.abs(np.corrcoef(codes.T, sources.T)[:3, 3:])
    assert converged
    assert (found.max(axis=0) > 0.98).all()
    assert sorted(found.argmax(axis=0)) == [0, 1, 2]
    torch.testing.assert_close(
        model.decode(model.code_means(store[:5])), store[:5], atol=0.02, rtol=0
    )


def test_too_few_directions_are_one_line() -> None:
    store = ImageStore.from_binary(np.tri(16, dtype=np.uint8).reshape(16, 1, 4, 4))
    with pytest.raises(InputError, match="latents must be below the number of pixels that vary"):
        linear.principal_axes(linear.moments(store), 16)
    flat = ImageStore.from_uint8(np.full((5, 1, 8, 8), 9, np.uint8))
    with pytest.raises(InputError, match="images that differ"):
        linear.principal_axes(linear.moments(flat), 2)
    images = np.zeros((9, 1, 8, 8), np.uint8)
    images[4:, :, :4], images[6:, :, 4:] = 200, 90
    two = ImageStore.from_uint8(images)
    with pytest.raises(InputError, match="vary in 2 directions, too few for latents 3"):
        linear.principal_axes(linear.moments(two), 3)
    with pytest.raises(InputError, match="at least 2 images"):
        linear.moments(store, np.arange(1))
