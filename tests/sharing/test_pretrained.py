"""Folders for the hub: what is written comes back, what is wrong is one line."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file

from betavae import BetaVAE
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.networks import NETWORKS
from betavae.models.vae import VAE
from betavae.runs.pretrained_folder import Pretrained, read_pretrained
from betavae.sharing.card import CROSS_ENTROPY
from betavae.sharing.pretrained import write_pretrained
from betavae.sharing.runs import export_run
from betavae.training.build import build_model
from betavae.training.checkpoint import digest_of_run
from command_line import fails, run_quietly
from small_runs import synthetic

FILES = {"config.json", "model.safetensors", "README.md", "traversal.png"}


@pytest.fixture(scope="module")
def fitted() -> BetaVAE:
    images = synthetic(64).images[np.arange(64)].numpy()
    return BetaVAE(latents=3, beta=0.1, images=640, random_state=0).fit(images)


@pytest.fixture
def saved(fitted: BetaVAE, tmp_path: Path) -> Path:
    return fitted.save_pretrained(tmp_path / "model")


def change(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, **changes}))


def test_what_is_saved_comes_back(fitted: BetaVAE, saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == FILES
    again = BetaVAE.from_pretrained(saved)
    images = synthetic(8).images[np.arange(8)].numpy()
    np.testing.assert_array_equal(again.transform(images), fitted.transform(images))
    np.testing.assert_array_equal(again.sample(3), fitted.sample(3))
    assert again.config_ == fitted.config_.replaced(data="array")
    assert again.n_features_in_ == 1024
    assert again.partial_fit(images).records_[-1].images == 8
    again.set_params(images=64).fit(images)  # its arguments are those it was made with


def test_tables_and_flat_images_come_back_in_their_form(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(np.random.default_rng(0).normal(5, 3, (40, 3)), columns=list("abc"))
    vae = BetaVAE(latents=2, images=200, objective={"name": "dip", "kind": "i"}).fit(table)
    again = BetaVAE.from_pretrained(vae.save_pretrained(tmp_path / "table"))
    assert {path.name for path in (tmp_path / "table").iterdir()} == FILES - {"traversal.png"}
    np.testing.assert_array_equal(again.transform(table), vae.transform(table))
    assert list(again.feature_names_in_) == list("abc")
    assert again.inverse_transform(vae.transform(table)).shape == (40, 3)
    assert again.config_.objective == vae.config_.objective
    rows = np.random.default_rng(0).integers(0, 2, (20, 48))
    vae = BetaVAE(latents=2, images=100, image_shape=(6, 8)).fit(rows)
    again = BetaVAE.from_pretrained(vae.save_pretrained(tmp_path / "rows"))
    np.testing.assert_array_equal(again.transform(rows), vae.transform(rows))
    assert again.inverse_transform(vae.transform(rows)).shape == (20, 48)
    again.fit(rows)


def test_the_card_shows_numbers_and_no_training_image(fitted: BetaVAE, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path, scores={"higgins2017": 0.9876})
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: betavae\n")
    for words in (
        "| higgins2017 | 0.9876 |",
        "β-VAE with β = 0.1",
        "traversal.png",
        "| latents | 3 |",
        CROSS_ENTROPY,
    ):
        assert words in card
    assert str(tmp_path) not in card + (tmp_path / "config.json").read_text()
    bare = BetaVAE.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    assert "## Numbers" not in (bare / "README.md").read_text()
    assert CROSS_ENTROPY not in (bare / "README.md").read_text()  # no nats, nothing to say of them


def test_the_card_of_another_likelihood_has_no_such_line(tmp_path: Path) -> None:
    images = synthetic(64).images[np.arange(64)].numpy()
    vae = BetaVAE(latents=2, beta=1, images=64, likelihood="continuous-bernoulli").fit(images)
    card = (vae.save_pretrained(tmp_path) / "README.md").read_text()
    assert "distortion, nats an image" in card
    assert CROSS_ENTROPY not in card


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_shap": [1, 32, 32]}, "unknown key 'image_shap'; did you mean 'image_shape'"),
        ({"image_shape": [1, 32]}, "image_shape.2"),
        ({"image_shape": [1, 50, 48]}, "multiples of 16 up to 256, got 50x48"),
        ({"image_shape": [1, 64, 64]}, "'encoder.1.weight' must have shape"),
        ({"library": "other"}, "library must be 'betavae', got 'other'"),
        ({"format": 2}, "format must be 1, got 2"),
        (
            {"config": {"latent": 3}},
            "latent must be one of gaussian, point, quantised, joint, custom, or a table",
        ),
        ({"config": {"latents": 10**12}}, "latents must be <= 100000"),
        ({"config": {"method": "pca"}}, "method must be vae, got pca"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_one_line(
    saved: Path, changes: dict[str, Any], words: str
) -> None:
    change(saved, **changes)
    with pytest.raises(InputError) as error:
        BetaVAE.from_pretrained(saved)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_weights_are_one_line(saved: Path) -> None:
    path = saved / "model.safetensors"
    right = load(path.read_bytes())  # not mapped: the file is written anew below
    first = next(iter(right))
    for wrong, words in (
        ({**right, "encoder.9.weight": torch.zeros(1)}, "unknown weights 'encoder.9.weight'"),
        ({k: v for k, v in right.items() if k != first}, f"lacks the weights '{first}'"),
        ({**right, first: right[first].double()}, "must be torch.float32, got torch.float64"),
    ):
        save_file(wrong, path)
        with pytest.raises(InputError, match=words):
            BetaVAE.from_pretrained(saved)
    path.write_bytes(b"\x80\x04cos\nsystem\n")  # a pickle is not even looked at
    with pytest.raises(InputError, match=r"cannot read .*model\.safetensors"):
        BetaVAE.from_pretrained(saved)
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.safetensors"):
        BetaVAE.from_pretrained(saved)
    (saved / "config.json").write_text("[1]")
    with pytest.raises(InputError, match="must hold a JSON object"):
        BetaVAE.from_pretrained(saved)


def test_a_run_becomes_a_folder(small_run: Path, tmp_path: Path) -> None:
    entry = {"score": 0.75, "details": {}, "weights": digest_of_run(small_run)}
    (small_run / "score.json").write_text(json.dumps({"higgins:higgins2017": entry}))
    written = export_run(small_run, "hub", tmp_path)
    assert {path.name for path in written} == FILES
    assert "| higgins (higgins2017) | 0.75 |" in (tmp_path / "README.md").read_text()
    images = synthetic(8).images[np.arange(8)].numpy()
    found = read_pretrained(tmp_path)
    assert found.config.data == "synthetic"
    codes = BetaVAE.from_pretrained(tmp_path).transform(images)
    with torch.no_grad():
        expected = found.model.code_means(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(codes, expected, atol=1e-6)
    ones = images.astype(np.uint8)  # as dSprites' own file has them: 1 is white
    np.testing.assert_allclose(BetaVAE.from_pretrained(tmp_path).transform(ones), codes, atol=1e-6)


def test_export_on_the_command_line(
    squares_run: Path, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_quietly("export", squares_run)
    assert str(squares_run / "hub" / "config.json") in capsys.readouterr().out
    run_quietly("train", squares, "--method", "pca", "--latents", 2, "--out", tmp_path / "pca")
    assert "only VAEs can be exported" in fails(capsys, "export", tmp_path / "pca")
    assert "flax" in fails(capsys, "export", squares_run, "--to", "flax")
    assert "is not a run folder" in fails(capsys, "export", tmp_path)


class FakeHub:
    """The calls made to the hub, on a folder; their arguments are checked for real."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import huggingface_hub
        from huggingface_hub import hub_mixin

        self.root = root
        self.asked: dict[str, Any] = {}
        self.api = create_autospec(huggingface_hub.HfApi)
        self.api.return_value.create_repo.side_effect = self.create
        self.api.return_value.upload_folder.side_effect = self.upload
        self.one = inspect.signature(hub_mixin.hf_hub_download)
        self.several = inspect.signature(huggingface_hub.snapshot_download)
        monkeypatch.setattr(hub_mixin, "HfApi", self.api)
        monkeypatch.setattr(hub_mixin, "hf_hub_download", self.hf_hub_download)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)

    def create(self, repo_id: str, **options: Any) -> Any:
        (self.root / repo_id).mkdir(parents=True)
        self.asked["create"] = options
        return SimpleNamespace(repo_id=repo_id)

    def upload(self, *, repo_id: str, folder_path: Path, **options: Any) -> Any:
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        self.asked["upload"] = options
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def hf_hub_download(self, repo_id: str, filename: str, **options: Any) -> str:
        self.one.bind(repo_id, filename, **options)
        if not (self.root / repo_id).is_dir():
            raise OSError(f"404 {repo_id}\nsecond line")
        return str(self.root / repo_id / filename)

    def snapshot_download(self, repo_id: str, **options: Any) -> str:
        self.several.bind(repo_id, **options)
        self.asked["download"] = options
        return str(self.root / repo_id)


def test_the_hub_takes_and_gives(
    fitted: BetaVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub(tmp_path, monkeypatch)
    where = fitted.push_to_hub("me/shapes", private=True, scores={"mig": 0.5}, branch="main")
    assert where == "https://hub/me/shapes/commit/1"
    assert {path.name for path in (tmp_path / "me" / "shapes").iterdir()} == FILES
    assert "| mig | 0.5 |" in (tmp_path / "me" / "shapes" / "README.md").read_text()
    assert hub.asked["create"] == {"private": True, "exist_ok": True}
    assert hub.asked["upload"]["revision"] == "main"
    again = BetaVAE.from_pretrained("me/shapes", revision="v1")
    np.testing.assert_array_equal(again.sample(2), fitted.sample(2))
    assert hub.asked["download"]["revision"] == "v1"
    assert set(hub.asked["download"]["allow_patterns"]) == {"config.json", "model.safetensors"}
    with pytest.raises(InputError, match=r"'me/nothing' is no folder here, .*: 404 me/nothing$"):
        BetaVAE.from_pretrained("me/nothing")
    with pytest.raises(InputError, match="a/b/c/d"):
        BetaVAE.from_pretrained("a/b/c/d")
    hub.api.return_value.create_repo.side_effect = OSError("401 no token")
    with pytest.raises(InputError, match="cannot push to me/shapes: 401 no token"):
        fitted.push_to_hub("me/shapes")


def test_the_hub_s_mixin_does_not_weaken_what_is_checked(
    fitted: BetaVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeHub(tmp_path, monkeypatch)
    fitted.push_to_hub("me/shapes")
    there = tmp_path / "me" / "shapes"
    change(there, pooling="max")
    with pytest.raises(InputError, match="unknown key 'pooling'"):
        BetaVAE.from_pretrained("me/shapes")
    fitted.save_pretrained(there)
    weights = there / "model.safetensors"
    save_file(dict(list(load(weights.read_bytes()).items())[1:]), weights)
    with pytest.raises(InputError, match="lacks the weights"):
        BetaVAE.from_pretrained("me/shapes")
    weights.rename(there / "pytorch_model.bin")  # what the mixin itself would unpickle
    with pytest.raises(InputError, match=r"cannot read .*model\.safetensors"):
        BetaVAE.from_pretrained("me/shapes")


def test_without_the_hub_s_library_one_line(
    fitted: BetaVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "betavae.sharing.hub", raising=False)
    with pytest.raises(InputError, match=r"pip install 'betavae\[hub\]'"):
        fitted.push_to_hub("me/shapes")
    with pytest.raises(InputError, match=r"pip install 'betavae\[hub\]'"):
        BetaVAE.from_pretrained("me/shapes")
    BetaVAE.from_pretrained(fitted.save_pretrained(tmp_path))  # folders need no hub


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_comes_back(network: str, tmp_path: Path) -> None:
    config = Config(network=network, latents=2, beta=1)
    model = build_model(config, (1, 32, 32)).eval()
    assert isinstance(model, VAE)
    write_pretrained(tmp_path, Pretrained(model, config, (1, 32, 32)))
    again = read_pretrained(tmp_path).model
    codes = torch.ones(1, 2)
    torch.testing.assert_close(again.decode(codes), model.decode(codes), rtol=0, atol=1e-6)
