from __future__ import annotations

import inspect
import math
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from betavae import BetaVAE
from betavae._system import notes
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.estimator import OWN
from betavae.metrics import factor_table, higgins_score
from betavae.models.likelihoods import NO_LIKELIHOOD
from betavae.training.fit import train


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rows, columns = np.divmod(np.arange(16).repeat(4), 4)
    out = np.zeros((64, 32, 32), np.uint8)
    for image, row, column in zip(out, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    return out


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    values, labels = load_digits(return_X_y=True)
    return values[:600] / 16, labels[:600]


# `parametrize_with_checks` of scikit-learn 1.7, the last for Python 3.10, gives pytest a generator,
# which this pytest warns of.
CHECKS = list(estimator_checks_generator(BetaVAE(latents=2, images=64)))


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=[check.func.__name__ for _, check in CHECKS]
)
def test_scikit_learn_s_own_checks(estimator: BetaVAE, check: Any) -> None:
    check(estimator)


def test_what_is_not_given_has_the_configurations_default(images: np.ndarray) -> None:
    arguments = inspect.signature(BetaVAE.__init__).parameters
    assert {arguments[name].default for name in set(arguments) - {"self", *OWN}} == {None}
    fitted = BetaVAE(images=64, random_state=0).fit(images)
    assert fitted.config_ == Config(images=64, data="array")


@pytest.mark.slow
def test_fit_transform_inverse_score_sample(images: np.ndarray) -> None:
    vae = BetaVAE(latents=3, beta=0.1, images=12_800, batch=32, random_state=0).fit(images)
    codes = vae.transform(images)
    assert codes.shape == (64, 3)
    back = vae.inverse_transform(codes)
    error = np.abs(back[:, 0] - images / 255).mean()
    assert error < 0.5 * np.abs(images / 255 - (images / 255).mean(0)).mean()
    factors = np.stack(np.divmod(np.arange(16).repeat(4), 4), axis=1)
    assert 0.4 < vae.score(images, factors) <= 1
    assert vae.sample(5, random_state=1).shape == (5, 1, 32, 32)
    np.testing.assert_array_equal(vae.sample(5, random_state=1), vae.sample(5, random_state=1))
    np.testing.assert_array_equal(vae.sample(5), vae.sample(5, random_state=0))


def test_score_counts_codes_in_the_priors_unit_and_knows_names() -> None:
    """An untrained model's codes vary by thousandths; blown up to a unit they used to score."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 3, (600, 5))
    images = np.zeros((600, 32, 32), np.float32)
    for k in range(5):
        images[np.arange(600), 6 * k, 6 * factors[:, k]] = 1
    vae = BetaVAE(images=0, latents=3).fit(images)
    codes = vae.transform(images)
    own = higgins_score(codes, factors, unit="prior").score
    assert vae.score(images, factors) == own
    named = factor_table(factors, ("shape", "scale", "orientation", "posX", "posY"))
    assert vae.score(images, named) == higgins_score(codes, named, unit="prior").score
    assert higgins_score(codes, named).about.left_out == ("shape (resampled freely)",)


def test_fit_says_once_that_nats_of_grey_images_are_no_likelihood(
    images: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_said", set())
    few: dict[str, Any] = {"latents": 2, "beta": 1, "images": 64}
    BetaVAE(**few).fit(images)
    assert NO_LIKELIHOOD not in capsys.readouterr().err  # pixels of 0 and 1
    grey = images // 2 + 20
    BetaVAE(**few, likelihood="continuous-bernoulli").fit(grey)
    assert NO_LIKELIHOOD not in capsys.readouterr().err
    BetaVAE(**few).fit(grey)
    BetaVAE(**few).partial_fit(grey)
    assert capsys.readouterr().err.count(NO_LIKELIHOOD) == 1


@pytest.mark.slow
def test_score_without_factors_is_the_evidence_lower_bound(images: np.ndarray) -> None:
    vae = BetaVAE(latents=2, beta=0.1, images=6400, batch=32, random_state=0).fit(images)
    pixels = torch.from_numpy(images[:, None] / np.float32(255))
    with torch.no_grad():
        posterior = vae.model_.encode(pixels)
        prior = torch.distributions.Normal(0.0, 1.0)
        posterior = torch.distributions.Normal(posterior.mean, posterior.stddev)
        rate = torch.distributions.kl_divergence(posterior, prior).sum(1).mean()
        draws = [
            torch.distributions.Bernoulli(probs=vae.model_.decode(posterior.sample()))
            .log_prob(pixels.round()).flatten(1).sum(1).mean()
            for _ in range(50)
        ]  # fmt: skip
    expected = float(torch.stack(draws).mean() - rate)
    assert vae.score(images) == pytest.approx(expected, rel=0.02)
    assert vae.score(images, np.arange(64)) == vae.score(images)  # labels are no factors
    untrained = BetaVAE(latents=2, images=0, random_state=0).fit(images)
    assert vae.score(images) > untrained.score(images)


@pytest.mark.slow
def test_random_state_is_the_seed(images: np.ndarray, tmp_path: Path) -> None:
    one = BetaVAE(latents=2, images=320, random_state=4).fit(images, out=tmp_path)
    two = BetaVAE(latents=2, images=320, random_state=4).fit_transform(images)
    np.testing.assert_array_equal(one.transform(images), two)
    assert (tmp_path / "checkpoint.safetensors").exists()
    config = Config(latents=2, images=320, seed=4)
    run = train(config, Dataset("array", ImageStore.from_uint8(images[:, None])), progress=False)
    for ours, theirs in zip(one.model_.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    np.random.seed(3)  # noqa: NPY002
    first, second = (BetaVAE(latents=2, images=0).fit(images).config_.seed for _ in range(2))
    np.random.seed(3)  # noqa: NPY002
    assert first != second
    assert BetaVAE(latents=2, images=0).fit(images).config_.seed == first
    drawn = BetaVAE(images=0, random_state=np.random.RandomState(3)).fit(images).config_.seed
    assert drawn == first


@pytest.mark.slow
def test_every_layout_of_the_same_images_is_the_same(images: np.ndarray) -> None:
    settings = {"latents": 2, "images": 320, "random_state": 0}
    codes = BetaVAE(**settings).fit_transform(images)
    flat = BetaVAE(**settings, image_shape=(32, 32)).fit(images.reshape(64, -1))
    np.testing.assert_array_equal(flat.transform(images.reshape(64, -1)), codes)
    np.testing.assert_array_equal(flat.transform(images), codes)
    assert flat.inverse_transform(codes).shape == (64, 1024)
    assert flat.n_features_in_ == 1024
    others = (
        images[:, None], images[..., None], images > 0, images // 255, images / 255,
        images.tolist(), torch.from_numpy(images), ImageStore.from_uint8(images[:, None]),
        Dataset("mine", ImageStore.from_uint8(images[:, None])),
    )  # fmt: skip
    for other in others:
        vae = BetaVAE(**settings).fit(other)
        np.testing.assert_allclose(vae.transform(other), codes, atol=1e-6)


def test_later_images_are_read_on_the_scale_of_the_first(images: np.ndarray) -> None:
    dark = np.ones((1, 32, 32), np.uint8)
    grey = BetaVAE(latents=2, images=64, random_state=0).fit(images)
    np.testing.assert_allclose(grey.transform(dark), grey.transform(dark / 255), atol=1e-6)
    binary = BetaVAE(latents=2, images=64, random_state=0).fit(images // 255)
    np.testing.assert_allclose(binary.transform(dark), binary.transform(dark * 1.0), atol=1e-6)
    with pytest.raises(InputError, match="X must be binary as in fit, 0 and 1, got 255"):
        binary.transform(images)


def test_bad_input_is_one_line(images: np.ndarray) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        BetaVAE().transform(images)
    with pytest.raises(TypeError, match="latens"):
        BetaVAE(latens=3)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="beta must be >= 0, got -1"):
        BetaVAE(beta=-1).fit(images)
    with pytest.raises(InputError, match=r"network must be .*, got 'conf'; did you mean 'conv'"):
        BetaVAE(network="conf").fit(images)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"image_shape must be .* of the 1024 .*got \(30, 30\)"):
        BetaVAE(image_shape=(30, 30)).fit(images.reshape(64, -1))
    with pytest.raises(InputError, match=r"must lie in \[0, 1\], got 255 in image 0; divide by"):
        BetaVAE().fit(images.astype(float))
    with pytest.raises(InputError, match="networks fc and mlp take any size"):
        BetaVAE(network="conv").fit(images[:, :8, :8])
    with pytest.raises(InputError, match="likelihood bernoulli, got -1; gaussian takes any"):
        BetaVAE(likelihood="bernoulli").fit([[0.0, -1.0], [2.0, 0.0]])
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        BetaVAE().fit(images[:1])
    fitted = BetaVAE(latents=2, images=64).fit(images)
    with pytest.raises(InputError, match=r"codes must be \(N, 2\)"):
        fitted.inverse_transform(np.zeros((4, 3)))
    with pytest.raises(InputError, match=r"shape \(1, 32, 32\) .* as in fit, got \(1, 32, 16\)"):
        fitted.transform(images[:, :, :16])


def test_small_and_oblong_images_take_the_fully_connected_network() -> None:
    oblong = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3) % 2  # 15 pixels, no whole byte
    vae = BetaVAE(latents=2, images=60).fit(oblong)
    assert vae.config_.network == "mlp"
    assert vae.inverse_transform(vae.transform(oblong)).shape == (6, 1, 5, 3)


@pytest.mark.slow
def test_tables_keep_their_range() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 1))
    table = hidden @ np.array([[3.0, -2.0, 1.0]]) + [10, 0, -5] + 0.05 * rng.normal(size=(400, 3))
    vae = BetaVAE(latents=1, beta=1, images=40_000, batch=32, random_state=0)
    line = make_pipeline(StandardScaler(), vae).fit(table)
    codes = line.transform(table)
    assert codes.dtype == np.float32
    assert abs(np.corrcoef(codes[:, 0], hidden[:, 0])[0, 1]) > 0.95
    back = line.inverse_transform(codes)
    assert 1 - ((back - table) ** 2).sum() / ((table - table.mean(0)) ** 2).sum() > 0.95
    assert vae.config_.likelihood.name == "gaussian"


@pytest.mark.slow
def test_downstream_of_the_codes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    vae = BetaVAE(latents=10, beta=0.3, image_shape=(8, 8), images=20_000, batch=32, random_state=0)
    line = make_pipeline(vae, LogisticRegression(max_iter=1000))
    scores = cross_val_score(line, values, labels, cv=3)
    assert scores.min() > 0.7  # chance is 0.1
    grid = GridSearchCV(
        make_pipeline(clone(vae).set_params(images=4000), LogisticRegression(max_iter=1000)),
        {"betavae__beta": [0.3, 1000], "betavae__latents": np.array([4])},
        cv=2,
    ).fit(values, labels)
    assert grid.best_params_["betavae__beta"] == 0.3


def test_set_output_names_the_codes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(digits[0]).add_prefix("pixel")
    vae = BetaVAE(latents=2, images=64, image_shape=(8, 8)).set_output(transform="pandas")
    codes = vae.fit_transform(frame)
    assert list(codes.columns) == ["betavae0", "betavae1"] == list(vae.get_feature_names_out())
    assert list(vae.feature_names_in_) == list(frame.columns)
    assert vae.inverse_transform(codes).shape == (600, 64)
    assert -math.inf < vae.score(frame) < 0


def test_an_objective_may_be_a_function(images: np.ndarray, tmp_path: Path) -> None:
    from betavae.objectives import Step, Terms, tcvae
    from betavae.training.checkpoint import read_header

    fitted = BetaVAE(latents=2, images=64, objective=tcvae(beta=6)).fit(images, out=tmp_path)
    assert "tc_estimate" in fitted.records_[-1].terms
    header = read_header(tmp_path)
    assert (header.config.objective.name, header.config.data) == ("custom", "array")

    def own(model: Any, batch: Any, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        return Terms.of(found, found.distortion + 2 * found.rate, {"beta": 2.0})

    assert BetaVAE(latents=2, images=64, objective=own).fit(images).records_[-1].beta == 2.0
    assert BetaVAE(latents=2, objective=own).partial_fit(images).records_[-1].beta == 2.0
    named = BetaVAE(latents=2, images=64, objective={"name": "dip", "kind": "i"}).fit(images)
    assert named.config_.objective.kind == "i"


def test_a_second_fit_with_a_stateful_objective_starts_afresh(images: np.ndarray) -> None:
    from betavae.objectives import constrained

    objective = constrained(3.0, step_size=0.1)
    vae = BetaVAE(latents=2, images=320, objective=objective, random_state=0)
    first = vae.fit(images).records_[-1].terms
    assert first["multiplier"] != 1
    assert vae.fit(images).records_[-1].terms == first


class Counting(ImageStore):
    """Counts how often each row is asked for."""

    def batch(self, rows: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
        self.seen = getattr(self, "seen", torch.zeros(len(self))).index_add(
            0, rows, torch.ones(len(rows))
        )
        return super().batch(rows, device)


@pytest.mark.slow
def test_partial_fit_shows_every_image_once(images: np.ndarray) -> None:
    store = Counting(images[:61, None], (1, 32, 32), packed=False)
    vae = BetaVAE(latents=2, beta=0.1, random_state=0).partial_fit(store)
    assert store.seen.tolist() == [1] * 61
    for _ in range(60):
        vae.partial_fit(images)
    assert vae.records_[-1].images == 61 + 60 * 64
    assert vae.records_[-1].distortion < 0.5 * vae.records_[0].distortion
    assert vae.partial_fit(images[:1]).records_[-1].images == 62 + 60 * 64


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["beta", "constrained", "factor"])
def test_a_pickled_stream_goes_on_to_the_same_weights(images: np.ndarray, objective: str) -> None:
    def stream() -> BetaVAE:
        vae = BetaVAE(latents=2, objective=objective, random_state=0)
        return vae.partial_fit(images[:40]).partial_fit(images[40:])

    through = stream().partial_fit(images[:40])
    stored = pickle.loads(pickle.dumps(stream())).partial_fit(images[:40])
    assert through.records_[-1].loss == stored.records_[-1].loss
    for ours, theirs in zip(through.model_.parameters(), stored.model_.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_partial_fit_goes_on_from_fit(images: np.ndarray) -> None:
    vae = BetaVAE(latents=2, beta=0.1, images=6400, random_state=0).fit(images)
    before = vae.records_[-1]
    vae.partial_fit(images)
    assert vae.records_[-1].images == before.images + 64
    assert vae.records_[-1].distortion < 1.5 * before.distortion


def test_joblib_keeps_the_codes(images: np.ndarray, tmp_path: Path) -> None:
    vae = BetaVAE(latents=2, images=320, random_state=0).fit(images)
    joblib.dump(vae, tmp_path / "vae.joblib")
    again = joblib.load(tmp_path / "vae.joblib")
    np.testing.assert_array_equal(again.transform(images), vae.transform(images))
    np.testing.assert_array_equal(again.sample(2), vae.sample(2))
