"""The processes that share a batch, and what they put together so that it stays one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """Processes that each have `1 / count` of a batch's rows, in the order of their ranks.

    What a rank has alone (its rows) is turned into what all have alike (the whole batch's codes,
    terms and loss) by `gather` and `average`, and back by `part`. Gradients follow: that of a
    value which all have alike is its gradient; that of a value which a rank has alone is `count`
    times its share. The mean over the ranks, which DistributedDataParallel takes, is then the
    whole batch's gradient, and none of the three talks to the others on the way back. With one
    rank all of them do nothing.

    Attributes:
        rank: this process's number, 0 first.
        count: how many there are.

    >>> Ranks(rank=1, count=2).part(torch.arange(4))
    tensor([2, 3])
    """

    rank: int = 0
    count: int = 1

    def part(self, whole: Tensor) -> Tensor:
        """Return this rank's rows of (B, ...), (B / count, ...)."""
        return whole if self.count == 1 else _call(_Part, whole, self)

    def gather(self, part: Tensor) -> Tensor:
        """Return the rows of all ranks, (B, ...), for each rank's (B / count, ...)."""
        return part if self.count == 1 else _call(_Gather, part, self)

    def average(self, value: Tensor) -> Tensor:
        """Return the mean over the ranks of a tensor that each has one of."""
        return value if self.count == 1 else _call(_Average, value, self)


def _call(function: type[torch.autograd.Function], value: Tensor, ranks: Ranks) -> Tensor:
    result: Tensor = function.apply(value, ranks)  # type: ignore[no-untyped-call]
    return result


def _rows(whole: Tensor, ranks: Ranks) -> Tensor:
    return whole.chunk(ranks.count)[ranks.rank]


class _Part(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, whole: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return _rows(whole, ranks).clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ranks = ctx.ranks
        whole = gradient.new_zeros(len(gradient) * ranks.count, *gradient.shape[1:])
        _rows(whole, ranks).copy_(gradient / ranks.count)
        return whole, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        whole = part.new_empty(len(part) * ranks.count, *part.shape[1:])
        dist.all_gather(list(whole.chunk(ranks.count)), part.contiguous())
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _rows(gradient, ctx.ranks) * ctx.ranks.count, None


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, ranks: Ranks) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total / ranks.count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None  # 1 / count of it is the share, times count
