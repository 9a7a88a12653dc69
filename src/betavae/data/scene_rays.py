"""The geometry of the 3D scene: rays against four bodies in a room, shaded; no colours yet.

The scene is our own. A body stands in the middle of a room with a floor and three walls; the
camera turns around it, and the lamp stays with the room. Units are about half a body. Axes: x to
the right, y up, z towards the viewer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHAPES = ("cube", "cylinder", "sphere", "capsule")
SCALES = np.linspace(0.7, 1.2, 8)
ANGLES = np.radians(np.linspace(-35.0, 35.0, 15))
SIDE, SAMPLES = 64, 4  # pixels, and rays a pixel in each direction
ROOM = 3.4  # distance of the walls from the middle
DISTANCE, HEIGHT, AIM, FIELD = 5.6, 3.0, 0.75, np.radians(44.0)  # the camera
LAMP = np.array([1.6, 5.2, 2.6])
AMBIENT, SHADOW = 0.45, 0.35  # light without the lamp; share of the lamp's light that shadows keep
FAR, NEAR = 1e9, 1e-6
FLOOR, WALL, BODY, SHINE = range(4)  # the layers of a view


def view(shape: int, scale: int, angle: int) -> Floats:
    """Return how much of each material a pixel shows, times its shade: (4, 64, 64) in [0, 1].

    Layers: floor, wall, body, and white shine. An image is the sum of the layers times the
    colours of floor, wall and body, and white; each pixel is the mean of 16 rays.
    """
    origin, rays = camera(ANGLES[angle])
    size = float(SCALES[scale])
    to_body = hit_body(shape, size, origin, rays)
    to_room, room_normal = hit_room(origin, rays)
    on_body = to_body < to_room
    points = origin + np.minimum(to_body, to_room)[:, None] * rays
    normals = np.where(on_body[:, None], body_normal(shape, size, points), room_normal)
    to_lamp = LAMP - points
    reach = np.linalg.norm(to_lamp, axis=1, keepdims=True)
    to_lamp = to_lamp / reach
    lit = np.clip((normals * to_lamp).sum(1), 0, None)
    hidden = hit_body(shape, size, points + 1e-4 * normals, to_lamp) < reach[:, 0]
    lamp = lit * np.where(hidden & ~on_body, SHADOW, 1.0)
    shade = AMBIENT + (1 - AMBIENT) * lamp
    half = to_lamp - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = 0.5 * np.clip((normals * half).sum(1), 0, None) ** 40 * on_body * (lit > 0)
    floor = ~on_body & (room_normal[:, 1] > 0.5)
    layers = np.zeros((4, len(rays)))
    for layer, shown in ((FLOOR, floor), (WALL, ~on_body & ~floor), (BODY, on_body)):
        layers[layer] = shade * shown
    layers[BODY] *= 1 - shine
    layers[SHINE] = shine
    pixels: Floats = layers.reshape(4, SIDE, SAMPLES, SIDE, SAMPLES).mean((2, 4))
    return pixels


def camera(angle: float) -> tuple[Floats, Floats]:
    """Return the camera's place (3,) and its rays (R, 3), of unit length, row by row."""
    origin = np.array([DISTANCE * np.sin(angle), HEIGHT, DISTANCE * np.cos(angle)])
    ahead = np.array([0.0, AIM, 0.0]) - origin
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    count = SIDE * SAMPLES
    steps = (2 * (np.arange(count) + 0.5) / count - 1) * np.tan(FIELD / 2)
    up = np.cross(right, ahead)
    rays = ahead + steps[None, :, None] * right - steps[:, None, None] * up
    rays = rays.reshape(-1, 3)
    return origin, rays / np.linalg.norm(rays, axis=1, keepdims=True)


def hit_room(origin: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """Return the distance to floor or walls (R,) and the normal there (R, 3).

    The walls to the left, right and back have no upper end, and the room is open in front.
    """
    planes = (
        (np.array([0.0, 1.0, 0.0]), 0.0),
        (np.array([0.0, 0.0, 1.0]), -ROOM),
        (np.array([1.0, 0.0, 0.0]), -ROOM),
        (np.array([-1.0, 0.0, 0.0]), -ROOM),
    )
    nearest, normals = np.full(len(rays), FAR), np.zeros((len(rays), 3))
    for normal, offset in planes:
        towards = rays @ normal
        distance = np.where(towards < -NEAR, (offset - origin @ normal) / _not_zero(towards), FAR)
        closer = (distance > NEAR) & (distance < nearest)
        nearest = np.where(closer, distance, nearest)
        normals[closer] = normal
    return nearest, normals


def hit_body(shape: int, size: float, origin: Floats, rays: Floats) -> Floats:
    """Return the distance to a body that stands on the floor, (R,); `FAR` where it is missed.

    Args:
        shape: of `SHAPES`.
        size: factor on its measures.
        origin: where rays begin, (3,) or (R, 3).
        rays: (R, 3), of unit length.
    """
    start = np.broadcast_to(origin, rays.shape) / size
    if shape == 0:  # between three pairs of planes: the last entry before the first exit
        lower, upper = np.array([-0.75, 0.0, -0.75]), np.array([0.75, 1.5, 0.75])
        ends = np.stack([lower - start, upper - start]) / _not_zero(rays)
        entry, leave = ends.min(0).max(1), ends.max(0).min(1)
        distance = np.where((entry < leave) & (entry > NEAR), entry, FAR)
    elif shape == 1:
        distance = _tube(start, rays, axis=1, radius=0.7, low=0.0, high=1.7)
        for level in (0.0, 1.7):
            to_lid = (level - start[:, 1]) / _not_zero(rays[:, 1])
            across = ((start + to_lid[:, None] * rays)[:, [0, 2]] ** 2).sum(1) <= 0.7**2
            distance = np.where(across & (to_lid > NEAR), np.minimum(distance, to_lid), distance)
    elif shape == 2:
        distance = _ball(start, rays, np.array([0.0, 0.95, 0.0]), 0.95)
    else:
        lying = start - np.array([0.0, 0.6, 0.0])
        distance = _tube(lying, rays, axis=0, radius=0.6, low=-0.75, high=0.75)
        for end in (-0.75, 0.75):
            ball = _ball(lying, rays, np.array([end, 0.0, 0.0]), 0.6)
            distance = np.minimum(distance, ball)
    return np.where(distance < FAR, distance * size, FAR)


def body_normal(shape: int, size: float, points: Floats) -> Floats:
    """Return the outward normal (R, 3) of a body at points on it."""
    at = points / size
    if shape == 0:
        inner = np.abs(at - np.array([0.0, 0.75, 0.0]))
        face = np.eye(3)[inner.argmax(1)]
        outward: Floats = face * np.sign(at - np.array([0.0, 0.75, 0.0]))
        return outward
    if shape == 1:
        lid = np.abs(np.clip(at[:, 1], 0.0, 1.7) - at[:, 1]) + (at[:, 1] > 1.7 - 1e-6)
        side = at * np.array([1.0, 0.0, 1.0])
        out = np.where(lid[:, None] > 0, np.array([0.0, 1.0, 0.0]), side)
    elif shape == 2:
        out = at - np.array([0.0, 0.95, 0.0])
    else:
        lying = at - np.array([0.0, 0.6, 0.0])
        lying[:, 0] -= np.clip(lying[:, 0], -0.75, 0.75)
        out = lying
    unit: Floats = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), NEAR)
    return unit


def _ball(start: Floats, rays: Floats, centre: Floats, radius: float) -> Floats:
    away = start - centre
    half = (away * rays).sum(1)
    inside = half**2 - (away**2).sum(1) + radius**2
    distance = -half - np.sqrt(np.maximum(inside, 0))
    return np.where((inside > 0) & (distance > NEAR), distance, FAR)


def _tube(
    start: Floats, rays: Floats, *, axis: int, radius: float, low: float, high: float
) -> Floats:
    """Return the distance to the mantle of a cylinder along an axis, without its lids."""
    others = [k for k in range(3) if k != axis]
    from_axis, across = start[:, others], rays[:, others]
    square = _not_zero((across**2).sum(1))
    half = (from_axis * across).sum(1)
    inside = half**2 - square * ((from_axis**2).sum(1) - radius**2)
    distance = (-half - np.sqrt(np.maximum(inside, 0))) / square
    along = start[:, axis] + distance * rays[:, axis]
    met = (inside > 0) & (distance > NEAR) & (along >= low) & (along <= high)
    return np.where(met, distance, FAR)


def _not_zero(values: Floats) -> Floats:
    """Return values without zeros, so that they can be divided by."""
    return np.where(np.abs(values) < 1e-12, 1e-12, values)
