"""Whether this process was started alone, or by torchrun as one of several."""

from __future__ import annotations

import os
from dataclasses import dataclass

from betavae._system.errors import InputError


@dataclass(frozen=True)
class Launch:
    """A process's place among those that train together, as torchrun says in the environment.

    Attributes:
        rank: its number, 0 first.
        count: how many there are; 1 without torchrun.
        local_rank: its number among those of its machine.
        local_count: how many its machine has.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1


def launched() -> Launch:
    """Read WORLD_SIZE, RANK, LOCAL_RANK and LOCAL_WORLD_SIZE.

    Raises:
        InputError: when WORLD_SIZE is set and the others do not fit it.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if count == "1":
        return Launch()
    rank = os.environ.get("RANK", "")
    local_rank = os.environ.get("LOCAL_RANK", rank)
    local_count = os.environ.get("LOCAL_WORLD_SIZE", count)
    whole = all(word.isdecimal() for word in (count, rank, local_rank, local_count))
    if not (whole and int(rank) < int(count)):
        raise InputError(
            f"WORLD_SIZE={count} says that several processes train together, which needs RANK "
            f"below it, got '{rank}'; start them with torchrun, or unset WORLD_SIZE"
        )
    return Launch(int(rank), int(count), int(local_rank), int(local_count))


def check_command(command: str) -> None:
    """Refuse what several processes would each do for themselves.

    Raises:
        InputError: for another command than train in one of several processes.
    """
    count = launched().count
    if count > 1 and command != "train":
        raise InputError(
            f"torchrun started {count} processes, which only `betavae train` shares; "
            f"run `betavae {command}` without torchrun"
        )
