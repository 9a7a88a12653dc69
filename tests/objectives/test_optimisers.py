"""Which optimiser takes which weights, and one optimiser made of several."""

from __future__ import annotations

import copy

import torch
from torch import nn

from betavae import Config
from betavae.objectives.optimisers import Muon, Together, inner_matrices, set_learning_rate
from betavae.training.build import build_model


def test_muon_takes_the_inner_matrices_only() -> None:
    model = build_model(Config(network="patch", latents=6), (1, 64, 64))
    names = {id(weight): name for name, weight in model.named_parameters()}
    taken = [names[id(weight)] for weight in inner_matrices(model)]
    assert taken == ["encoder.6.weight", "encoder.8.weight", "decoder.2.weight", "decoder.4.weight"]
    optimiser = Muon().make(model, torch.device("cpu"))
    counts = [sum(len(g["params"]) for g in part.param_groups) for part in optimiser.parts]
    assert counts == [4, len(names) - 4]
    set_learning_rate(optimiser, 1e-2)
    assert [group["lr"] for group in optimiser.param_groups] == [1e-2, 1e-3]


def test_a_step_of_several_is_a_step_of_each_and_resumes_alike() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
    two = copy.deepcopy(one)

    def made(model: nn.Sequential) -> Together:
        matrices = [p for p in model.parameters() if p.dim() == 2]
        rest = [p for p in model.parameters() if p.dim() != 2]
        return Together(
            torch.optim.Muon(matrices, lr=1e-2, weight_decay=0.0), torch.optim.Adam(rest, lr=1e-3)
        )

    def steps(model: nn.Sequential, optimiser: Together, count: int) -> None:
        for number in range(count):
            optimiser.zero_grad()
            x = torch.randn(4, 8, generator=torch.Generator().manual_seed(number))
            model(x).square().sum().backward()
            optimiser.step()

    whole, first = made(one), made(two)
    steps(one, whole, 6)
    steps(two, first, 3)
    again = made(two)
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    for number in range(3, 6):
        again.zero_grad()
        x = torch.randn(4, 8, generator=torch.Generator().manual_seed(number))
        two(x).square().sum().backward()
        again.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_model_without_inner_matrices_is_adam_s() -> None:
    model = build_model(Config(network="patch", latents=2), (1, 32, 32))
    model.encoder = nn.Sequential(nn.Flatten(), nn.Linear(1024, 4))  # type: ignore[union-attr]
    model.decoder = nn.Sequential(nn.Linear(2, 1024), nn.Unflatten(1, (1, 32, 32)))  # type: ignore[union-attr]
    assert len(Muon().make(model, torch.device("cpu")).parts) == 1
