"""An objective of your own: pay for the rate only above a floor that rises through training.

An objective is a function of the model, the batch and the step. It returns named terms, which
`metrics.jsonl` records. docs/howto/own-objective.md goes on from here.

Run: python examples/own_objective.py
"""

from pathlib import Path

from betavae import Config, load, open_run, train
from betavae.objectives import Terms

# quick: images=50_000 -> images=64
FINAL_FLOOR = 10.0  # nats that are free at the end


def rising_floor(model, batch, step):
    """Return distortion + 4 max(rate - floor, 0), in nats per image."""
    found = step.forward(model, batch.images)
    floor = FINAL_FLOOR * min(1.0, step.images_seen / 40_000)
    loss = found.distortion + 4 * (found.rate - floor).clamp(min=0)
    return Terms.of(found, loss, {"floor": floor})


config = Config(objective="custom", images=50_000, seed=0)
out = Path("runs/rising-floor")
finished = train(config, load("shapes2d"), out, objective=rising_floor, progress=False)
last = finished.records[-1]
print(f"rate {last.rate:.2f} nats over a floor of {last.terms['floor']:.1f}")
print(f"distortion {last.distortion:.1f} nats, {last.active_latents} active latents")

run = open_run(out)  # a run like any other: betavae score, report, explore take the folder
print(f"{out}: {run.model.latents} latents")
