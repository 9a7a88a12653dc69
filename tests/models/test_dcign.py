from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.models.dcign import DCIGN, Growing, assigned_latents, clamp_inactive, dcign

ACTIVE = torch.tensor([True, False, False])
CODES = torch.tensor([[1.0, 2.0, -4.0], [3.0, 6.0, 0.0]])


def test_inactive_latents_are_clamped_to_the_batch_mean() -> None:
    clamped = clamp_inactive(CODES, ACTIVE)
    assert clamped.tolist() == [[1.0, 4.0, -2.0], [3.0, 4.0, -2.0]]


def test_the_gradient_rule_by_hand() -> None:
    codes = CODES.clone().requires_grad_()
    upstream = torch.tensor([[0.5, 7.0, 7.0], [-0.25, 7.0, 7.0]])
    clamp_inactive(codes, ACTIVE).backward(upstream)
    # Active: its own gradient. Inactive: (z - mean z) / 100, over the batch of 2.
    expected = torch.tensor([[0.5, -2 / 200, -2 / 200], [-0.25, 2 / 200, 2 / 200]])
    torch.testing.assert_close(codes.grad, expected)


def test_the_authors_clamp_to_the_first_image_and_pull_to_the_mean() -> None:
    codes = CODES.clone().requires_grad_()
    clamped = clamp_inactive(codes, ACTIVE, first=True)
    assert clamped.tolist() == [[1.0, 2.0, -4.0], [3.0, 2.0, -4.0]]
    clamped.backward(torch.full((2, 3), 7.0))
    expected = torch.tensor([[7.0, -2 / 200, -2 / 200], [7.0, 2 / 200, 2 / 200]])
    torch.testing.assert_close(codes.grad, expected)


def test_the_authors_form_has_means_and_log_variances() -> None:
    model = dcign((1, 32, 32), 6, variational=True).eval()
    images = torch.rand(3, 1, 32, 32)
    posterior = model.encode(images)
    assert posterior.mean.shape == posterior.log_var.shape == (3, 6)
    torch.testing.assert_close(model.code_means(images), posterior.mean)
    assert model.decode(posterior.mean).shape == images.shape


def test_descent_by_the_rule_makes_inactive_latents_invariant() -> None:
    codes = CODES.clone().requires_grad_()
    for _ in range(200):
        codes.grad = None
        clamp_inactive(codes, ACTIVE).sum().backward()
        with torch.no_grad():
            codes -= 10 * codes.grad * torch.tensor([0.0, 1.0, 1.0])
    assert torch.allclose(codes[0, 1:], codes[1, 1:], atol=1e-3)
    torch.testing.assert_close(codes[:, 1:].mean(dim=0), CODES[:, 1:].mean(dim=0))


def test_latents_of_the_2d_shapes_are_the_papers() -> None:
    grid = Factors(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
    assert assigned_latents(grid, 10) == [[0, 1, 2, 3, 4], [5], [6], [7], [8]]
    with pytest.raises(InputError, match="latents must be >= 6"):
        assigned_latents(grid, 5)


def test_layers_are_table_1s() -> None:
    model = DCIGN((1, 64, 64), 10)
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [96, 48, 48, 48, 96, 1]
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    images = torch.rand(2, 1, 64, 64)
    assert model.code_means(images).shape == (2, 10)
    assert model.decode(torch.zeros(2, 10)).shape == images.shape


def test_growing_has_the_gradients_of_the_plain_convolution() -> None:
    layer = Growing(3, 2).double()
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 10, 10, dtype=torch.float64)
    ours = torch.autograd.grad((layer(x) * weight).sum(), [x, layer.weight, layer.bias])
    large = functional.interpolate(x, scale_factor=2)
    plain = functional.conv2d(large, layer.weight, layer.bias, padding=1)
    theirs = torch.autograd.grad((plain * weight).sum(), [x, layer.weight, layer.bias])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_other_sizes_are_one_line() -> None:
    with pytest.raises(InputError, match="multiple of 8, got 36x36"):
        dcign((1, 36, 36), 10)
