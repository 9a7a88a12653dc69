from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.models.latents import gaussian_rate
from betavae.models.vae import VAE
from betavae.runs.representation import Representation, represent
from betavae.training.build import build_model


@pytest.fixture
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (12, 1, 32, 32)).astype(np.uint8)
    grid = Factors(("row", "column"), (3, 4))
    return Dataset("grid", ImageStore.from_binary(images), grid, None, grid.names)


@pytest.fixture
def model() -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model(Config(latents=3), (1, 32, 32)).eval()


def test_codes_are_the_posteriors_row_for_row(dataset: Dataset, model: VAE) -> None:
    codes = represent(model, dataset, batch=5)
    with torch.no_grad():
        posterior = model.encode(dataset.images[:])
    np.testing.assert_allclose(codes.mean, posterior.mean.numpy(), rtol=1e-4, atol=1e-5)
    assert codes.log_var is not None
    np.testing.assert_allclose(np.exp(codes.log_var / 2), posterior.stddev.numpy(), rtol=1e-4)
    assert codes.factors is not None
    np.testing.assert_array_equal(codes.factors[5], [1, 1])
    assert codes.factor_sizes == (3, 4)


def test_chosen_rows_keep_their_factors_and_are_no_grid(dataset: Dataset, model: VAE) -> None:
    whole = represent(model, dataset)
    some = represent(model, dataset, rows=np.array([7, 2]))
    np.testing.assert_allclose(some.mean, whole.mean[[7, 2]], rtol=1e-4, atol=1e-5)
    assert some.factors is not None
    assert some.factors.tolist() == [[1, 3], [0, 2]]
    assert some.factor_sizes is None


def test_rate_per_latent_is_the_mean_kl(dataset: Dataset, model: VAE) -> None:
    codes = represent(model, dataset)
    assert codes.log_var is not None
    rates = gaussian_rate(torch.from_numpy(codes.mean), torch.from_numpy(codes.log_var)).mean(0)
    np.testing.assert_allclose(codes.rate_per_latent(), rates.numpy(), rtol=1e-5)


@pytest.mark.parametrize("rows", [None, np.array([3, 1, 8])])
def test_saved_and_loaded_is_the_same(
    dataset: Dataset, model: VAE, tmp_path: Path, rows: np.ndarray | None
) -> None:
    codes = represent(model, dataset, rows=rows)
    codes.save(tmp_path / "codes.npz")
    again = Representation.load(tmp_path / "codes.npz")
    for name in ("mean", "log_var", "factors", "rows"):
        np.testing.assert_array_equal(getattr(codes, name), getattr(again, name))
    assert again.factor_names == codes.factor_names
    assert again.factor_sizes == codes.factor_sizes


def test_anybodys_codes_need_no_row_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "codes.npz", mean=np.eye(3), factors=np.arange(3)[:, None])
    codes = Representation.load(tmp_path / "codes.npz")
    assert codes.rows.tolist() == [0, 1, 2]
    assert codes.log_var is None
    np.savez(tmp_path / "other.npz", codes=np.eye(3))
    with pytest.raises(InputError, match="cannot read the representation"):
        Representation.load(tmp_path / "other.npz")


def test_a_missing_or_foreign_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the representation"):
        Representation.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="cannot read the representation"):
        Representation.load(tmp_path / "text.npz")
