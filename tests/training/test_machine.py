from __future__ import annotations

import pytest
import torch

from betavae.training.machine import drop_denormals


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.Adagrad, torch.optim.SGD])
def test_drops_what_has_faded_and_nothing_else(make: type[torch.optim.Optimizer]) -> None:
    weight = torch.nn.Parameter(torch.ones(4))
    optimiser = make([weight], lr=1e-3)  # type: ignore[call-arg]
    weight.grad = torch.tensor([1.0, -1.0, 0.0, 0.0])
    optimiser.step()
    state = optimiser.state[weight]
    if make is torch.optim.Adam:
        state["exp_avg"][2:] = torch.tensor([1e-40, -1e-31])
    before = {k: v.clone() for k, v in state.items() if isinstance(v, torch.Tensor)}
    drop_denormals(optimiser)
    for key, value in before.items():
        expected = torch.where(value.abs() > 1e-30, value, 0.0) if value.dim() else value
        assert torch.equal(state[key], expected)


def test_keeps_what_is_not_finite() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.Adam([weight])
    weight.grad = torch.tensor([float("nan"), float("inf")])
    optimiser.step()
    drop_denormals(optimiser)
    assert not torch.isfinite(optimiser.state[weight]["exp_avg"]).any()


def test_moves_no_weight() -> None:
    def weights(drop: bool) -> torch.Tensor:
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(64))
        optimiser = torch.optim.Adam([weight])
        for step in range(1200):
            weight.grad = torch.randn(64) * (torch.arange(64) < 32 if step else 1.0)
            optimiser.step()
            if drop and step % 50 == 0:
                drop_denormals(optimiser)
        faded = optimiser.state[weight]["exp_avg"][32:].abs()
        assert bool((faded > 0).any()) is not drop
        return weight.detach()

    assert torch.equal(weights(False), weights(True))
