"""What each rank of test_distributed.py's torchrun does: a program, started with a folder."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from test_loop import squares
from torch import Tensor

from betavae.config import Config
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives import Objective, Stateful, Step, Terms
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.ranks import Ranks
from betavae.objectives.semi_vae import SemiVAE
from betavae.training.build import build_model
from betavae.training.distributed import connected, disconnect, ranks_here, shared
from betavae.training.fit import train

GRADIENTS = (
    "beta", {"name": "beta", "free_bits": 0.2}, "constrained",
    {"name": "constrained", "hold": "distortion", "epsilon": 30}, "capacity",
    {"name": "tcvae", "alpha": 2, "gamma": 3}, {"name": "tcvae", "estimator": "mss"},
    {"name": "factor", "gamma": 5}, {"name": "dip", "kind": "i"}, "dip", "infovae",
    {"name": "semi", "base": "factor"}, {"name": "semi", "regulariser": "l2"},
    {"name": "semi", "regulariser": "cov"},
)  # fmt: skip
TRAINED = ("beta", "constrained", "tcvae", {"name": "factor", "learning_rate": 1e-6})


def trained_config(objective: object) -> Config:
    """The runs that one process takes too, for comparison; records every five steps."""
    options = {"images": 320, "batch": 32, "latents": 3, "objective": objective}
    return Config.from_mapping({**options, "checkpoint_every": 160})


def train_all(folder: Path) -> None:
    for number, objective in enumerate(TRAINED):
        train(trained_config(objective), squares(), folder / str(number), progress=False)


def taken(
    objective: object, ranks: Ranks, share: Callable[[VAE], Callable[..., object]]
) -> dict[str, Tensor]:
    """Take two steps in float64; return the last gradients, the terms and the state."""
    config = trained_config(objective)
    torch.manual_seed(0)
    model = build_model(config, (1, 32, 32)).double()
    assert isinstance(model, VAE)
    made: Objective = config.objective.make(config.length((1, 32, 32)))
    if isinstance(made, Stateful):
        made.start(model, 0)
    generator = torch.Generator().manual_seed(1)
    store = squares().images
    first, second = store[:32].double(), store[32:64].double()
    if isinstance(made, SemiVAE):
        made.sizes = (3, 4)
    labels = torch.arange(64).view(32, 2) % torch.tensor([3, 5]) - 1  # some are not known
    elbo = share(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    found: Terms
    for number in range(2):
        step = Step(32 * number, generator, 96, elbo, ranks)  # type: ignore[arg-type]
        batch = Batch(ranks.part(first), torch.arange(32), ranks.part(labels), ranks.part(second))
        found = made(model, batch, step)
        optimiser.zero_grad()
        found.loss.backward()
        optimiser.step()
        if found.after is not None:
            found.after()
    result = {name: weight.grad for name, weight in model.named_parameters()}
    values = {k: v for k, v in found.values.items() if isinstance(v, Tensor)}
    result |= {"loss": found.loss, "rates": found.per_latent, **values}
    if isinstance(made, Stateful):
        result |= made.state_dict()
    return {name: value.detach().clone() for name, value in result.items() if value is not None}


def check_gradients(ranks: Ranks) -> None:
    """Compare the shared batch's gradients with those of the whole batch in this process."""
    torch.set_default_dtype(torch.float64)  # an objective's own state follows it
    for objective in GRADIENTS:
        whole = taken(objective, Ranks(), lambda model: elbo_pass)
        parts = taken(objective, ranks, lambda model: shared(ranks, model, elbo_pass))
        assert whole.keys() == parts.keys()
        for name, value in whole.items():
            torch.testing.assert_close(
                parts[name], value, rtol=1e-9, atol=1e-12,
                msg=lambda text, at=(objective, name): f"{at}: {text}",
            )  # fmt: skip
    torch.set_default_dtype(torch.float32)


def check_same_on_all(folder: Path, ranks: Ranks) -> None:
    """The ranks' weights are the same bits: nothing drifts apart."""
    model = train(trained_config("beta"), squares(), folder, progress=False).model
    for weight in model.parameters():
        everyone = [torch.empty_like(weight) for _ in range(ranks.count)]
        dist.all_gather(everyone, weight.detach().contiguous())
        assert all(torch.equal(weight, other) for other in everyone)


def check_threads_end() -> None:
    """No thread of gloo outlives the group: one that did could abort the process at its end."""
    disconnect()
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text() for task in tasks.iterdir()] if tasks.exists() else []
    assert not [name for name in names if "gloo" in name], names


if __name__ == "__main__":
    warnings.simplefilter("error")
    import betavae.training.loop as loop

    loop.RECORD_STEPS = 5
    target, place = Path(sys.argv[1]), ranks_here()
    with connected(place, torch.device("cpu"), Config()):
        check_gradients(place)
    train_all(target)
    check_same_on_all(target / "same", place)
    check_threads_end()
    (target / f"ended-{place.rank}").touch()
