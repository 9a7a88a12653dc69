"""The face renderer: a ball's silhouette and shading, poses, lights, models and their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import originals
import pytest

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.data.prepare import prepare
from betavae.data.recipe import Options
from betavae.data.sets import faces

FRONT = faces.turns(np.zeros(1), np.zeros(1))


pytestmark = pytest.mark.usefixtures("own_cache")


def ball(radius: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    _, triangles, angles = originals.head(60, 90)
    a, b = angles.T
    out = np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], axis=1)
    return radius * out, triangles


def distance(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of pixel centres in -1..1, y up."""
    at = (np.arange(size) + 0.5) / size * 2 - 1
    return np.meshgrid(at, -at)


def test_a_ball_has_the_silhouette_and_the_shading_of_a_ball() -> None:
    vertices, triangles = ball()
    colours = np.full_like(vertices, 200.0)
    light = faces.lights(np.array([0.0, 40.0]))
    pictures = faces.render(vertices, colours, triangles, FRONT, light, 64)[0].astype(float)
    x, y = distance(64)
    r = np.hypot(x, y)
    assert (pictures[:, r > 0.83] == 0).all()
    assert (pictures[:, r < 0.77] > 0).all()
    # Within, every pixel is what Phong's formula says of the ball's own normal there.
    inner = r < 0.7
    normals = np.stack([x, y, np.sqrt(np.maximum(0.64 - x**2 - y**2, 0))], axis=-1) / 0.8
    expected = faces.shade(normals[inner], np.full((inner.sum(), 3), 200.0), light)
    assert np.abs(pictures[:, inner] - expected).max() < 6
    assert np.abs(pictures[:, inner] - expected).mean() < 1


def test_shading_is_phongs() -> None:
    light = np.array([[0.0, 0.0, 1.0], [0.0, 0.6, 0.8]])
    normals = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    values = faces.shade(normals, np.full((3, 3), 100.0), light)[..., 0]
    glint = 255 * faces.SPECULAR
    full = 100 * (faces.AMBIENT + faces.DIFFUSE)
    # Facing light and viewer; edge-on to the light; turned away.
    np.testing.assert_allclose(values[0], [full + glint, 25, 25])
    # 2 (n l) n_z - l_z = .8, and a reflection that points away from the viewer shows no glint.
    np.testing.assert_allclose(values[1], [25 + 75 * 0.8 + glint * 0.8**12, 25 + 75 * 0.6, 25])


def test_a_symmetric_head_is_symmetric_and_profiles_mirror_each_other() -> None:
    vertices, triangles, _ = originals.head()
    vertices = vertices / 130
    colours = np.full_like(vertices, 200.0)
    turns = faces.turns(np.array([0.0, -90.0, 90.0, -40.0, 40.0]), np.zeros(5))
    middle = faces.lights(np.zeros(1))
    front, left, right, one, other = faces.render(vertices, colours, triangles, turns, middle, 64)[
        :, 0
    ].astype(int)
    assert np.abs(front - front[:, ::-1]).mean() < 1.5
    assert np.abs(left - right[:, ::-1]).mean() < 1.5
    assert np.abs(one - other[:, ::-1]).mean() < 1.5
    # A nose sticks out to the side that the head is turned to.
    columns = np.flatnonzero(right[..., 0].any(axis=0))
    assert columns[-1] - 31.5 > 31.5 - columns[0] + 3
    assert np.abs(right - right[:, ::-1]).mean() > 3


def test_lights_from_both_sides_mirror_each_other() -> None:
    vertices, triangles = ball()
    light = faces.lights(np.array([-60.0, 60.0]))
    left, right = faces.render(
        vertices, np.full_like(vertices, 200.0), triangles, FRONT, light, 32
    )[0].astype(int)
    assert np.abs(left - right[:, ::-1]).max() <= 6
    assert left[16, 4:12].mean() > right[16, 4:12].mean() + 30


def test_elevation_looks_from_above() -> None:
    """A mark on the top of the head comes into view, one on the chin goes."""
    vertices, triangles = ball()
    colours = np.full_like(vertices, 100.0)
    colours[vertices[:, 1] > 0.78] = [255, 0, 0]
    colours[vertices[:, 1] < -0.78] = [0, 0, 255]
    turns = faces.turns(np.zeros(2), np.array([-40.0, 40.0]))
    below, above = faces.render(vertices, colours, triangles, turns, faces.lights(np.zeros(1)), 64)[
        :, 0
    ].astype(int)
    assert (above[..., 0] - above[..., 2]).max() > 100
    assert (above[..., 2] - above[..., 0]).max() < 30
    assert (below[..., 2] - below[..., 0]).max() > 50


def test_colours_stay_with_their_vertices() -> None:
    vertices, triangles = ball()
    colours = np.where(vertices[:, :1] < 0, [[200.0, 0, 0]], [[0.0, 200, 0]])
    picture = faces.render(vertices, colours, triangles, FRONT, faces.lights(np.zeros(1)), 32)[0, 0]
    assert (picture[16, 6:14, 0] > picture[16, 6:14, 1] + 60).all()
    assert (picture[16, 18:26, 1] > picture[16, 18:26, 0] + 60).all()


@pytest.mark.parametrize("clockwise", [False, True])
@pytest.mark.parametrize("at_once", [1, 10**6])
def test_the_grid_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clockwise: bool, at_once: int
) -> None:
    """Every cell of the grid is the picture of its own identity, pose and light."""
    monkeypatch.setattr(faces, "TRIANGLES_AT_ONCE", at_once)
    path = originals.morphable_model(tmp_path, clockwise=clockwise)
    options = Options(size=32, colour=True, identities=2, azimuths=3, elevations=2, lights=2)
    prepare("faces", path, options)
    dataset = datasets.load("faces")
    assert dataset.grid == Factors(faces.NAMES, (2, 3, 2, 2))
    model = faces.load_model(path)
    rng = np.random.default_rng(faces.SEED)
    centre = (model.shape.min(axis=0) + model.shape.max(axis=0)) / 2
    radius = faces.MARGIN * np.linalg.norm(model.shape - centre, axis=1).max()
    people = [model.draw(rng) for _ in range(2)]
    for row in (0, 5, 10, 23):
        identity, azimuth, elevation, light = dataset.grid.classes([row])[0]
        shape, colours = people[identity]
        expected = faces.render(
            (shape - centre) / radius,
            colours,
            model.triangles,
            faces.turns(np.array([(azimuth - 1) * 90.0]), np.array([elevation * 60.0 - 30])),
            faces.lights(np.array([light * 160.0 - 80])),
            32,
        )[0, 0]
        np.testing.assert_array_equal(dataset.images.data[row], np.moveaxis(expected, 2, 0))
    # Every factor changes the picture.
    grid = dataset.images.data.reshape(2, 3, 2, 2, -1).astype(int)
    for axis in range(4):
        assert np.abs(np.diff(grid, axis=axis)).mean() > 1


def test_faces_are_the_same_every_time_and_more_identities_keep_the_first(tmp_path: Path) -> None:
    path = originals.morphable_model(tmp_path)
    few = Options(size=32, identities=1, azimuths=1, elevations=1, lights=1)
    prepare("faces", path, few)
    one = datasets.load("faces").images.data.copy()
    prepare("faces", path, Options(size=32, identities=3, azimuths=1, elevations=1, lights=1))
    three = datasets.load("faces").images.data
    np.testing.assert_array_equal(three[0], one[0])
    assert one.shape == (1, 1, 32, 32)  # grey by default


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapeMU": None}, "must hold shapeMU, got shapePC, shapeEV"),
        ({"tl": None}, "must hold tl, got shapeMU"),
        ({"tl": np.ones((4, 2))}, "tl must be (T, 3) vertex numbers in 1..864"),
        ({"tl": np.zeros((4, 3))}, "tl must be (T, 3) vertex numbers in 1..864"),
        ({"tl": np.full((4, 3), 865)}, "tl must be (T, 3) vertex numbers in 1..864"),
        ({"shapeEV": np.ones((2, 1))}, "shapeMU, shapePC and shapeEV must be (3V, 1), (3V, K)"),
        ({"texMU": np.ones((9, 1))}, "texMU, texPC and texEV must be (3V, 1), (3V, K)"),
        ({"texPC": np.full((2592, 2), np.nan)}, "texPC must be a matrix of finite numbers"),
        ({"shapePC": np.array([["a"]])}, "shapePC must be a matrix of finite numbers"),
    ],
)
def test_wrong_models_are_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = originals.morphable_model(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        prepare("faces", path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.safetensors*"))


def test_options_must_make_sense(tmp_path: Path) -> None:
    path = originals.morphable_model(tmp_path)
    for options, message in (
        (Options(identities=0), "identities must be >= 1, got 0"),
        (Options(crop=5), "crop is no option of faces, only of"),
        (Options(size=300), "size must be in 8..256, got 300"),
    ):
        with pytest.raises(InputError, match=message):
            prepare("faces", path, options)
