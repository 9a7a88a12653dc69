from __future__ import annotations

import pytest
import torch
from torch import nn

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.models.networks import NETWORKS, build_network, plain
from betavae.models.vae import VAE
from betavae.training.build import build_model


def layers(module: nn.Module) -> list[tuple[object, ...]]:
    """Describe the layers that have weights, by type-independent shape."""
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight")]


def test_fc_is_table_1() -> None:
    encoder, decoder = build_network("fc", (1, 64, 64), 20, 10)
    assert layers(plain(encoder)) == [(1200, 4096), (1200, 1200), (20, 1200)]
    assert layers(decoder) == [(1200, 10), (1200, 1200), (1200, 1200), (4096, 1200)]
    assert sum(isinstance(m, nn.ReLU) for m in encoder.modules()) == 2
    assert sum(isinstance(m, nn.Tanh) for m in decoder.modules()) == 3


def test_conv_is_table_1() -> None:
    encoder, decoder = build_network("conv", (3, 64, 64), 64, 32)
    assert layers(encoder) == [
        (32, 3, 4, 4), (32, 32, 4, 4), (64, 32, 4, 4), (64, 64, 4, 4), (256, 1024), (64, 256),
    ]  # fmt: skip
    assert layers(decoder) == [
        (256, 32), (1024, 256), (64, 64, 4, 4), (64, 32, 4, 4), (32, 32, 4, 4), (32, 3, 4, 4),
    ]  # fmt: skip


def test_burgess() -> None:
    encoder, decoder = build_network("burgess", (1, 64, 64), 20, 10)
    assert layers(encoder) == [
        (32, 1, 4, 4), (32, 32, 4, 4), (32, 32, 4, 4), (32, 32, 4, 4),
        (256, 512), (256, 256), (20, 256),
    ]  # fmt: skip
    assert layers(decoder)[:3] == [(256, 10), (256, 256), (512, 256)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "size", [(16, 16), (32, 32), (48, 80), (64, 64), (96, 96), (128, 128), (144, 16), (240, 48)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_network_takes_every_size(name: str, size: tuple[int, int], channels: int) -> None:
    vae = build_model(Config(network=name, latents=4), (channels, *size)).eval()
    assert isinstance(vae, VAE)
    vae.requires_grad_(False)
    posterior = vae.encode(torch.rand(2, channels, *size))
    assert posterior.mean.shape == posterior.stddev.shape == (2, 4)
    images = vae.decode(posterior.sample(torch.randn(2, 4)))
    assert images.shape == (2, channels, *size)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert vae.latents == 4


def test_seed_decides_the_weights_and_the_samples() -> None:
    vae = build_model(Config(latents=3), (1, 32, 32))
    one, two = (vae.sample(4, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)


def test_bad_network_and_bad_size_are_one_line() -> None:
    with pytest.raises(InputError, match="did you mean 'burgess'"):
        build_network("burges", (1, 64, 64), 20, 10)
    for shape, got in (((1, 40, 48), "40x48"), ((1, 272, 64), "272x64")):
        with pytest.raises(InputError, match=f"multiples of 16 up to 256, got {got}"):
            build_network("conv", shape, 20, 10)
