from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from betavae.models import dense
from betavae.models.dense import MOSTLY_BLACK, Dense, DenseOfPixels, lit_product
from betavae.models.networks import build_network, plain

Layer = Dense | DenseOfPixels
LAYERS = [Dense, DenseOfPixels]


def twins(kind: Callable[[int, int], Layer], rows: torch.Tensor) -> tuple[Layer, nn.Linear]:
    """Return our layer and torch's own in float64, with the same weights."""
    torch.manual_seed(0)
    ours = kind(rows.shape[1], 7)
    return ours, ours.plain().double()


def rows_of(lit: float, batch: int = 6, width: int = 50) -> torch.Tensor:
    """Return rows of which a share `lit` is not 0, the first one and the first column empty."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.rand(batch, width, generator=generator)
    rows[torch.rand(batch, width, generator=generator) >= lit] = 0
    rows[0], rows[:, 0] = 0, 0
    return rows


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("lit", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("batch", [1, 6])
def test_is_torchs_linear_layer(kind: type[Layer], lit: float, batch: int) -> None:
    rows = rows_of(lit, batch)
    ours, torchs = twins(kind, rows)
    a, b = rows.clone().requires_grad_(), rows.double().requires_grad_()
    y, expected = ours(a), torchs(b)
    torch.testing.assert_close(y.double(), expected, atol=1e-6, rtol=1e-5)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    torch.testing.assert_close(a.grad.double(), b.grad, atol=1e-6, rtol=1e-5)
    dweight = ours.weight.grad if kind is Dense else ours.weight.grad.t()  # type: ignore[union-attr]
    torch.testing.assert_close(dweight.double(), torchs.weight.grad, atol=1e-6, rtol=1e-5)  # type: ignore[union-attr]
    torch.testing.assert_close(ours.bias.grad.double(), torchs.bias.grad, atol=1e-6, rtol=1e-5)  # type: ignore[union-attr]


def test_gradients_lie_as_their_weights_do() -> None:
    """Fused optimisers walk memory in order."""
    for lit in (MOSTLY_BLACK / 2, 1.0):
        for layer in (Dense(50, 7), DenseOfPixels(50, 7)):
            layer(rows_of(lit)).sum().backward()
            assert layer.weight.grad is not None
            assert layer.weight.grad.stride() == layer.weight.stride()


def test_only_pictures_that_are_mostly_black_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[tuple[int, ...]] = []

    def spy(rows: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        looked_up.append(tuple(rows.shape))
        return lit_product(rows, table)

    monkeypatch.setattr(dense, "lit_product", spy)
    layer = DenseOfPixels(50, 7)
    layer(rows_of(1.0)).sum().backward()
    assert looked_up == []
    layer(rows_of(MOSTLY_BLACK / 2)).sum().backward()
    assert looked_up == [(6, 50), (50, 6)]


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_gradients(kind: type[Layer]) -> None:
    rows = rows_of(0.05)
    ours, torchs = twins(kind, rows)

    def penalty(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad((layer(x) ** 2).sum(), x, create_graph=True)
        slope.square().sum().backward()
        return slope

    torch.testing.assert_close(
        penalty(ours, rows).double(), penalty(torchs, rows.double()), atol=1e-5, rtol=1e-5
    )
    mine = ours.weight.grad if kind is Dense else ours.weight.grad.t()  # type: ignore[union-attr]
    torch.testing.assert_close(mine.double(), torchs.weight.grad, atol=1e-4, rtol=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", LAYERS)
def test_many_models_at_once(kind: type[Layer]) -> None:
    layers = [kind(50, 7) for _ in range(3)]
    rows = torch.stack([rows_of(0.05) for _ in layers])
    weights, _ = torch.func.stack_module_state(layers)  # type: ignore[arg-type]
    weights = {name: value.detach().requires_grad_() for name, value in weights.items()}

    def one(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(layers[0], weights, (x,))
        return found

    together = torch.vmap(one)(weights, rows)
    alone = torch.stack([layer(x) for layer, x in zip(layers, rows, strict=True)])
    torch.testing.assert_close(together, alone)
    together.square().sum().backward()
    alone.square().sum().backward()
    for place, layer in enumerate(layers):
        assert weights["weight"].grad is not None
        torch.testing.assert_close(weights["weight"].grad[place], layer.weight.grad)


@pytest.mark.parametrize("kind", LAYERS)
def test_float64_and_autocast_are_torchs(kind: type[Layer]) -> None:
    rows = rows_of(0.05)
    layer = kind(50, 7)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(rows).dtype == torch.bfloat16
    double = layer.double()
    expected = functional.linear(rows.double(), double.plain().double().weight, double.bias)
    torch.testing.assert_close(double(rows.double()), expected)


def test_deterministic() -> None:
    """Runs resume to the same bits."""
    layer, rows = DenseOfPixels(400, 70), rows_of(0.05, 64, 400)
    found = []
    for _ in range(2):
        layer.weight.grad = None
        y = layer(rows)
        y.square().sum().backward()
        assert layer.weight.grad is not None
        found.append((y.detach(), layer.weight.grad.clone()))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_same_seed_same_network_as_in_torchs_layers() -> None:
    torch.manual_seed(3)
    encoder, decoder = build_network("fc", (1, 8, 8), 6, 3)
    torch.manual_seed(3)
    first = nn.Linear(64, 1200)
    for half in (plain(encoder), plain(decoder)):
        assert {type(module) for module in half.modules()} <= {
            nn.Sequential, nn.Flatten, nn.Unflatten, nn.Linear, nn.ReLU, nn.Tanh,
        }  # fmt: skip
    assert torch.equal(plain(encoder)[1].weight, first.weight)
    x = (torch.rand(4, 1, 8, 8) < 0.05).float()
    torch.testing.assert_close(plain(encoder)(x), encoder(x), atol=1e-6, rtol=1e-5)
