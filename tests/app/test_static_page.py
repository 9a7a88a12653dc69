"""The explorer as one file: its script draws what the model draws, with the network cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from app.browser import chromium
from betavae._system.errors import InputError
from betavae.app.static_page import decoder_layers, export_page
from betavae.config import Config
from betavae.runs.opened import OpenRun, open_run
from betavae.training.build import build_model
from betavae.training.checkpoint import Header, save
from html_page import page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
NETWORKS = ("patch", "conv", "fc", "place", "mlp")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        opened.execute_cdp_cmd("Network.enable", {})
        opened.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        yield opened


def of_network(small_run: Path, network: str) -> OpenRun:
    """Return the run with an untrained model of another network, that draws something."""
    before = open_run(small_run, whole=False)
    config = before.header.config.replaced(network=network)
    torch.manual_seed(0)
    model = build_model(config, before.header.image_shape)
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            weight.mul_(2.0 if name.endswith("weight") else 1.0)
    header = Header(config, before.header.image_shape, 240, 0, 0.0, before.header.source)
    save(small_run, header, model)
    return open_run(small_run, whole=False)


def test_the_page_is_one_file_that_loads_nothing(small_run: Path, tmp_path: Path) -> None:
    path = export_page(small_run, tmp_path / "page.html")
    found = page(path)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in found.tags}
    assert all("src" not in attributes for _, attributes in found.tags)
    assert "β-VAE" in found.text
    assert str(small_run) not in path.read_text(encoding="utf-8")


def test_a_layer_that_the_page_does_not_know_is_named() -> None:
    with pytest.raises(InputError, match="does not know GELU"):
        decoder_layers(nn.Sequential(nn.Linear(2, 2), nn.GELU()))
    assert Config(network="patch").network in NETWORKS


@pytest.mark.browser
@pytest.mark.parametrize("network", NETWORKS)
def test_the_page_draws_what_the_model_draws(
    browser: Any, small_run: Path, tmp_path: Path, network: str
) -> None:
    run = of_network(small_run, network)
    browser.get_log("browser")
    browser.get(export_page(small_run, tmp_path / "page.html").as_uri())
    codes = np.random.default_rng(0).normal(size=(3, run.model.latents)).astype(np.float32)
    drawn = browser.execute_script(
        "return arguments[0].map(code => Array.from(decode(code)))", codes.tolist()
    )
    with torch.inference_mode():
        expected = run.model.decode(torch.from_numpy(codes)).flatten(1).numpy()
    assert np.ptp(expected) > 0.05
    assert np.abs(np.array(drawn) - expected).max() < 1e-5
    slider = browser.find_element("css selector", "input[type=range]")
    before = browser.execute_script("return document.querySelector('canvas').dataset.code")
    slider.send_keys("\ue013" * 5)
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    )
    after = browser.execute_script("return document.querySelector('canvas').dataset.code")
    assert before != after
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
