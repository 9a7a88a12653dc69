from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from betavae import BetaVAE
from betavae.errors import InputError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rows, columns = np.divmod(np.arange(16).repeat(4), 4)
    out = np.zeros((64, 32, 32), np.uint8)
    for image, row, column in zip(out, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    return out


def test_fit_transform_inverse_score_sample(images: np.ndarray) -> None:
    vae = BetaVAE(latents=3, beta=0.1, images=12800, batch=32).fit(images)
    codes = vae.transform(images)
    assert codes.shape == (64, 3)
    back = vae.inverse_transform(codes)
    error = np.abs(back[:, 0] - images / 255).mean()
    assert error < 0.5 * np.abs(images / 255 - (images / 255).mean(0)).mean()
    factors = np.stack(np.divmod(np.arange(16).repeat(4), 4), axis=1)
    assert 0.4 < vae.score(images, factors) <= 1
    assert vae.sample(5, seed=1).shape == (5, 1, 32, 32)
    np.testing.assert_array_equal(vae.sample(5, seed=1), vae.sample(5, seed=1))


def test_same_seed_same_codes_and_a_run_folder_on_request(
    images: np.ndarray, tmp_path: Path
) -> None:
    one = BetaVAE(latents=2, images=320, seed=4).fit(images, out=tmp_path).transform(images)
    two = BetaVAE(latents=2, images=320, seed=4).fit_transform(images)
    np.testing.assert_array_equal(one, two)
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_bad_input_is_one_line(images: np.ndarray) -> None:
    with pytest.raises(InputError, match="not fitted"):
        BetaVAE().transform(images)
    with pytest.raises(InputError, match="did you mean 'latents'"):
        BetaVAE(latent=3).fit(images)
    with pytest.raises(InputError, match="beta must be >= 0, got -1"):
        BetaVAE(beta=-1).fit(images)
    fitted = BetaVAE(latents=2, images=64).fit(images)
    with pytest.raises(InputError, match=r"codes must be \(N, 2\)"):
        fitted.inverse_transform(np.zeros((4, 3)))
