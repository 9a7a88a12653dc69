"""New science from outside the package: everything a method is made of, none of it registered."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from betavae import BetaVAE, Config, InputError, evaluate, train
from betavae.data.batches import Batch, Draw, Rows
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.models.vae import VAE
from betavae.objectives import Step, Terms, asks
from betavae.runs.opened import open_run
from betavae.runs.representation import represent
from betavae.training.build import Own
from betavae.training.checkpoint import load_model


def bars() -> Dataset:  # a data set: a grid of factors and its images
    grid = Factors(("row", "width"), (12, 5))
    pixels = np.zeros((len(grid), 1, 16, 16), np.uint8)
    for image, (row, width) in zip(pixels, grid.table(), strict=True):
        image[:, row : row + 2, : 3 * width + 2] = 1
    return Dataset("bars", ImageStore.from_binary(pixels), grid, None, grid.names)


def mirrored(dataset: Dataset, batch: int, seed: int) -> Draw:  # a sampler: a row and its mirror
    rows = len(dataset.images)

    def draw(step: int) -> Rows:
        rng = np.random.default_rng((seed, step))
        chosen = torch.from_numpy(rng.integers(rows, size=batch))
        return Rows(chosen, rows - 1 - chosen)

    return draw


class Rounded(NamedTuple):  # a latent: numbers rounded to halves, straight through
    raw: Tensor

    @property
    def codes(self) -> Tensor:
        return self.raw + ((2 * self.raw).round() / 2 - self.raw).detach()

    def sample(self, noise: Tensor) -> Tensor:
        return self.codes

    def rate_per_latent(self) -> Tensor:
        return self.raw.square().mean(dim=0)

    def arrays(self) -> dict[str, Tensor]:
        return {"raw": self.raw}

    def map(self, function: object) -> Rounded:
        return Rounded(function(self.raw))  # type: ignore[operator]


class Halves(nn.Module):
    latents = encoder_outputs = decoder_inputs = 3
    noise_columns = 0

    def forward(self, parameters: Tensor) -> Rounded:
        return Rounded(parameters)

    def prior(self, noise: Tensor) -> Tensor:
        return torch.zeros(len(noise), 3)

    def decoder_codes(self, codes: Tensor) -> Tensor:
        return codes

    def levels(self, latent: int, count: int, limit: float) -> Tensor:
        return torch.arange(-limit, limit + 0.5, 0.5)


def thin(image_shape: tuple[int, int, int], latents: int) -> tuple[nn.Module, nn.Module]:
    pixels = int(np.prod(image_shape))  # a network, its decoder without a Linear layer
    decoder = nn.Sequential(
        nn.Unflatten(1, (latents, 1, 1)), nn.ConvTranspose2d(latents, 1, image_shape[1:])
    )
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, latents)), decoder


def alike(model: VAE, batch: Batch, step: Step) -> Terms:  # an objective: mirrored images differ
    assert batch.other is not None
    found = step.forward(model, torch.cat((batch.images, batch.other)))
    one, two = found.posterior.codes.chunk(2)
    apart = torch.exp(-(one - two).square().sum(dim=1)).mean()
    return Terms.of(found, found.distortion + 0.1 * found.rate + apart, {"apart": apart})


def spread_score(codes: np.ndarray, factors: np.ndarray) -> float:  # a metric: two arrays
    groups = [codes[factors[:, 0] == value].mean(axis=0) for value in np.unique(factors[:, 0])]
    return float(np.std(groups, axis=0).max() / codes.std(axis=0).max())


def test_all_of_it_trains_scores_and_draws(tmp_path: Path) -> None:
    data, objective = bars(), asks(alike, sampler=mirrored)
    config = Config(images=6400, batch=32, learning_rate=1e-2)
    run = train(
        config, data, tmp_path, objective=objective, network=thin, latent=Halves(), progress=False
    )
    assert run.records[-1].distortion < 0.7 * run.records[0].distortion
    model, header = load_model(tmp_path, Own(network=thin, latent=Halves()))
    assert header.config.latents == 3
    codes = represent(model, data)
    assert np.array_equal(codes.codes * 2, np.rint(codes.codes * 2))
    assert codes.arrays["raw"].shape == (60, 3)
    assert codes.factors is not None
    assert spread_score(codes.codes, codes.factors) > 0.3
    scores = evaluate(codes.codes, codes.factors, metrics="mig,modularity")
    assert 0 <= scores["mig:locatello2019"].score <= 1
    assert model.decode(torch.stack([torch.zeros(3), torch.ones(3)])).shape == (2, 1, 16, 16)


def test_loading_executes_nothing_that_a_run_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(images=32, latents=3, latent="point")
    train(config, bars(), tmp_path, network=thin, progress=False)
    with pytest.raises(InputError, match=r"code of your own, test_outside:thin: .*BETAVAE_TRUST"):
        load_model(tmp_path)
    monkeypatch.setenv("BETAVAE_TRUST", "test_outside")
    monkeypatch.setattr("betavae.data.load", lambda *_, **__: bars())
    assert open_run(tmp_path).model.latents == 3


def test_an_estimator_takes_a_pair_of_modules() -> None:
    images, pair = bars().images[:].numpy(), thin((1, 16, 16), 2)
    before = [weight.clone() for weight in pair[0].parameters()]
    vae = BetaVAE(2, network=pair, latent="point", images=64, random_state=0).fit(images)
    assert vae.transform(images).shape == (60, 2)
    assert all(map(torch.equal, before, pair[0].parameters()))  # a copy is trained
    with pytest.raises(InputError, match=r"encoder must turn \(2, 1, 16, 16\) into \(2, 4\)"):
        BetaVAE(2, network=pair, images=64).fit(images)
