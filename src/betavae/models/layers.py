"""The transposed convolution, arranged for the CPU: same parameters, outputs and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW = 4  # channels of an image, at most; features have more


class Doubling(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1)`, which see.

    Two slow spots of torch's CPU library are avoided (docs/performance.md): the gradient of
    a bias inside the call takes longer than that of the weight, so the bias is added outside;
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


class Broadcast(nn.Module):
    """A decoder that draws every place of the image by the same function of code and place.

    Code and coordinates are each mapped linearly and added; what follows are layers over the
    channels of a place. An object that moves is so drawn by the same weights wherever it is, and
    what turns it means the same everywhere.

    Args:
        inputs: numbers of a code.
        grid: (rows, columns) of places.
        outputs: numbers made of each place.
        width: channels in between.
        depth: layers in between.

    Source: Watters et al. 2019 (spatial broadcast decoder), here on a coarse grid.

    >>> Broadcast(3, (4, 4), 16)(torch.zeros(2, 3)).shape
    torch.Size([2, 16, 4, 4])
    """

    places: Tensor

    def __init__(
        self, inputs: int, grid: tuple[int, int], outputs: int, width: int = 64, depth: int = 2
    ) -> None:
        super().__init__()
        rows, columns = (torch.linspace(-1, 1, side) for side in grid)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        self.register_buffer("places", torch.stack((x, y), dim=-1).view(-1, 2), persistent=False)
        self.grid = grid
        self.of_code = nn.Linear(inputs, width)
        self.of_place = nn.Linear(2, width)
        layers = [m for _ in range(depth) for m in (nn.SiLU(), nn.Linear(width, width))]
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Linear(width, outputs))

    def forward(self, codes: Tensor) -> Tensor:
        """Return (B, outputs, rows, columns) for codes (B, inputs)."""
        mixed = self.of_code(codes)[:, None] + self.of_place(self.places)
        made: Tensor = self.layers(mixed)
        return made.transpose(1, 2).reshape(len(codes), -1, *self.grid)


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

    generate_vmap_rule = True  # replicas are trained as a batch of models

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
