"""The transposed convolution, arranged for the CPU: same parameters, outputs and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW = 4  # channels of an image, at most; features have more


class Doubling(nn.ConvTranspose2d):
    """A faster `nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1)`.

    Two slow spots of torch's CPU library are avoided (docs/findings/performance.md): the gradient
    of a bias inside the call takes longer than that of the weight, so the bias is added outside;
    and a handful of output channels is made by `overlap_add`.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return (B, out_channels, 2H, 2W) for x (B, in_channels, H, W)."""
        plain = x.device.type != "cpu" or torch.is_autocast_enabled("cpu")
        if plain or self.bias is None or output_size is not None:
            return super().forward(x, output_size)
        bias = self.bias[:, None, None]
        if self.out_channels <= FEW:
            image: Tensor = _OverlapAdd.apply(x, self.weight)  # type: ignore[no-untyped-call]
            return image + bias
        return functional.conv_transpose2d(x, self.weight, stride=2, padding=1).add_(bias)

    def plain(self) -> nn.ConvTranspose2d:
        """Return torch's own layer with the same weights."""
        layer = nn.ConvTranspose2d(self.in_channels, self.out_channels, 4, 2, 1)
        layer.load_state_dict(self.state_dict())
        return layer


class Places(nn.Module):
    """A decoder that draws every place of the image by one function, its first layer by the code.

    The code gives the normals and offsets of `width` lines; a place at coordinates p takes its
    side of each, ``silu(normal . p + offset)``, and the rest are layers over these numbers, the
    same everywhere. To move, turn or scale what is drawn is to move, turn or scale the lines, so
    a code means the same at every position.

    Args:
        inputs: numbers of a code.
        grid: (rows, columns) of places.
        outputs: numbers made of each place.
        width: lines.
        hidden: units of the two layers from code to lines.

    Source: ours; a coordinate network as in Watters et al. 2019 (spatial broadcast decoder), its
    first layer made by a hypernetwork (Ha et al. 2017).

    >>> Places(3, (4, 6), 16)(torch.zeros(2, 3)).shape
    torch.Size([2, 16, 4, 6])
    """

    places: Tensor

    def __init__(
        self, inputs: int, grid: tuple[int, int], outputs: int, width: int = 48, hidden: int = 128
    ) -> None:
        super().__init__()
        # On the CPU even where models are made on "meta": no file holds these to fill them in.
        rows, columns = (torch.linspace(-1, 1, side, device="cpu") for side in grid)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        places = torch.stack((x, y, torch.ones_like(x)), dim=-1).view(1, -1, 3)
        self.register_buffer("places", places, persistent=False)
        self.grid, self.width = grid, width
        last = nn.Linear(hidden, 3 * width)
        with torch.no_grad():  # lines of every direction from the first step on
            last.bias[: 2 * width] = 2 * torch.randn(2 * width)
        self.lines = nn.Sequential(
            nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
        )
        self.layers = nn.Sequential(
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, outputs),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Return (B, outputs, rows, columns) for codes (B, inputs)."""
        lines = self.lines(codes).view(-1, 3, self.width)
        made: Tensor = self.layers(self.places @ lines)
        return made.transpose(1, 2).reshape(-1, made.shape[2], *self.grid)


def overlap_add(x: Tensor, weight: Tensor) -> Tensor:
    """Return the transposed convolution (4x4, stride 2, padding 1) as one matrix product.

    Every input pixel makes 4x4 output pixels per channel, `taps[a, b]`, that land at
    (2i - 1 + a, 2j - 1 + b). Even rows so receive taps 1 and, from the pixel above, 3; odd
    rows taps 2 and, from the pixel below, 0; columns likewise.

    Args:
        x: (B, in, H, W), fastest in channels_last.
        weight: (in, out, 4, 4).

    >>> overlap_add(torch.ones(1, 1, 1, 1), torch.arange(16.0).view(1, 1, 4, 4))
    tensor([[[[ 5.,  6.],
              [ 9., 10.]]]])
    """
    batch, inputs, height, width = x.shape
    outputs = weight.shape[1]
    pixels = x.permute(0, 2, 3, 1).reshape(-1, inputs)
    taps = weight.permute(2, 3, 1, 0).reshape(-1, inputs) @ pixels.t()
    taps = taps.view(4, 4, outputs, batch, height, width)
    taps[1, ..., 1:, :] += taps[3, ..., :-1, :]
    taps[2, ..., :-1, :] += taps[0, ..., 1:, :]
    rows = taps[1:3]
    rows[:, 1, ..., 1:] += rows[:, 3, ..., :-1]
    rows[:, 2, ..., :-1] += rows[:, 0, ..., 1:]
    quarters = rows[:, 1:3]  # (row parity, column parity, out, B, H, W)
    return quarters.permute(3, 2, 4, 0, 5, 1).reshape(batch, outputs, 2 * height, 2 * width)


class _OverlapAdd(torch.autograd.Function):
    """`overlap_add` with torch's own gradient, which has no slow spot here."""

    generate_vmap_rule = True  # torch.vmap over models, as for dense layers

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return overlap_add(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        needed = [*ctx.needs_input_grad, False]
        dx, dweight, _ = torch.ops.aten.convolution_backward(
            gradient, *ctx.saved_tensors, None, [2, 2], [1, 1], [1, 1], True, [0, 0], 1, needed
        )
        return dx, dweight
