from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from betavae.models.layers import Doubling, overlap_add

SIZES = [(1, 1), (4, 4), (5, 3), (8, 8)]


def twins(inputs: int, outputs: int) -> tuple[Doubling, nn.ConvTranspose2d]:
    """Return our layer and torch's with the same weights, in float64."""
    torch.manual_seed(0)
    ours, torchs = Doubling(inputs, outputs), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    torchs.load_state_dict(ours.state_dict())
    return ours.double(), torchs.double()


@pytest.mark.parametrize("outputs", [1, 3, 4, 5, 16])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_is_torchs_transposed_convolution(
    outputs: int, size: tuple[int, int], layout: torch.memory_format
) -> None:
    ours, torchs = (m.to(memory_format=layout) for m in twins(6, outputs))
    x = torch.randn(2, 6, *size, dtype=torch.float64).to(memory_format=layout)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = ours(a), torchs(b)
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(expected)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)
    for mine, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 3, 5])
def test_gradients(outputs: int) -> None:
    ours, _ = twins(2, outputs)
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    parameters = [p.detach().clone().requires_grad_() for p in ours.parameters()]

    def call(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(ours, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(call, (x, *parameters))
    assert torch.autograd.gradgradcheck(call, (x, *parameters))


def test_frozen_parts_get_no_gradient() -> None:
    ours, _ = twins(2, 1)
    ours.weight.requires_grad_(False)
    x = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    ours(x).sum().backward()
    assert ours.weight.grad is None
    assert x.grad is not None


def test_state_dicts_are_interchangeable() -> None:
    ours, torchs = twins(3, 2)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in torchs.state_dict().items()
    }


def test_same_seed_same_weights_as_torchs_layer() -> None:
    torch.manual_seed(3)
    ours = Doubling(4, 2)
    torch.manual_seed(3)
    torchs = nn.ConvTranspose2d(4, 2, 4, 2, 1)
    assert torch.equal(ours.weight, torchs.weight)
    assert torch.equal(ours.bias, torchs.bias)  # type: ignore[arg-type]


def test_overlap_add_of_one_pixel_is_the_kernels_middle() -> None:
    kernel = torch.arange(16.0).view(1, 1, 4, 4)
    y = overlap_add(torch.ones(1, 1, 1, 1), kernel)
    assert y.tolist() == [[[[5.0, 6.0], [9.0, 10.0]]]]


def test_float32_within_rounding() -> None:
    torch.manual_seed(1)
    ours = Doubling(32, 1).to(memory_format=torch.channels_last)
    x = torch.randn(4, 32, 32, 32)
    expected = functional.conv_transpose2d(
        x.double(),
        ours.weight.double(),
        ours.bias.double(),
        stride=2,
        padding=1,  # type: ignore[union-attr]
    )
    torch.testing.assert_close(ours(x).double(), expected, atol=1e-5, rtol=1e-5)


def test_deterministic() -> None:
    ours, _ = twins(8, 1)
    x = torch.randn(3, 8, 8, 8, dtype=torch.float64)
    first, second = ours(x), ours(x)
    assert torch.equal(first, second)


def test_bf16_autocast() -> None:
    ours = Doubling(4, 1)
    x = torch.randn(2, 4, 4, 4, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert ours.weight.grad is not None


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 5])
def test_exports(outputs: int) -> None:
    ours = Doubling(2, outputs).eval()
    x = torch.randn(2, 2, 4, 4)
    with torch.no_grad():
        program = torch.export.export(ours, (x,)).module()
        torch.testing.assert_close(program(x), ours(x))
