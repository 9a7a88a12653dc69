"""Where a run's images were, and how to know them again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset, Fingerprint


@dataclass(frozen=True)
class Source:
    """Where the images of a run were when it was trained.

    Attributes:
        fingerprint: what tells them from other images.
        path: absolute path, or None for a set with a name and for arrays in memory.
        relative: the same from the run folder, for folders that are moved together.
    """

    fingerprint: Fingerprint
    path: str | None = None
    relative: str | None = None

    @classmethod
    def of(cls, dataset: Dataset, folder: Path) -> Source:
        """Describe a data set for a run in `folder`."""
        place, fingerprint = Path(dataset.name).expanduser(), dataset.fingerprint()
        if not place.exists():
            return cls(fingerprint)
        path = str(place.resolve())
        return cls(fingerprint, path, os.path.relpath(path, folder.resolve()))

    def places(self, asked: str, folder: Path) -> list[Path]:
        """Return where the images may be, the likeliest first.

        Args:
            asked: how the data set was named.
            folder: the run folder, where it is now.
        """
        moved = [] if self.relative is None else [Path(os.path.normpath(folder / self.relative))]
        kept = [] if self.path is None else [Path(self.path)]
        return list(dict.fromkeys([Path(asked).expanduser(), *kept, *moved]))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            **self.fingerprint.to_dict(), "path": self.path, "relative": self.relative
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Source:
        """Read what `to_dict` returned.

        Raises:
            InputError: for anything else.
        """
        try:
            channels, height, width = map(int, fields["image_shape"])
            shape = (channels, height, width)
            fingerprint = Fingerprint(int(fields["count"]), shape, str(fields["digest"]))
            path, relative = fields["path"], fields["relative"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the description of the data is damaged ({error!r})") from None
        if not all(place is None or isinstance(place, str) for place in (path, relative)):
            raise InputError("the description of the data is damaged (its path is no text)")
        return cls(fingerprint, path, relative)
