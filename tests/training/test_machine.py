from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_loop import QUICK, squares

from betavae._system.errors import InputError
from betavae.data.batches import Batch
from betavae.data.images import ImageStore
from betavae.models.vae import VAE
from betavae.objectives import Step, Terms, beta_vae
from betavae.training.build import Own, build_model
from betavae.training.fit import train
from betavae.training.learners import vae_learner
from betavae.training.machine import choose_device, compiled, drop_denormals


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


def there(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.mps, "is_available", lambda: mps, raising=False)


def test_auto_takes_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, expected in (
        (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu"),
    ):  # fmt: skip
        there(monkeypatch, cuda=cuda, mps=mps)
        assert choose_device("auto") == torch.device(expected)
        assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device cuda is not available here; found: cpu"):
        choose_device("cuda")


@pytest.mark.slow
def test_the_step_is_compiled_and_trains_to_the_same_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Traced, differentiated and run as a graph; only the C++ of its kernels is left out."""
    real, modes = torch.compile, []

    def traced(function: Callable[..., Any], mode: str | None = None) -> Callable[..., Any]:
        modes.append(mode)
        return real(function, backend="aot_eager", fullgraph=True)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "compile", traced)
    config = QUICK.replaced(images=96, objective={"name": "factor", "gamma": 2})
    plain = train(config, squares(), progress=False)
    fast = train(config.replaced(compile=True), squares(), progress=False)
    for one, two in zip(plain.model.parameters(), fast.model.parameters(), strict=True):
        torch.testing.assert_close(one, two)
    assert plain.records[0].terms == pytest.approx(fast.records[0].terms, rel=1e-3)
    compiled(beta_vae(), torch.device("cuda"))
    assert modes == [None, "reduce-overhead"]


def test_a_broken_compiler_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(function: Callable[..., Any], mode: str | None = None) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            raise RuntimeError("g++ is missing\nand more")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    train(QUICK.replaced(images=96, compile=True, beta=0), squares(), progress=False)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compile" in line]
    assert lines == ["warning: torch.compile failed, training goes on without it (g++ is missing)"]


def test_bf16_is_for_cuda_and_keeps_the_terms_in_float32() -> None:
    with pytest.raises(InputError, match="bf16 needs a CUDA device, got cpu"):
        train(QUICK.replaced(bf16=True, device="cpu"), squares(), progress=False)

    def loss(bf16: bool) -> float:
        torch.manual_seed(0)
        model = build_model(QUICK, (1, 32, 32))
        seen: list[Terms] = []

        def spied(model: VAE, batch: Batch, step: Step) -> Terms:
            seen.append(beta_vae()(model, batch, step))
            return seen[-1]

        device = torch.device("cpu")
        learner = vae_learner(QUICK.replaced(bf16=bf16), (1, 32, 32), device, Own(spied), model)
        batch = Batch(squares().images[:32], torch.arange(32))
        learner.step(batch, Step(0, torch.Generator().manual_seed(0), 96))
        assert seen[0].per_latent is not None
        assert {seen[0].loss.dtype, seen[0].per_latent.dtype} == {torch.float32}
        assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
        return seen[0].loss.item()

    assert loss(True) == pytest.approx(loss(False), rel=1e-2)
    assert loss(True) != loss(False)


@pytest.mark.parametrize("packed", [True, False])
def test_batches_are_unpacked_where_the_set_lies(packed: bool) -> None:
    """On the meta device, which has shapes and no numbers: nothing there comes by the CPU."""
    images = np.random.default_rng(0).integers(0, 2, (10, 1, 32, 32)).astype(np.uint8)
    store = ImageStore.from_binary(images) if packed else ImageStore.from_uint8(images)
    batch = store.batch(torch.tensor([3, 1, 4]), "meta")
    assert batch.device.type == "meta"
    assert (batch.shape, batch.dtype) == ((3, 1, 32, 32), torch.float32)
    kept, _ = store._on("meta")
    assert kept.nbytes == store.nbytes
