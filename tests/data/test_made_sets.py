"""Sets that are made as they are drawn: exact geometry, exact hues, the same bytes each time."""

from __future__ import annotations

import colorsys
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data import scene_rays
from betavae.data.images import ImageStore
from betavae.data.made import MadeImages, draws, fractions
from betavae.data.sets import scenes3d, shapes2d_variants, xysquares
from betavae.data.sets.made import MADE, is_made
from betavae.data.shapes2d import FACTORS, render

ROWS = np.random.default_rng(0).choice(len(FACTORS), 40, replace=False)
SHAPES = render(FACTORS.classes(ROWS)).astype(bool)


def scenes(classes: list[list[int]]) -> np.ndarray:
    """Images of scenes, of which only the views that are asked for are rendered."""
    layers = np.zeros((scenes3d.VIEWS, 4, 64 * 64), np.uint16)
    rows = scenes3d.FACTORS.index(classes)
    for place in np.unique(rows % scenes3d.VIEWS):
        _, _, _, scale, shape, angle = scenes3d.FACTORS.classes(place)
        found = scene_rays.view(int(shape), int(scale), int(angle))
        layers[place] = np.rint(found * scenes3d.ONE).reshape(4, -1)
    return scenes3d.Scenes(layers)(rows)


def test_numbers_are_a_function_of_row_and_seed() -> None:
    rows = np.array([3, 700_000, 3])
    found = draws(rows, 4, 1)
    assert (found[0] == found[2]).all()
    assert (draws(rows[1:2], 4, 1) == found[1]).all()
    assert (draws(rows, 4, 2) != found).all()
    uniform = fractions(np.arange(20_000), 3, 0)
    assert abs(uniform.mean(0) - 0.5).max() < 0.01
    assert abs(uniform.var(0) - 1 / 12).max() < 0.002
    assert abs(np.corrcoef(uniform.T) - np.eye(3)).max() < 0.03


def test_coloured_shapes_have_one_bright_colour_on_black() -> None:
    images = shapes2d_variants.coloured(SHAPES, ROWS)
    for image, shape in zip(images, SHAPES, strict=True):
        assert not image[:, ~shape].any()
        assert len(np.unique(image[:, shape], axis=1).T) == 1
        assert image[:, shape].min() >= 127
    assert len(np.unique(images.max((2, 3)), axis=0)) == len(ROWS)


def test_noisy_shapes_are_white_on_uniform_noise() -> None:
    images = shapes2d_variants.noisy(SHAPES, ROWS)
    around = images[np.broadcast_to(~SHAPES[:, None], images.shape)] / 255
    assert (images[np.broadcast_to(SHAPES[:, None], images.shape)] == 255).all()
    assert abs(around.mean() - 0.5) < 0.005
    assert abs(around.var() - 1 / 12) < 0.002
    assert (images[0] != images[1]).mean() > 0.9


def test_textured_shapes_are_the_inverse_of_their_patch() -> None:
    flat = np.full((3, 64, 64), 100, np.uint8)  # one patch: what is left is the tint
    images = shapes2d_variants.Textured(flat)(SHAPES, ROWS)
    for image, shape in zip(images, SHAPES, strict=True):
        inside, outside = image[:, shape][:, 0], image[:, ~shape][:, 0]
        assert (image[:, shape] == inside[:, None]).all()
        assert (inside == 255 - outside).all()
        assert (outside >= 50).all()  # half of 100, and up to half of 255
        assert (outside <= 177).all()


def test_a_texture_is_read_and_refused(tmp_path: Path) -> None:
    big, small = tmp_path / "big.png", tmp_path / "small.png"
    Image.new("RGB", (700, 548), (10, 20, 30)).save(big)
    Image.new("RGB", (700, 60)).save(small)
    assert shapes2d_variants.read_texture(big).shape == (3, 274, 350)
    with pytest.raises(InputError, match="at least 64 pixels"):
        shapes2d_variants.read_texture(small)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot read the texture"):
        shapes2d_variants.read_texture(tmp_path / "text.png")


def test_squares_and_columns_lie_where_their_factors_say() -> None:
    image = xysquares.squares(xysquares.SQUARES.index([[1, 2, 0, 7, 3, 3]]))[0]
    for channel, (x, y) in enumerate([(1, 2), (0, 7), (3, 3)]):
        expected = np.zeros((64, 64), np.uint8)
        expected[8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 255
        assert (image[channel] == expected).all()
    column = xysquares.columns(xysquares.COLUMNS.index([[0, 5, 7]]))[0]
    assert (column[1, :, 40:48] == 255).all()
    assert column.sum() == 3 * 64 * 8 * 255


def test_any_two_squares_are_equally_far_apart() -> None:
    """What the set is made for: pixels know no order of the places."""
    rows = xysquares.SQUARES.index([[x, 0, 0, 0, 0, 0] for x in range(8)])
    images = xysquares.squares(rows).reshape(8, -1) / 255
    apart = ((images[:, None] - images) ** 2).sum(2)
    assert (apart[~np.eye(8, dtype=bool)] == 128).all()


def test_rays_meet_bodies_at_known_distances() -> None:
    far = np.array([0.0, 0.0, 10.0])
    rays = np.array([[0.0, 0.0, -1.0]])
    for shape, height, depth in ((0, 0.5, 0.75), (1, 0.5, 0.7), (2, 0.95, 0.95), (3, 0.6, 0.6)):
        for size in (0.7, 1.2):
            origin = np.add(far, [0, height * size, 0])
            found = scene_rays.hit_body(shape, size, origin, rays)
            assert found == pytest.approx(10 - depth * size)
            normal = scene_rays.body_normal(shape, size, origin + found[:, None] * rays)
            assert normal == pytest.approx(np.array([[0, 0, 1.0]]), abs=1e-9)
    down = np.array([[0.0, -1.0, 0.0]])
    for shape, top in enumerate((1.5, 1.7, 1.9, 1.2)):
        assert scene_rays.hit_body(shape, 1.0, np.array([0, 9.0, 0]), down) == pytest.approx(
            9 - top
        )
    assert scene_rays.hit_body(2, 1.0, np.add(far, [5, 0, 0]), rays) == scene_rays.FAR


def test_materials_and_shine_cover_each_pixel_once() -> None:
    layers = scene_rays.view(2, 4, 7)
    assert layers.shape == (4, 64, 64)
    assert layers.min() >= 0
    assert layers.sum(0).max() <= 1 + 1e-9
    assert layers.sum(0).min() >= scene_rays.AMBIENT * 0.9
    top, bottom, middle = layers[:, 0, 32], layers[:, 63, 32], layers[:, 34, 30]
    assert top.argmax() == scene_rays.WALL
    assert bottom.argmax() == scene_rays.FLOOR
    assert middle[scene_rays.BODY] > 0


def test_hues_are_the_factors() -> None:
    classes = [[k, (k + 3) % 10, (k + 6) % 10, 4, 0, 7] for k in range(10)]
    for image, (floor, wall, body, *_) in zip(scenes(classes), classes, strict=True):
        for (row, column), hue in (((62, 5), floor), ((2, 30), wall), ((35, 31), body)):
            found = colorsys.rgb_to_hsv(*(image[:, row, column] / 255))[0] * 10
            assert min(abs(found - hue), 10 - abs(found - hue)) < 0.1


def test_each_factor_of_the_scene_changes_the_image() -> None:
    base = [1, 2, 3, 3, 0, 7]
    others = [[*base[:k], base[k] + 1, *base[k + 1 :]] for k in range(6)]
    images = scenes([base, *others]).astype(int)
    changed = (images[1:] != images[0]).any(1).mean((1, 2))
    assert (changed > 0.02).all()
    assert not (images[1] != images[0])[:, 0].any()  # the floor's hue leaves the wall alone


def test_a_view_is_the_same_bytes_each_time() -> None:
    one = scenes([[0, 4, 7, 2, 3, 11]])
    again = scenes([[5, 5, 5, 2, 3, 11], [0, 4, 7, 2, 3, 11]])[1:]
    assert hashlib.sha256(one).digest() == hashlib.sha256(again).digest()


def test_the_scene_renders_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path))
    calls = []

    def view(shape: int, scale: int, angle: int) -> np.ndarray:
        calls.append((scale, shape, angle))
        return np.full((4, 64, 64), (angle + 1) / 16)

    monkeypatch.setattr(scene_rays, "view", view)
    first = datasets.load("scenes3d")
    assert sorted(calls) == sorted(np.ndindex(8, 4, 15))
    again = datasets.load("scenes3d")
    assert len(calls) == scenes3d.VIEWS  # read from the cache
    assert first.fingerprint() == again.fingerprint()
    assert len(again.images) == 480_000
    assert again.value_names["shape"] == scene_rays.SHAPES


def test_made_images_are_a_store_like_any_other() -> None:
    made = datasets.load("xcolumns")
    whole = ImageStore.from_uint8(xysquares.columns(np.arange(512)))
    assert (made.images[[3, 500]] == whole[[3, 500]]).all()
    assert made.fingerprint() == datasets.Dataset("whole", whole).fingerprint()
    assert (pickle.loads(pickle.dumps(made.images))[7] == whole[7]).all()
    assert made.images.ever_set().all()
    with pytest.raises(InputError, match="rows must be in"):
        made.images[512]
    with pytest.raises(InputError, match="at least 1"):
        MadeImages(0, (1, 8, 8), xysquares.columns)


def test_names_are_known() -> None:
    assert all(is_made(name) for name in MADE)
    with pytest.raises(InputError, match="size of xcolumns must be 64"):
        datasets.load("xcolumns", size=32)
    with pytest.raises(InputError, match="scenes3d"):
        datasets.load("scene3d")
    with pytest.raises(InputError, match="shapes2d-color"):
        datasets.load("shapes2d-colour")
