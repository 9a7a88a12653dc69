"""The explorer's map: where images lie among the codes, and which lie nearest."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.app.explorer import Explorer, png, value_name
from betavae.figures.arrays import shrunk
from betavae.runs.neighbours import CodeMap

COLUMNS = 20  # thumbnails a row of the sheet
THUMBNAIL = 32  # pixels a side
NEAREST = 10


class MapView:
    """The codes of each run's images, read when they are first asked for.

    Args:
        explorer: the open runs.
    """

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._maps = [CodeMap(run) for run in explorer.runs]

    def session(self, run: int) -> dict[str, Any]:
        """Return the places of some images in two dimensions, their pictures and factors.

        Raises:
            InputError: for a run that is not there.
        """
        rows, places = self._map(run).places()
        dataset = self._explorer.runs[run].dataset
        images = _small(dataset.images[rows].numpy())
        sheet = np.ones((images.shape[1], -(-len(rows) // COLUMNS), COLUMNS, *images.shape[2:]))
        flat = sheet.reshape(sheet.shape[0], -1, *sheet.shape[3:])
        flat[:, : len(rows)] = images.swapaxes(0, 1)
        joined = sheet.transpose(0, 1, 3, 2, 4).reshape(
            sheet.shape[0], sheet.shape[1] * sheet.shape[3], -1
        )
        factors = dataset.factors(rows)
        known: dict[str, list[str]] = {}
        if factors is not None:
            for column, name in enumerate(dataset.factor_names):
                known[name] = [str(value_name(dataset, name, int(v))) for v in factors[:, column]]
        return {
            "rows": rows.tolist(),
            "places": np.round(places, 4).tolist(),
            "columns": COLUMNS,
            "side": [images.shape[-2], images.shape[-1]],
            "sheet": _address(joined.astype(np.float32)),
            "factors": known,
        }

    def nearest(self, run: int, code: list[float]) -> list[dict[str, Any]]:
        """Return the images nearest to a code that counts deviations, the nearest first.

        Raises:
            InputError: for a run that is not there, or a code of another length.
        """
        found = self._map(run)
        scale = self._explorer.runs[run].scale
        if len(code) != len(scale.scales):
            raise InputError(f"a code must have {len(scale.scales)} numbers, got {len(code)}")
        own = scale.centres + scale.scales * np.asarray(code, np.float64)
        near = found.nearest(own.astype(np.float32), NEAREST)
        images = self._explorer.runs[run].dataset.images[[one.row for one in near]].numpy()
        return [
            {"row": one.row, "distance": round(one.distance, 3), "picture": _address(image)}
            for one, image in zip(near, images, strict=True)
        ]

    def _map(self, run: int) -> CodeMap:
        if not 0 <= run < len(self._maps):
            raise InputError(f"run must be in 0..{len(self._maps) - 1}, got {run}")
        return self._maps[run]


def _small(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images of at most 32 pixels a side, by taking every 2nd, 3rd, ... pixel's mean."""
    images = shrunk(images)
    step = max(1, max(images.shape[-2:]) // THUMBNAIL)
    high, wide = (side // step * step for side in images.shape[-2:])
    cut = images[..., :high, :wide]
    blocks = cut.reshape(*cut.shape[:-2], high // step, step, wide // step, step)
    small: NDArray[np.float32] = blocks.mean(axis=(-3, -1))
    return small


def _address(image: NDArray[np.float32]) -> str:
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()
