from __future__ import annotations

from pathlib import Path
from typing import Any

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


def test_an_objective_may_be_a_function(images: np.ndarray, tmp_path: Path) -> None:
    from betavae.objectives import Step, Terms, tcvae
    from betavae.training.checkpoint import read_header

    fitted = BetaVAE(latents=2, images=64, objective=tcvae(beta=6)).fit(images, out=tmp_path)
    assert "tc_estimate" in fitted.records_[-1].extras
    assert read_header(tmp_path).config.objective.name == "custom"

    def own(model: Any, batch: Any, step: Step) -> Terms:
        found = step.forward(model, batch)
        return Terms.of(found, found.distortion + 2 * found.rate, beta=2.0)

    assert BetaVAE(latents=2, images=64, objective=own).fit(images).records_[-1].beta == 2.0
    named = BetaVAE(latents=2, images=64, objective={"name": "dip", "kind": "i"}).fit(images)
    assert named.config_.objective.kind == "i"


def test_a_second_fit_with_a_stateful_objective_starts_afresh(images: np.ndarray) -> None:
    from betavae.objectives import constrained

    vae = BetaVAE(latents=2, images=320, objective=constrained(3.0, step_size=0.1))
    first = vae.fit(images).records_[-1].extras
    assert first["multiplier"] != 1
    assert vae.fit(images).records_[-1].extras == first
