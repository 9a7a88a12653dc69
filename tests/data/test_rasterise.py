"""The z-buffer against known answers: coverage, occlusion, back faces, weights, no gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betavae.data import rasterise as module
from betavae.data.rasterise import rasterise, vertex_normals


def owners(points: np.ndarray, triangles: np.ndarray, side: int) -> np.ndarray:
    """The triangle each pixel sees, (B, side, side), -1 for none."""
    seen = rasterise(points, triangles, side)
    out = np.full(len(points) * side * side, -1)
    out[seen.pixel] = seen.triangle
    return out.reshape(len(points), side, side)


def square(x: float, y: float, width: float, depth: float) -> np.ndarray:
    """Corners of a square, in the order upper left, lower left, lower right, upper right."""
    return np.array(
        [[x, y, depth], [x, y + width, depth], [x + width, y + width, depth], [x + width, y, depth]]
    )


TWO = np.array([[0, 1, 2], [0, 2, 3]])


def test_a_square_covers_exactly_the_pixels_whose_centres_it_holds() -> None:
    seen = owners(square(2.0, 3.0, 4.0, 0.0)[None], TWO, 10)[0] >= 0
    expected = np.zeros((10, 10), bool)
    expected[3:7, 2:6] = True
    np.testing.assert_array_equal(seen, expected)


def test_back_faces_are_not_seen() -> None:
    assert (owners(square(2, 2, 6, 0)[None], TWO[:, ::-1], 10) == -1).all()


def test_the_nearer_one_wins_whatever_the_order() -> None:
    near, far = square(2, 2, 4, 1.0), square(0, 0, 8, -1.0)
    for first, second, nearer in ((near, far, (0, 1)), (far, near, (2, 3))):
        points = np.concatenate([first, second])[None]
        seen = owners(points, np.concatenate([TWO, TWO + 4]), 8)[0]
        assert np.isin(seen[2:6, 2:6], nearer).all()
        outside = np.ones((8, 8), bool)
        outside[2:6, 2:6] = False
        assert not np.isin(seen[outside], nearer).any()
        assert (seen >= 0).all()


def test_planes_that_cross_are_parted_where_they_cross() -> None:
    """One plane leans: it is in front on the right of column 4, behind on its left."""
    flat, leaning = square(0, 0, 8, 0.0), square(0, 0, 8, 0.0)
    leaning[:, 2] = leaning[:, 0] - 4
    seen = owners(np.concatenate([flat, leaning])[None], np.concatenate([TWO, TWO + 4]), 8)[0]
    np.testing.assert_array_equal(seen >= 2, np.tile(np.arange(8) >= 4, (8, 1)))


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    seen = owners(square(-3, -3, 5, 0)[None], TWO, 8)[0] >= 0
    assert seen.sum() == 4
    assert seen[:2, :2].all()
    assert (owners(square(20, 20, 5, 0)[None], TWO, 8) == -1).all()


def test_weights_give_back_the_place_of_the_pixel() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(0, 32, (3, 5, 2)), rng.normal(size=(3, 5, 1))], axis=2)
    triangles = np.array([[0, 1, 2], [2, 1, 0], [1, 3, 4], [4, 3, 1]])
    seen = rasterise(points, triangles, 32)
    assert len(seen.pixel)
    assert (seen.weights >= 0).all()
    np.testing.assert_allclose(seen.weights.sum(axis=1), 1)
    view, place = np.divmod(seen.pixel, 32 * 32)
    line, column = np.divmod(place, 32)
    corners = points[view[:, None], triangles[seen.triangle]]
    at = np.einsum("pk,pkc->pc", seen.weights, corners)
    # Vertices move by up to half of 1/256 pixel.
    np.testing.assert_allclose(at[:, 0], column + 0.5, atol=1 / 256)
    np.testing.assert_allclose(at[:, 1], line + 0.5, atol=1 / 256)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), at_once=st.sampled_from([1, 7, 1 << 21]))
def test_a_mesh_has_no_gaps_and_pieces_change_nothing(seed: int, at_once: int) -> None:
    """A wobbly sheet of many tiny triangles covers a whole square, however it is cut up."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    x, y = np.meshgrid(np.linspace(2, 14, n + 1), np.linspace(2, 14, n + 1))
    sheet = np.stack([x, y, rng.normal(size=x.shape)], axis=-1)
    sheet[1:-1, 1:-1, :2] += rng.uniform(-0.4, 0.4, (n - 1, n - 1, 2)) * 12 / n / 2
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    triangles = np.concatenate(
        [np.stack([a, a + n + 1, a + 1], 1), np.stack([a + 1, a + n + 1, a + n + 2], 1)]
    )
    points = sheet.reshape(1, -1, 3)
    whole = owners(points, triangles, 16)
    assert (whole[0, 2:14, 2:14] >= 0).all()
    assert (whole[0] >= 0).sum() == 144
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_AT_ONCE", at_once)
        np.testing.assert_array_equal(owners(points, triangles, 16), whole)


def test_views_do_not_mix() -> None:
    points = np.stack([square(0, 0, 4, 0), square(4, 4, 4, 0), square(9, 9, 4, 0)])
    together = owners(points, TWO, 8)
    for view in range(3):
        np.testing.assert_array_equal(together[view], owners(points[view : view + 1], TWO, 8)[0])


def test_normals_of_a_sphere_point_outward() -> None:
    from originals import head

    _, triangles, angles = head(40, 60)
    a, b = angles.T
    ball = np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], axis=1)
    normals = vertex_normals(ball, triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    middle = np.abs(np.cos(a)) < 0.9  # at the poles many vertices share a place
    assert (normals[middle] * ball[middle]).sum(axis=1).min() > 0.995


def test_a_vertex_without_triangles_has_no_normal() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]])
    np.testing.assert_array_equal(
        vertex_normals(points, np.array([[0, 1, 2]])), [[0, 0, 1]] * 3 + [[0, 0, 0]]
    )
