"""A plain PyTorch model, trained by its own code, judged by betavae.

A Lightning module is judged in the same way: it is an `nn.Module`, and all that is needed of it
are codes, an array with one row an image.

Run: python examples/plain_pytorch_model.py
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from betavae import load
from betavae.figures import response_sheet, responses, save
from betavae.metrics import Codes, evaluate

# quick: STEPS = 1_000 -> STEPS = 5
# quick: ROWS = 10_000 -> ROWS = 1_500
STEPS = 1_000
ROWS = 10_000


class AutoEncoder(nn.Module):
    """Six numbers a picture, and the picture again; no prior, no rate."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(
            nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(), nn.Linear(256, 6)
        )
        self.decode = nn.Sequential(nn.Linear(6, 256), nn.ReLU(), nn.Linear(256, 4096))

    def forward(self, images):
        return self.decode(self.encode(images)).view_as(images)


torch.manual_seed(0)
shapes = load("shapes2d")
model = AutoEncoder()
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(STEPS):
    images = shapes.images.batch(torch.randint(len(shapes.images), (64,)))
    loss = nn.functional.binary_cross_entropy_with_logits(model(images), images, reduction="sum")
    optimiser.zero_grad()
    (loss / 64).backward()
    optimiser.step()
print(f"distortion {loss.item() / 64:.1f} nats an image")

rows = np.random.default_rng(0).choice(len(shapes.images), ROWS, replace=False)
with torch.inference_mode():
    codes = model.encode(shapes.images.batch(torch.from_numpy(rows))).numpy()
factors = shapes.factors(rows)
judged = Codes(codes, factors, factor_names=shapes.factor_names)
print(evaluate(judged, metrics="higgins,mig,dci:fast"))

# Figures take arrays too: what each number answers to (the paper's Fig. 6).
found = responses(codes, factors, shapes.factor_names)
print("written:", save(response_sheet(found), Path("autoencoder.png")))
