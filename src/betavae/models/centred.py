"""Networks that begin at the mean image: what is learned is how images differ from it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from betavae.data.images import ImageStore
from betavae.models.likelihoods import Gaussian, LearntGaussian
from betavae.models.vae import VAE

LOOKED_AT = 2_048  # images that the mean is taken over
LEAST_SPREAD = 1e-3
INSIDE = 0.01  # a mean pixel of 0 or 1 has no finite logit


class Centred(nn.Module):
    """Takes an image off and divides by a number: what an encoder begins with.

    Both are kept with the weights. They are 0 and 1 until `centre` has seen images.

    >>> Centred((1, 2, 2))(torch.ones(3, 1, 2, 2)).shape
    torch.Size([3, 1, 2, 2])
    """

    image: Tensor
    spread: Tensor

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.register_buffer("image", torch.zeros(image_shape))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (x - image) / spread for x (B, C, H, W)."""
        return (x - self.image) / self.spread


class Restored(Centred):
    """Multiplies by a number and adds an image: what a decoder ends with."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x * spread + image for x (B, C, H, W)."""
        return x * self.spread + self.image


@torch.no_grad()
def centre(model: nn.Module, images: ImageStore) -> None:
    """Let a VAE whose network is `Centred` begin at the mean of these images.

    Without that, every weight of a decoder is first moved one way, to make the mean image, and
    the code is lost on that way: all reconstructions are the same for a long time
    (docs/findings/photos.md). Other networks are left as they are.

    Args:
        model: changed in place, on whatever device.
        images: up to 2,048 of them are looked at.
    """
    if not isinstance(model, VAE) or not any(isinstance(m, Centred) for m in model.modules()):
        return
    rows = np.unique(np.linspace(0, len(images) - 1, LOOKED_AT).astype(np.int64))
    values = images[rows]
    mean = values.mean(dim=0)
    spread = (values - mean).square().mean().sqrt().clamp_min(LEAST_SPREAD)
    bounded = not isinstance(model.likelihood, (Gaussian, LearntGaussian))
    for module in model.modules():
        if not isinstance(module, Centred):
            continue
        logits = bounded and isinstance(module, Restored)
        module.image.copy_(mean.clamp(INSIDE, 1 - INSIDE).logit() if logits else mean)
        module.spread.fill_(1.0 if logits else spread.item())
