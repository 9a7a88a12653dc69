"""What is trained without an objective: it follows from the images, and what is given wins."""

from __future__ import annotations

import numpy as np
import pytest

from betavae import BetaVAE
from betavae.config import Config
from betavae.config.suited import Kind, preset, suited
from betavae.data import load
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.models.centred import Restored
from betavae.studies.training_runs import default_folder
from betavae.training.fit import train


def pictures(count: int = 120, channels: int = 3, side: int = 32, levels: int = 256) -> Dataset:
    """Soft pictures around a bright mean, as photos are, or black and white ones of 2 levels."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, side)
    slopes = rng.normal(size=(count, channels, 1, 1))
    values = 0.7 + 0.2 * slopes * (ramp[:, None] - 0.5)
    pixels = (values * np.ones(side)).clip(0, 1) * (levels - 1)
    return Dataset(
        "own", ImageStore.from_uint8((pixels.round() * (255 / (levels - 1))).astype("u1"))
    )


def test_each_kind_of_images_gets_its_own() -> None:
    assert preset(Kind(737_280, (1, 64, 64), True, True)) == {}
    assert preset(Kind(300, (1, 64, 64), True, False)) == {"hold_out": 0.1}
    colour = preset(Kind(300, (3, 128, 128), False, False))
    assert (colour["network"], colour["latents"], colour["augment"]) == ("photo", 32, "flip,crop")
    grey = preset(Kind(1_797, (1, 64, 64), False, True))
    assert (grey["latents"], grey["batch"]) == (10, 16)
    assert grey["augment"] == "crop"
    assert preset(Kind(300, (3, 64, 64), False, True))["augment"] == "crop"
    assert "augment" not in preset(Kind(300, (3, 64, 64), False, True, True))
    assert preset(Kind(300, (1, 64, 64), False, False))["augment"] == "crop"  # digits have a side
    assert preset(Kind(1_797, (1, 8, 8), False, False))["latents"] == 10
    large = preset(Kind(200_000, (3, 64, 64), False, False))
    assert not {"hold_out", "augment"} & large.keys()
    assert large["images"] == 400_000
    assert preset(Kind(50, (3, 30, 30), False, False))["network"] == "mlp"


@pytest.mark.parametrize(
    "given",
    [
        {"latents": 7}, {"network": "conv"}, {"batch": 5}, {"images": 4_000}, {"hold_out": 4},
        {"likelihood": "bernoulli"}, {"likelihood": {"name": "gaussian", "sigma": 0.2}},
        {"learning_rate": 2e-3}, {"learning_rate_schedule": "constant"}, {"optimiser": "muon"},
        {"augment": "flip"}, {"augment": "none"}, {"hold_out": 0}, {"seed": 3},
    ],
)  # fmt: skip
def test_what_is_given_wins(given: dict[str, object]) -> None:
    chosen, lines = suited(Config.from_mapping(given), pictures())
    assert chosen == Config.from_mapping(chosen.given())
    assert chosen.objective.name == "beta"
    kept = chosen.model_dump()
    for name, value in Config.from_mapping(given).given().items():
        if isinstance(value, dict):
            assert value.items() <= kept[name].items()
        else:
            assert kept[name] == value
    assert lines[0].startswith("120 colour images of 32x32")
    assert lines[-1].endswith("you give win")
    assert suited(chosen, pictures()) == (chosen, ())  # chosen once


@pytest.mark.parametrize(
    "chosen", [{"beta": 4}, {"objective": "tcvae"}, {"method": "pca"}, {"latent": "point"}]
)
def test_an_objective_of_the_users_own_leaves_all_as_it_is(chosen: dict[str, object]) -> None:
    config = Config.from_mapping(chosen)
    assert suited(config, pictures()) == (config, ())


def test_black_and_white_images_keep_the_recipe_of_five_factors() -> None:
    config, lines = suited(Config(), pictures(levels=2))
    assert config.objective.name == "settle"
    assert config.hold_out == 0.1
    assert len(lines) == 1
    assert "a tenth is held out" in lines[0]
    assert suited(Config(), pictures(20, levels=2)) == (Config(), ())


def test_python_and_command_line_have_one_rule() -> None:
    run = train(Config(images=640), pictures(), progress=False)
    fitted = BetaVAE(images=640, random_state=0).fit(pictures())
    assert run.config.network == fitted.config_.network == "photo"
    assert run.config.replaced(data="own") == fitted.config_
    assert "held_out_distortion" in run.records[-1].terms
    streamed = BetaVAE(images=640, random_state=0).partial_fit(pictures())
    assert streamed.config_ == fitted.config_
    assert str(default_folder(Config(data="photos/"))) == "runs/photos-preset-seed0"


def test_pictures_begin_at_their_mean_image() -> None:
    dataset = pictures()
    run = train(Config(images=0), dataset, progress=False)
    (last,) = (m for m in run.model.modules() if isinstance(m, Restored))
    assert run.config.hold_out == 0.1
    mean = dataset.images[:].mean(dim=0)
    assert float((last.image - mean).abs().max()) < 0.02  # of the images that are trained on
    outputs = run.model.reconstruct(dataset.images[:]).detach()
    assert float((outputs - mean).square().mean()) < 0.01


def test_a_mean_image_is_a_logit_where_pixels_are_bernoulli() -> None:
    dataset = pictures()
    run = train(Config(images=0, likelihood="bernoulli"), dataset, progress=False)
    outputs = run.model.reconstruct(dataset.images[:]).detach()
    assert float((outputs - dataset.images[:].mean(dim=0)).abs().mean()) < 0.05


def test_several_processes_do_not_vary_their_images() -> None:
    assert suited(Config(), pictures())[0].augment == "flip,crop"
    assert suited(Config(), pictures(), alone=False)[0].augment is None


def test_nothing_is_held_out_or_varied_where_that_is_said() -> None:
    config = Config(images=64, hold_out=0, augment="none")
    run = train(config, pictures(), progress=False)
    assert (run.config.hold_out, run.config.augment) == (0, "none")
    assert "held_out_distortion" not in run.records[-1].terms


def test_sets_that_are_made_here_are_looked_at() -> None:
    config, lines = suited(Config(data="scenes3d"), load("scenes3d"))
    assert (config.network, config.latents, config.hold_out) == ("photo", 10, None)
    assert lines[0].startswith("480,000 colour images of 64x64")
