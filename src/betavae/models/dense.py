"""Fully connected layers, arranged for the CPU: torch's outputs and gradients, sooner.

Products are oneDNN's, faster than those of torch's own library on AMD's processors and as fast
on Intel's; of pictures that are mostly black only the lit pixels are multiplied
(docs/findings/performance.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MOSTLY_BLACK = 0.1  # share of lit pixels up to which only these are multiplied


class Dense(nn.Linear):
    """`nn.Linear(in_features, out_features)`, faster for wide layers."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, out_features) for input (B, in_features)."""
        if not _arranged(input, self.weight):
            return super().forward(input)
        product: Tensor = _Product.apply(input, self.weight.t(), self.bias, False)  # type: ignore[no-untyped-call]
        return product

    def plain(self) -> nn.Linear:
        """Return torch's own layer with the same weights."""
        layer = nn.Linear(self.in_features, self.out_features)
        layer.load_state_dict(self.state_dict())
        return layer


class DenseOfPixels(nn.Module):
    """The fully connected layer that takes the images themselves.

    Its weight is that of `nn.Linear` transposed, so that what belongs to a pixel lies together:
    a picture that is mostly black, as the 2D shapes are, is a short sum of the weight's rows.

    Args:
        pixels: numbers an image, N.
        out_features: numbers made of them, O.

    Attributes:
        weight: (N, O).
        bias: (O,).

    >>> layer, x = DenseOfPixels(4, 2), torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    >>> torch.allclose(layer(x), x @ layer.weight + layer.bias)
    True
    """

    def __init__(self, pixels: int, out_features: int) -> None:
        super().__init__()
        drawn = nn.Linear(pixels, out_features)
        self.weight = nn.Parameter(drawn.weight.detach().t().contiguous())
        self.bias = drawn.bias

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, O) for flat images (B, N)."""
        if not _arranged(images, self.weight):
            return functional.linear(images, self.weight.t(), self.bias)
        product: Tensor = _Product.apply(images, self.weight, self.bias, True)  # type: ignore[no-untyped-call]
        return product

    def plain(self) -> nn.Linear:
        """Return torch's own layer with the same weights."""
        layer = nn.Linear(*self.weight.shape)
        layer.load_state_dict({"weight": self.weight.t(), "bias": self.bias})
        return layer


def _arranged(rows: Tensor, weight: Tensor) -> bool:
    """Say whether the products arranged for the CPU can take these tensors."""
    return (
        not torch.compiler.is_compiling()
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and rows.dim() == 2
        and not torch.is_autocast_enabled("cpu")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows (B, I) times weight (I, O), plus the bias: (B, O), by oneDNN."""
    made: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight.t(), bias, "none", [], "")
    return made


def lit_product(rows: Tensor, table: Tensor) -> Tensor:
    """Return rows (R, C) times table (C, O) at the cost of what is not 0 in the rows.

    >>> lit_product(torch.tensor([[0.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0], [3.0]]))
    tensor([[6.],
            [0.]])
    """
    lit = (rows != 0).contiguous()
    row, column = lit.nonzero().unbind(dim=1)
    starts = functional.pad(lit.sum(dim=1).cumsum(dim=0), (1, 0))
    return functional.embedding_bag(
        column, table.detach(), starts, mode="sum", include_last_offset=True,
        per_sample_weights=rows[row, column],
    )  # fmt: skip


def _mostly_black(rows: Tensor) -> bool:
    return bool(rows.count_nonzero() <= MOSTLY_BLACK * rows.numel())


class _Product(torch.autograd.Function):
    """Rows (B, I) times weight (I, O) plus bias (O,); `pixels` says that rows are images."""

    @staticmethod
    def forward(rows: Tensor, weight: Tensor, bias: Tensor, pixels: bool) -> Tensor:
        if pixels and _mostly_black(rows):
            return lit_product(rows, weight).add_(bias)
        return _product(rows, weight, bias)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, bool], output: Tensor
    ) -> None:
        rows, weight, _, ctx.pixels = inputs
        ctx.save_for_backward(rows, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias, _ = ctx.needs_input_grad
        # A gradient of gradients needs products that have one.
        product = torch.matmul if torch.is_grad_enabled() else _product
        drows = product(gradient, weight.t()) if of_rows else None
        dweight = None
        if of_weight and ctx.pixels:
            black = not torch.is_grad_enabled() and _mostly_black(rows)
            dweight = (lit_product if black else product)(rows.t(), gradient.contiguous())
        elif of_weight:
            dweight = product(gradient.t(), rows).t()
        return drows, dweight, gradient.sum(dim=0) if of_bias else None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], rows: Tensor, weight: Tensor, bias: Tensor,
        pixels: bool,
    ) -> tuple[Tensor, int]:  # fmt: skip
        """Return the products of many models at once, which torch's own are made for."""
        together = torch.vmap(lambda x, w, b: x @ w + b, in_dims[:3])
        return together(rows, weight, bias), 0
