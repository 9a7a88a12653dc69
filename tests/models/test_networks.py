from __future__ import annotations

import pytest
import torch
from torch import nn

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.networks import NETWORKS, build, plain
from betavae.models.vae import VAE


def layers(module: nn.Module) -> list[tuple[object, ...]]:
    """Describe the layers that have weights, by type-independent shape."""
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight")]


def test_fc_is_table_1() -> None:
    encoder, decoder = build("fc", (1, 64, 64), 10)
    assert layers(plain(encoder)) == [(1200, 4096), (1200, 1200), (20, 1200)]
    assert layers(decoder) == [(1200, 10), (1200, 1200), (1200, 1200), (4096, 1200)]
    assert sum(isinstance(m, nn.ReLU) for m in encoder.modules()) == 2
    assert sum(isinstance(m, nn.Tanh) for m in decoder.modules()) == 3


def test_conv_is_table_1() -> None:
    encoder, decoder = build("conv", (3, 64, 64), 32)
    assert layers(encoder) == [
        (32, 3, 4, 4), (32, 32, 4, 4), (64, 32, 4, 4), (64, 64, 4, 4), (256, 1024), (64, 256),
    ]  # fmt: skip
    assert layers(decoder) == [
        (256, 32), (1024, 256), (64, 64, 4, 4), (64, 32, 4, 4), (32, 32, 4, 4), (32, 3, 4, 4),
    ]  # fmt: skip


def test_burgess() -> None:
    encoder, decoder = build("burgess", (1, 64, 64), 10)
    assert layers(encoder) == [
        (32, 1, 4, 4), (32, 32, 4, 4), (32, 32, 4, 4), (32, 32, 4, 4),
        (256, 512), (256, 256), (20, 256),
    ]  # fmt: skip
    assert layers(decoder)[:3] == [(256, 10), (256, 256), (512, 256)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_network_takes_every_size(name: str, side: int, channels: int) -> None:
    vae = VAE.from_config(Config(network=name, latents=4), (channels, side, side)).eval()
    vae.requires_grad_(False)
    posterior = vae.encode(torch.rand(2, channels, side, side))
    assert posterior.mean.shape == posterior.stddev.shape == (2, 4)
    images = vae.decode(posterior.rsample())
    assert images.shape == (2, channels, side, side)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert vae.latents == 4


def test_seed_decides_the_weights_and_the_samples() -> None:
    vae = VAE.from_config(Config(latents=3), (1, 32, 32))
    one, two = (vae.sample(4, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)


def test_bad_network_and_bad_size_are_one_line() -> None:
    with pytest.raises(InputError, match="did you mean 'burgess'"):
        build("burges", (1, 64, 64), 10)
    with pytest.raises(InputError, match="side 32, 64, 128, got 48x48"):
        build("conv", (1, 48, 48), 10)
