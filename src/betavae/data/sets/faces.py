"""3D faces, rendered from a morphable model in the Basel Face Model's format (Paysan 2009).

The paper's faces were rendered so, over identity, azimuth, elevation and lighting (Higgins et
al. 2017, Section 4.1). The model itself is licensed, and the user brings it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import on_all_cores
from betavae.data.cache import let_go
from betavae.data.factors import Factors
from betavae.data.rasterise import rasterise, vertex_normals
from betavae.data.readers.matlab import read_mat
from betavae.data.readers.pictures import to_channels
from betavae.data.recipe import Chosen, Reading, Recipe, one_file

NAMES = ("identity", "azimuth", "elevation", "lighting")
AZIMUTH, ELEVATION, LIGHT = 90.0, 30.0, 80.0  # degrees to either side of the middle
LIGHT_HEIGHT = 30.0  # degrees over the camera
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.25, 0.75, 0.08, 12  # Phong's shares and exponent
MARGIN = 1.05  # a mean head in any pose stays this far within the frame
FINER = 2  # pixels are averaged over this many squared
TRIANGLES_AT_ONCE = 400_000  # in one call of the rasteriser: bounds memory
SEED = 0  # of the identities: the same model gives the same faces


@dataclass(frozen=True)
class FaceModel:
    """A PCA model of shape and texture over one mesh.

    Attributes:
        shape: (V, 3) mean vertices, x to the right, y up, z out of the face.
        shape_basis: (V * 3, K) components, times their standard deviations.
        texture: (V, 3) mean RGB, 0 to 255.
        texture_basis: (V * 3, L) likewise.
        triangles: (T, 3) vertex numbers, anticlockwise seen from outside.
    """

    shape: NDArray[np.float32]
    shape_basis: NDArray[np.float32]
    texture: NDArray[np.float32]
    texture_basis: NDArray[np.float32]
    triangles: NDArray[np.int64]

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw a face: vertices (V, 3) and RGB (V, 3); coefficients are standard normal."""
        shape, texture = self.shape, self.texture
        moved = self.shape_basis @ rng.standard_normal(self.shape_basis.shape[1], np.float32)
        tinted = self.texture_basis @ rng.standard_normal(self.texture_basis.shape[1], np.float32)
        return shape + moved.reshape(-1, 3), np.clip(texture + tinted.reshape(-1, 3), 0, 255)


def load_model(path: Path) -> FaceModel:
    """Read a morphable model: shapeMU, shapePC, shapeEV, texMU, texPC, texEV and tl.

    Raises:
        InputError: when the file is no such model.
    """
    means, bases, spreads = ("shapeMU", "texMU"), ("shapePC", "texPC"), ("shapeEV", "texEV")
    found = read_mat(path, (*means, *bases, *spreads, "tl"))
    for key, values in found.items():
        if values.dtype.kind not in "iuf" or values.ndim != 2 or not np.isfinite(values).all():
            raise InputError(f"{path}: {key} must be a matrix of finite numbers")
    long = found["shapeMU"].size
    for mean, basis, spread in zip(means, bases, spreads, strict=True):
        sizes = (found[mean].size, found[basis].shape, found[spread].size)
        if long % 3 or sizes != (long, (long, found[spread].size), found[basis].shape[1]):
            raise InputError(
                f"{path}: {mean}, {basis} and {spread} must be (3V, 1), (3V, K) and (K, 1), got "
                f"{found[mean].shape}, {found[basis].shape} and {found[spread].shape}"
            )
    triangles = found["tl"].astype(np.int64) - 1  # MATLAB counts from 1
    if triangles.shape[1] != 3 or triangles.min() < 0 or triangles.max() >= long // 3:
        raise InputError(f"{path}: tl must be (T, 3) vertex numbers in 1..{long // 3}")
    shape = found["shapeMU"].astype(np.float32).reshape(-1, 3)
    outward = vertex_normals(shape, triangles) * (shape - _middle(shape))
    if outward.sum() < 0:  # wound clockwise
        triangles = triangles[:, ::-1]
    return FaceModel(
        shape,
        (found["shapePC"] * found["shapeEV"].reshape(1, -1)).astype(np.float32),
        found["texMU"].astype(np.float32).reshape(-1, 3),
        (found["texPC"] * found["texEV"].reshape(1, -1)).astype(np.float32),
        np.ascontiguousarray(triangles),
    )


def _middle(shape: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the centre of the box around the vertices."""
    middle: NDArray[np.floating] = (shape.min(axis=0) + shape.max(axis=0)) / 2
    return middle


def turns(azimuth: NDArray[np.float64], elevation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rotations (n, 3, 3): about the vertical by azimuth, then about x by elevation.

    In degrees. A positive azimuth turns the face to the viewer's right, a positive elevation
    looks at it from above.

    >>> turns(np.array([90.0]), np.array([0.0]))[0].round().astype(int) @ [0, 0, 1]
    array([1, 0, 0])
    """
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    zero, one = np.zeros_like(a), np.ones_like(a)
    about_y = np.array([[np.cos(a), zero, np.sin(a)], [zero, one, zero],
                        [-np.sin(a), zero, np.cos(a)]])  # fmt: skip
    about_x = np.array([[one, zero, zero], [zero, np.cos(e), -np.sin(e)],
                        [zero, np.sin(e), np.cos(e)]])  # fmt: skip
    both: NDArray[np.float64] = np.einsum("ijn,jkn->nik", about_x, about_y)
    return both


def lights(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit directions towards lights (n, 3) at `angles` to the right, in degrees."""
    a, height = np.deg2rad(angles), np.deg2rad(LIGHT_HEIGHT)
    return np.stack(
        [np.sin(a) * np.cos(height), np.full_like(a, np.sin(height)), np.cos(a) * np.cos(height)],
        axis=1,
    )


def shade(
    normals: NDArray[np.float64], colours: NDArray[np.floating], light: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Phong's shading (L, P, 3) of P points under L lights, 0 to 255.

    I = colour (ambient + diffuse max(0, n l)) + 255 specular max(0, r v)^shininess, with r the
    light's reflection and v = (0, 0, 1) the direction of the viewer.

    Args:
        normals: (P, 3) unit normals.
        colours: (P, 3) RGB, 0 to 255.
        light: (L, 3) unit directions towards the lights.

    Source: Phong 1975.
    """
    toward = light @ normals.T  # (L, P)
    lit = np.maximum(toward, 0)
    reflected = np.maximum(2 * lit * normals[:, 2] - light[:, 2:], 0) * (toward > 0)
    glint = 255 * SPECULAR * reflected**SHININESS
    whole: NDArray[np.float64] = (AMBIENT + DIFFUSE * lit)[..., None] * colours + glint[..., None]
    return np.clip(whole, 0, 255)


def render(
    vertices: NDArray[np.floating],
    colours: NDArray[np.floating],
    triangles: NDArray[np.int64],
    rotations: NDArray[np.float64],
    light: NDArray[np.float64],
    size: int,
) -> NDArray[np.uint8]:
    """Render one mesh from B views under L lights, on black, anti-aliased.

    Args:
        vertices: (V, 3) centred, within the ball of radius 1; x right, y up, z to the viewer.
        colours: (V, 3) RGB, 0 to 255.
        triangles: (T, 3) vertex numbers, anticlockwise seen from outside.
        rotations: (B, 3, 3) of the views; parallel projection along z.
        light: (L, 3) unit directions towards the lights, which stay with the camera.
        size: side of the images.

    Returns:
        (B, L, size, size, 3) uint8.
    """
    fine = size * FINER
    normals = vertex_normals(vertices, triangles)
    views = max(1, TRIANGLES_AT_ONCE // len(triangles))
    out = np.empty((len(rotations), len(light), size, size, 3), np.uint8)
    for start in range(0, len(rotations), views):
        turned = vertices @ rotations[start : start + views].swapaxes(1, 2)
        points = np.stack(
            [(1 + turned[..., 0]) * fine / 2, (1 - turned[..., 1]) * fine / 2, turned[..., 2]],
            axis=-1,
        )
        seen = rasterise(points, triangles, fine)
        view = seen.pixel // fine**2
        corner = triangles[seen.triangle]
        at = np.einsum("pk,pkc->pc", seen.weights, normals[corner])
        at = np.einsum("pij,pj->pi", rotations[start + view], at)
        at /= np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-12)
        colour = np.einsum("pk,pkc->pc", seen.weights, colours[corner])
        pictures = np.zeros((len(light), len(turned) * fine**2, 3), np.float32)
        pictures[:, seen.pixel] = shade(at, colour, light)
        blocks = pictures.reshape(len(light), len(turned), fine, fine, 3)
        offsets = np.ndindex(FINER, FINER)
        total = sum(blocks[:, :, i::FINER, j::FINER] for i, j in offsets)
        averaged = np.rint(total / FINER**2).astype(np.uint8)
        out[start : start + views] = averaged.swapaxes(0, 1)
    return out


def spread(limit: float, count: int) -> NDArray[np.float64]:
    """Return `count` angles from -limit to limit; a single one is 0.

    >>> spread(30, 3).tolist(), spread(30, 1).tolist()
    ([-30.0, 0.0, 30.0], [0.0])
    """
    return np.linspace(-limit, limit, count) if count > 1 else np.zeros(1)


def read(path: Path, chosen: Chosen) -> Reading:
    """Render a grid of identity, azimuth, elevation and lighting from a morphable model.

    Raises:
        InputError: when the file is no morphable model.
    """
    path = one_file(path, (".mat",), "faces")
    model = load_model(path)
    grid = Factors(NAMES, chosen.grid)
    identities, azimuths, elevations, lightings = chosen.grid
    rng = np.random.default_rng(SEED)
    faces = [model.draw(rng) for _ in range(identities)]
    centre = _middle(model.shape)
    radius = MARGIN * np.linalg.norm(model.shape - centre, axis=1).max()
    light = lights(spread(LIGHT, lightings))
    elevation = spread(ELEVATION, elevations)

    def fill(out: NDArray[np.uint8]) -> None:
        cells = out.reshape(identities, azimuths, elevations, lightings, *out.shape[1:])

        def one(job: int) -> None:
            identity, turn = divmod(job, azimuths)
            shape, colours = faces[identity]
            angle = np.full(elevations, spread(AZIMUTH, azimuths)[turn])
            pictures = render(
                (shape - centre) / radius, colours, model.triangles, turns(angle, elevation),
                light, chosen.size,
            )  # fmt: skip
            flat = np.moveaxis(pictures.reshape(-1, chosen.size, chosen.size, 3), 3, 1)
            cells[identity, turn] = to_channels(flat, chosen.channels).reshape(
                elevations, lightings, *out.shape[1:]
            )
            let_go(out)

        on_all_cores(one, identities * azimuths, "rendering faces", unit=1)

    shape = (chosen.channels, chosen.size, chosen.size)
    return Reading(len(grid), shape, fill, grid=grid)


RECIPE = Recipe(
    title="faces, rendered from a morphable model",
    images="127,050 64x64, or as many as you ask for",
    factors="identity 50, azimuth 21, elevation 11, lighting 11: a full grid of your choice",
    site="https://faces.dmi.unibas.ch/bfm/",
    licence="the Basel Face Model: internal, non-commercial research, evaluation and testing only",
    download="after registration",
    source="01_MorphableModel.mat of the Basel Face Model 2009, or one of its format",
    read=read,
    channels=1,
    takes=("colour", "identities", "azimuths", "elevations", "lights"),
    grid=(50, 21, 11, 11),
    no_remote="its authors give the model out after registration",
)
