from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import betavae.data
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.vae import VAE
from betavae.runs.latent_ranges import Scale
from betavae.runs.opened import open_run, seed_rows
from betavae.runs.traversals import traverse, write_traversals
from betavae.training.build import build_model
from betavae.training.records import read_records
from small_runs import synthetic

RATES = np.array([0.5, 3.0, 0.0, 2.0])


@pytest.fixture(scope="module")
def vae() -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = Config(network="patch", latents=4)
        return build_model(config, (1, 32, 32)).eval()


@pytest.fixture(scope="module")
def seeds() -> torch.Tensor:
    return synthetic().images[[0, 1, 2]]


def test_each_row_decodes_the_seeds_code_with_one_latent_replaced(
    vae: VAE, seeds: torch.Tensor
) -> None:
    shown = traverse(vae, seeds, Scale.of_rates(RATES), steps=7, batch=5)
    assert shown.images.shape == (4, 3, 7, 1, 32, 32)
    assert shown.values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    with torch.inference_mode():
        codes = vae.encode(seeds).mean
        for place, latent in enumerate(shown.latents):
            for row in range(3):
                replaced = codes[row].repeat(7, 1)
                replaced[:, latent] = torch.tensor(shown.values)
                expected = vae.decode(replaced).numpy()
                assert np.allclose(shown.images[place, row], expected, atol=1e-6)
    assert np.allclose(shown.codes, codes.numpy())
    assert np.array_equal(shown.inputs, seeds.numpy())


def test_latents_come_in_the_order_of_their_rates(vae: VAE, seeds: torch.Tensor) -> None:
    shown = traverse(vae, seeds, Scale.of_rates(RATES))
    assert shown.latents.tolist() == [1, 3, 0, 2]
    assert shown.amounts.tolist() == [3.0, 2.0, 0.5, 0.0]
    assert traverse(vae, seeds, Scale.of_rates(RATES), latents=[2, 3]).latents.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 1}, "steps must be >= 2, got 1"),
        ({"span": 0.0}, "span must be a number > 0, got 0"),
        ({"span": float("nan")}, "span must be a number > 0, got nan"),
        ({"latents": [4]}, "latents must be in 0..3, got 4"),
        ({"latents": [1, 1]}, "latents must name each latent once"),
        ({"latents": []}, "latents must name each latent once"),
        ({"scale": Scale.of_rates(RATES[:2])}, "rates must be (4,), one a latent, got shape (2,)"),
        ({"seeds": torch.zeros(0, 1, 32, 32)}, "seeds must be images (S, C, H, W)"),
    ],
)
def test_bad_input_ends_in_one_line(
    vae: VAE,
    seeds: torch.Tensor,
    change: dict,
    message: str,  # type: ignore[type-arg]
) -> None:
    given = {"seeds": seeds, "scale": Scale.of_rates(RATES), **change}
    with pytest.raises(InputError) as error:
        traverse(vae, given.pop("seeds"), given.pop("scale"), **given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_seed_images_show_every_shape_in_turn_and_follow_the_generator() -> None:
    dataset = synthetic()
    rows = seed_rows(dataset, 6, np.random.default_rng(0))
    assert dataset.factors(rows)[:, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(set(rows.tolist())) == 6
    assert np.array_equal(rows, seed_rows(dataset, 6, np.random.default_rng(0)))
    assert not np.array_equal(rows, seed_rows(dataset, 6, np.random.default_rng(1)))
    assert seed_rows(dataset, [5, 9], np.random.default_rng(0)).tolist() == [5, 9]


def test_the_2d_shapes_show_a_square_an_ellipse_and_a_heart() -> None:
    from betavae.data.dataset import Dataset
    from betavae.data.images import ImageStore
    from betavae.data.shapes2d import FACTORS

    nothing = np.broadcast_to(np.uint8(0), (len(FACTORS), 512))
    store = ImageStore(nothing, (1, 64, 64), packed=True)
    dataset = Dataset("shapes2d", store, FACTORS, None, FACTORS.names)
    rows = seed_rows(dataset, 3, np.random.default_rng(0))
    assert FACTORS.classes(rows)[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("seeds", [0, 10_000, [], [-1], [240]])
def test_seed_images_that_are_not_there_are_refused(seeds: object) -> None:
    with pytest.raises(InputError, match="must be"):
        seed_rows(synthetic(), seeds, np.random.default_rng(0))  # type: ignore[arg-type]


def test_a_runs_rates_are_measured_on_its_data(small_run: Path) -> None:
    run = open_run(small_run)
    images = run.dataset.images[np.arange(240)]
    posterior = run.model.encode(images)
    found = torch.distributions.Normal(posterior.mean, posterior.stddev)
    prior = torch.distributions.Normal(0.0, 1.0)
    exact = torch.distributions.kl_divergence(found, prior).mean(dim=0)
    assert np.allclose(run.rates, exact.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert run.sample == 240
    assert run.images_seen == 800
    assert run.distortion == pytest.approx(run.records[-1].distortion, rel=0.5)


def test_pictures_are_written_for_paper_and_screen(small_run: Path) -> None:
    before = {path.name for path in small_run.iterdir()}
    paths = write_traversals(small_run, steps=5)
    assert [path.name for path in paths] == ["traversal.png", "traversal.gif"]
    assert {path.name for path in small_run.iterdir()} == before | {
        "traversal.png",
        "traversal.gif",
    }
    with Image.open(paths[0]) as still, Image.open(paths[1]) as moving:
        assert still.width == 2025
        assert moving.n_frames == 40


@pytest.mark.slow
def test_pictures_go_where_asked_and_come_out_the_same(small_run: Path, tmp_path: Path) -> None:
    first = write_traversals(small_run, tmp_path / "a", seeds=[3, 4], latents=[0, 2], seed=5)
    again = write_traversals(small_run, tmp_path / "b", seeds=[3, 4], latents=[0, 2], seed=5)
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_nothing_is_written_when_an_option_is_wrong(small_run: Path) -> None:
    before = {path.name for path in small_run.iterdir()}
    with pytest.raises(InputError, match="latents must be in"):
        write_traversals(small_run, latents=[9])
    assert {path.name for path in small_run.iterdir()} == before


def test_data_that_changed_shape_is_refused(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(betavae.data, "load", lambda name, **_: synthetic(side=64))
    with pytest.raises(InputError, match="trained on images of shape"):
        write_traversals(small_run)


def test_a_torn_last_record_is_left_out_and_a_damaged_file_refused(tmp_path: Path) -> None:
    line = (
        '{"images": 1, "seconds": 1, "loss": 1, "distortion": 1, "rate": 1, "rate_per_latent": [1],'
        ' "active_latents": 1, "beta": 1, "beta_norm": 1, "learning_rate": 1,'
        ' "images_per_second": 1}'
    )
    path = tmp_path / "metrics.jsonl"
    assert read_records(path) == []
    path.write_text(f"{line}\n{line[:40]}")
    assert len(read_records(path)) == 1
    path.write_text(f"{line[:40]}\n{line}\n")
    with pytest.raises(InputError, match="line 1 is not a record"):
        read_records(path)
