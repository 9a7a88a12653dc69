"""Exported encoders and decoders against the model they came from."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from betavae._system.errors import InputError
from betavae._system.stamps import KEY
from betavae.config import Config
from betavae.models.networks import NETWORKS
from betavae.models.vae import VAE
from betavae.runs.made import current_weights
from betavae.sharing.programs import export_onnx, export_torch
from betavae.sharing.runs import export_run
from betavae.training.build import build_model
from betavae.training.checkpoint import load_model, weights_digest

SHAPES = {"patch": (1, 32, 32), "conv": (3, 64, 64), "mlp": (1, 1, 7), "fc": (1, 8, 6)}


def made(network: str) -> tuple[VAE, tuple[int, int, int]]:
    shape = SHAPES.get(network, (3, 32, 32))
    likelihood = "gaussian" if network in ("mlp", "conv") else "bernoulli"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = Config.from_mapping({"network": network, "latents": 3, "likelihood": likelihood})
        return build_model(config, shape).eval(), shape


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_onnxruntime_gives_what_torch_gives(network: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model, shape = made(network)
    encoder, decoder = (
        runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in export_onnx(model, shape, tmp_path)
    )
    for batch in (1, 5):
        images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = [part.numpy() for part in model.encode(images)]
            pictures = model.decode(torch.from_numpy(expected[0])).numpy()
        mean, log_var = encoder.run(["mean", "log_var"], {"images": images.numpy()})
        np.testing.assert_allclose(mean, expected[0], atol=1e-5)
        np.testing.assert_allclose(log_var, expected[1], atol=1e-5)
        (drawn,) = decoder.run(["images"], {"codes": expected[0]})
        np.testing.assert_allclose(drawn, pictures, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder.onnx", "encoder.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_torch_export_gives_what_the_model_gives(network: str, tmp_path: Path) -> None:
    model, shape = made(network)
    paths, said = export_torch(model, shape, tmp_path), {KEY: ""}
    encoder, decoder = (torch.export.load(path, extra_files=said).module() for path in paths)
    assert said[KEY] == weights_digest(model.state_dict())
    for batch in (1, 5):
        images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            means, log_vars = model.encode(images)
            found = encoder(images)
            torch.testing.assert_close(found[0], means)
            torch.testing.assert_close(found[1], log_vars)
            torch.testing.assert_close(decoder(means), model.decode(means))


@pytest.mark.slow
def test_a_run_as_onnx(small_run: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model, header = load_model(small_run)
    assert isinstance(model, VAE)
    encoder, _ = export_run(small_run, "onnx", tmp_path)
    said = runtime.InferenceSession(encoder).get_modelmeta().custom_metadata_map
    assert said[KEY] == current_weights(small_run)
    images = torch.rand(4, *header.image_shape)
    with torch.no_grad():
        expected = model.code_means(images).numpy()
    mean, _ = runtime.InferenceSession(encoder).run(None, {"images": images.numpy()})
    np.testing.assert_allclose(mean, expected, atol=1e-5)


@pytest.mark.slow
def test_without_the_exporter_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install 'betavae\[onnx\]'"):
        export_onnx(*made("mlp"), tmp_path)
