"""A network of your own: any pair of modules, from images to numbers and back.

The encoder gives two numbers a latent (mean, log variance), the decoder takes one a latent and
gives raw pixels, before the sigmoid.

Run: python examples/own_network.py
"""

import numpy as np
from torch import nn

from betavae import BetaVAE, load

# quick: images=20_000 -> images=64


def residual(width):
    """Return a block that adds to its input."""

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    return Residual(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


def residual_network(image_shape, latents):
    """Return encoder and decoder for images (C, H, W)."""
    pixels, width = int(np.prod(image_shape)), 256
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, width), residual(width), nn.Linear(width, 2 * latents)
    )
    decoder = nn.Sequential(
        nn.Linear(latents, width),
        residual(width),
        nn.Linear(width, pixels),
        nn.Unflatten(1, image_shape),
    )
    return encoder, decoder


shapes = load("shapes2d")
vae = BetaVAE(latents=6, beta=4, network=residual_network, images=20_000, batch=32, random_state=0)
vae.fit(shapes.images)
last = vae.records_[-1]
print(f"distortion {last.distortion:.1f}, rate {last.rate:.2f} nats")
print("codes:", vae.transform(shapes.images[:5].numpy()).shape)
