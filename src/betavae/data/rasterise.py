"""A z-buffer for triangle meshes: which triangle every pixel sees, for many views at once.

Vertices are rounded to 1/256 of a pixel and coverage is decided in whole numbers, so that
neighbouring triangles leave no gaps, however small they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNITS = 256  # steps of a vertex within a pixel
_AT_ONCE = 1 << 21  # pairs of pixel and triangle looked at in one go: bounds memory


@dataclass(frozen=True)
class Seen:
    """The pixels that see a triangle.

    Attributes:
        pixel: (P,) their numbers in (B, side, side), counted along rows.
        triangle: (P,) which triangle.
        weights: (P, 3) barycentric, of the triangle's three vertices; each row sums to 1.
    """

    pixel: NDArray[np.int64]
    triangle: NDArray[np.int64]
    weights: NDArray[np.float64]


def rasterise(points: NDArray[np.floating], triangles: NDArray[np.int64], side: int) -> Seen:
    """Find the nearest front-facing triangle behind every pixel's centre.

    Args:
        points: (B, V, 3) vertices of B views: x to the right and y down in pixels from the upper
            left corner, z towards the viewer in any unit.
        triangles: (T, 3) vertex numbers, anticlockwise as the viewer sees the front.
        side: of the square images, in pixels.

    >>> corners = np.array([[[0.0, 0, 0], [0, 4, 0], [4, 0, 0]]])
    >>> rasterise(corners, np.array([[0, 1, 2]]), 4).pixel.tolist()
    [0, 1, 2, 3, 4, 5, 6, 8, 9, 12]
    """
    grid = np.rint(points[..., :2] * _UNITS).astype(np.int64)
    # Not one array and its minimum over an axis of three, which takes five times as long.
    a, b, c = (grid[:, triangles[:, k]] for k in range(3))  # each (B, T, 2)
    half = _UNITS // 2
    low = np.clip(-((half - np.minimum(np.minimum(a, b), c)) // _UNITS), 0, side)
    high = np.clip((np.maximum(np.maximum(a, b), c) - half) // _UNITS, -1, side - 1)
    size = high - low + 1
    first, second = b - a, c - a
    area = first[..., 1] * second[..., 0] - first[..., 0] * second[..., 1]
    # Front faces only (y is down), and only those whose box holds a pixel's centre.
    view, triangle = np.nonzero((area > 0) & (size[..., 0] > 0) & (size[..., 1] > 0))
    nearest = np.full(len(points) * side * side, -np.inf)
    owner = np.full(nearest.shape, -1, np.int64)
    weights = np.zeros((len(nearest), 3))
    boxes = size[view, triangle]
    counts = boxes.prod(axis=1)
    ends = np.cumsum(counts)
    start = 0
    while start < len(view):
        # At least one triangle, and as many as fit.
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, "right")))
        part = np.repeat(np.arange(start, stop), counts[start:stop])
        local = np.arange(len(part)) - np.repeat(ends[start:stop] - counts[start:stop] - before,
                                                 counts[start:stop])  # fmt: skip
        column = low[view[part], triangle[part], 0] + local % boxes[part, 0]
        line = low[view[part], triangle[part], 1] + local // boxes[part, 0]
        vertices = grid[view[part, None], triangles[triangle[part]]]
        x = vertices[..., 0] - (column * _UNITS + half)[:, None]
        y = vertices[..., 1] - (line * _UNITS + half)[:, None]
        # Twice the areas between the pixel's centre and the edge opposite to each vertex.
        x1, y1, x2, y2 = (np.roll(v, -k, axis=1) for k in (1, 2) for v in (x, y))
        parts = y1 * x2 - x1 * y2
        inside = (parts >= 0).all(axis=1)
        part, parts = part[inside], parts[inside]
        pixel = (view[part] * side + line[inside]) * side + column[inside]
        share = parts / area[view[part], triangle[part]][:, None]
        depth = (share * points[view[part, None], triangles[triangle[part]], 2]).sum(axis=1)
        old = nearest[pixel]
        np.maximum.at(nearest, pixel, depth)
        won = np.flatnonzero((depth == nearest[pixel]) & (depth > old))[::-1]  # the first one wins
        owner[pixel[won]] = triangle[part[won]]
        weights[pixel[won]] = share[won]
        start = stop
    seen = np.flatnonzero(owner >= 0)
    return Seen(seen, owner[seen], weights[seen])


def vertex_normals(
    vertices: NDArray[np.floating], triangles: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return unit normals (V, 3): the mean of the adjoining triangles', weighted by area.

    Args:
        vertices: (V, 3), x to the right, y up, z towards the viewer.
        triangles: (T, 3) vertex numbers, anticlockwise seen from outside.
    """
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros((len(vertices), 3))
    for axis in range(3):
        for k in range(3):
            normals[:, axis] += np.bincount(triangles[:, k], faces[:, axis], len(vertices))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(
        normals, length, out=np.zeros_like(normals), where=length > 0
    )
    return unit
