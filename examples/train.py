"""A whole training on one page: a beta-VAE on the 2D shapes, by a plain PyTorch loop.

Every piece is public and can be replaced by one of yours: the network, the latent, the
likelihood, the order of the images, the loss. `betavae.train` is this loop with checkpoints,
resuming, records, several processes and a progress bar.

Run: python examples/train.py
"""

import time
from pathlib import Path

import numpy as np
import torch

from betavae import load
from betavae.data.batches import fetch, shuffled
from betavae.figures import save, traversal
from betavae.metrics import factor_table, higgins_score
from betavae.models import VAE, Bernoulli, Gaussian, build_network

# quick: IMAGES = 200_000 -> IMAGES = 64
# quick: ROWS = 20_000 -> ROWS = 1_000
IMAGES = 200_000  # that the model sees
BATCH = 8  # small batches make latents independent: docs/findings/preset.md
LATENTS = 10
LEARNING_RATE, DECAY = 1e-3, 50_000  # falls to 0 over the last DECAY images
BETA_START, BETA, RAMP = 24.0, 4.0, 150_000  # beta falls exponentially over RAMP images
ROWS = 20_000  # that are scored
SEED = 0
OUT = Path("runs/by-hand")


def make_model(image_shape: tuple[int, int, int]) -> VAE:
    """Return encoder, latent, decoder and likelihood, joined."""
    encoder, decoder = build_network("patch", image_shape, 2 * LATENTS, LATENTS)
    return VAE(encoder, Gaussian(LATENTS), decoder, Bernoulli())


def beta(seen: int) -> float:
    """Return the weight of the rate after so many images."""
    return BETA_START * (BETA / BETA_START) ** min(1.0, seen / RAMP)


def learning_rate(seen: int) -> float:
    """Return the learning rate after so many images."""
    return LEARNING_RATE * min(1.0, (IMAGES - seen) / DECAY)


torch.manual_seed(SEED)
shapes = load("shapes2d")  # rendered once, then 377 MB in the cache
image_shape = (1, 64, 64)
model = make_model(image_shape)
optimiser = torch.optim.Adam(model.parameters(), fused=True)
order = shuffled(shapes, BATCH, SEED)

# Training: batch, terms, backward, step. All terms are nats per image.
began = time.perf_counter()
for step in range(IMAGES // BATCH):
    seen = step * BATCH
    images = fetch(shapes, order(step)).images  # (B, 1, 64, 64) in [0, 1]
    posterior = model.encode(images)
    latents = posterior.sample(torch.randn(BATCH, LATENTS))
    distortion = model.likelihood.distortion(model.decoder(latents), images)
    rate = posterior.rate_per_latent()  # (LATENTS,)
    loss = distortion + beta(seen) * rate.sum()

    for group in optimiser.param_groups:
        group["lr"] = learning_rate(seen)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

    if step % 2500 == 0 or seen + BATCH == IMAGES:
        active = int((rate > 0.1).sum())
        print(
            f"{seen:7,} images  distortion {distortion:6.1f}  rate {rate.sum():5.2f}  "
            f"{active} active  beta {beta(seen):5.2f}  {time.perf_counter() - began:4.0f} s"
        )

# The codes, their score, and the files that `betavae score --codes` and `betavae figure` take.
model.eval()
rows = np.random.default_rng(SEED).choice(len(shapes.images), ROWS, replace=False)
with torch.inference_mode():
    parts = [model.encode(shapes.images.batch(torch.from_numpy(p))) for p in np.split(rows, 10)]
    codes = torch.cat([part.mean for part in parts]).numpy()
    log_var = torch.cat([part.log_var for part in parts]).numpy()
factors = shapes.factors(rows)
score = higgins_score(codes, factor_table(factors, shapes.factor_names), unit="prior")
print(f"{score.protocol}: {score.score:.4f} +- {score.deviation:.4f}")
OUT.mkdir(parents=True, exist_ok=True)
np.savez(OUT / "codes.npz", mean=codes, log_var=log_var, factors=factors)

# A picture: every latent turned from -3 to 3 from three images.
seeds, values = torch.from_numpy(codes[:3]), np.linspace(-3, 3, 9)
turned = seeds.repeat(LATENTS, 9, 1, 1).transpose(1, 2).contiguous()  # (latent, seed, value, M)
for latent in range(LATENTS):
    turned[latent, :, :, latent] = torch.from_numpy(values).float()
with torch.inference_mode():
    pictures = model.decode(turned.flatten(0, 2)).unflatten(0, (LATENTS, 3, 9)).numpy()
names = [f"latent {latent}" for latent in range(LATENTS)]
variances = np.exp(log_var)
rates = ((codes**2 + variances - 1 - log_var) / 2).mean(axis=0)
print("written:", save(traversal(pictures, values, names, rates=rates), OUT / "traversal.png"))
