from __future__ import annotations

import math

import pytest
import torch
from small import batch, images, learn, step, tiny_vae

from betavae._system.errors import InputError
from betavae.objectives import beta_vae, constrained


def test_the_loss_is_the_lagrangian_and_its_gradient_that_of_beta_vae() -> None:
    model, x = tiny_vae(), images()
    objective = constrained(2.0)
    objective.start(model, 0)
    objective.load_state_dict(
        {"log_multiplier": torch.tensor(3.0).log(), "average": torch.tensor(2.0)}
    )
    terms = objective(model, batch(x), step())
    torch.testing.assert_close(
        terms.loss, terms.values["distortion"] + 3.0 * (terms.values["rate"] - 2.0)
    )
    ours = torch.autograd.grad(terms.loss, list(model.parameters()))
    theirs = torch.autograd.grad(
        beta_vae(3.0)(model, batch(x), step()).loss, list(model.parameters())
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("hold", ["rate", "distortion"])
def test_the_multiplier_rises_while_the_held_term_is_too_large(hold: str) -> None:
    model, x = tiny_vae(), images()
    for epsilon, sign in ((1e-6, 1), (1e6, -1)):
        objective = constrained(epsilon, hold=hold, step_size=1e-7)  # type: ignore[arg-type]
        objective.start(model, 0)
        terms = objective(model, batch(x), step())
        assert float(objective.state_dict()["log_multiplier"]) == 0  # a call moves nothing
        assert terms.after is not None
        terms.after()
        assert sign * float(objective.state_dict()["log_multiplier"]) > 0


def test_dual_ascent_follows_the_moving_average_and_is_clipped() -> None:
    model, x = tiny_vae(), images()
    objective = constrained(5.0, step_size=0.1, smoothing=0.9)
    objective.start(model, 0)
    log_beta, average = 0.0, math.nan
    for seed in range(4):
        terms = objective(model, batch(x), step(seed=seed))
        rate = terms.values["rate"].item()
        average = rate if math.isnan(average) else 0.9 * average + 0.1 * rate
        log_beta += 0.1 * (average - 5.0)
        assert terms.after is not None
        terms.after()
    assert float(objective.state_dict()["log_multiplier"]) == pytest.approx(log_beta, rel=1e-5)
    for _ in range(2):
        for name, limit in (("rate", 1e-4), ("distortion", 1e4)):
            clipped = constrained(1e6 if name == "rate" else -1e6, hold=name)  # type: ignore[arg-type]
            clipped.start(model, 0)
            terms = clipped(model, batch(x), step())
            assert terms.after is not None
            terms.after()
            found = float(clipped.state_dict()["log_multiplier"].exp())
            assert found == pytest.approx(limit, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.5, 1.0])
def test_training_ends_at_the_rate_asked_for(epsilon: float) -> None:
    x = (images(16) > 0.5).double()
    objective = constrained(epsilon, step_size=0.01)
    model = tiny_vae()
    objective.start(model, 0)
    terms = learn(objective, model, x, 3000)
    assert terms.values["rate"].item() == pytest.approx(epsilon, rel=0.1)
    assert 0.1 < float(terms.values["beta"]) < 10


@pytest.mark.slow
def test_the_mirrored_form_ends_at_the_distortion_asked_for() -> None:
    x = (images(16) > 0.5).double()
    objective = constrained(9.0, hold="distortion", step_size=0.01)
    model = tiny_vae()
    objective.start(model, 0)
    learn(objective, model, x, 3000)
    average = float(objective.state_dict()["average"])
    assert average == pytest.approx(9.0, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be > 0 nats"),
        ({"hold": "distortion"}, "hold=distortion needs epsilon"),
        ({"hold": "both"}, "hold must be rate or distortion, got 'both'"),
        ({"step_size": 0.0}, "step_size must be > 0"),
        ({"initial": 0.0}, "initial must be > 0 and finite, got 0"),
        ({"smoothing": 1.0}, r"smoothing must be in \[0, 1\), got 1.0"),
        ({"epsilon": math.inf}, "epsilon must be finite"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        constrained(**options)  # type: ignore[arg-type]
