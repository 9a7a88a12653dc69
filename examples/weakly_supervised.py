"""Pairs of images that differ in one factor, and few labels, beside no supervision at all.

docs/howto/weak-supervision.md goes on from here.

Run: python examples/weakly_supervised.py
"""

import numpy as np

from betavae import Config, load, train
from betavae.metrics import mig_score
from betavae.runs.representation import represent

# quick: IMAGES = 100_000 -> IMAGES = 128
IMAGES = 100_000

data = load("shapes2d")
count = len(data.images)
rows = np.sort(np.random.default_rng(0).choice(count, min(5000, count), replace=False))
methods = {
    "no supervision": ({"name": "beta", "beta": 4.0}, IMAGES),
    "pairs": ({"name": "adagvae", "beta": 4.0, "changes": 1}, IMAGES // 2),  # two images a pair
    "1,000 labels": ({"name": "semi", "weight": 4.0, "labels": 1000}, IMAGES),
}
for title, (objective, images) in methods.items():
    config = Config(objective=objective, images=images, batch=32, seed=0)
    model = train(config, data, progress=False).model
    codes = represent(model, data, rows=rows)
    score = mig_score(codes.codes, codes.factors, protocol="locatello2019", rng=0)
    print(f"{title}: MIG {float(score):.3f}")
