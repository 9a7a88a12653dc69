"""How much a metric draws: rows, points, pairs and repeats, together in one option."""

from __future__ import annotations

from dataclasses import dataclass, fields

from betavae._system.errors import InputError
from betavae.metrics._shared.checks import check_count


@dataclass(frozen=True)
class Draws:
    """How much a metric draws; what is None is as its protocol says.

    Each metric says which of these it uses, and refuses the others.

    Attributes:
        n_train: rows, points or votes to learn from.
        n_test: rows, points or votes to test on.
        n_pairs: L, pairs averaged into one point of the Higgins score.
        batch_size: rows behind one vote of the FactorVAE score.
        repeats: independent repetitions, from which intervals and deviations come.

    >>> Draws(n_train=1000).n_test is None
    True
    """

    n_train: int | None = None
    n_test: int | None = None
    n_pairs: int | None = None
    batch_size: int | None = None
    repeats: int | None = None


def draw_counts(draws: Draws | None, **used: tuple[int, int]) -> tuple[int, ...]:
    """Return the counts that a metric uses, in the order of `used`.

    Args:
        draws: what was asked for; None: nothing.
        used: by field, its default and the least that it may be.

    Raises:
        InputError: for a count that is too small, or one that the metric does not use.

    >>> draw_counts(Draws(n_test=7), n_train=(100, 2), n_test=(50, 1))
    (100, 7)
    """
    draws = Draws() if draws is None else draws
    if not isinstance(draws, Draws):
        raise InputError(f"draws must be a Draws, got {draws!r}")
    for field in fields(draws):
        if field.name not in used and getattr(draws, field.name) is not None:
            raise InputError(
                f"draws must hold {', '.join(used)} at most for this metric and protocol, "
                f"got {field.name}"
            )
    asked = {name: getattr(draws, name) for name in used}
    return tuple(
        check_count(default if asked[name] is None else asked[name], name, least)
        for name, (default, least) in used.items()
    )
