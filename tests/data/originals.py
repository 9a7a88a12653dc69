"""Small files in the very layouts that the data sets are published in, and what they hold.

Every function writes into a folder and returns what `betavae data prepare --from` takes, the
pixels (N, C, H, W) in the order of the factors, and the factors.
"""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from scipy.io import savemat
from written import Evil, Original, file_content, noise, write_files, write_tar, write_zip

from betavae.data import shapes2d
from betavae.data.factors import Factors

# ---------------------------------------------------------------- dSprites, 3D Shapes, MPI3D


DSPRITES_SIZES = (1, 3, 2, 3, 2, 2)


def dsprites_arrays() -> tuple[np.ndarray, np.ndarray]:
    """A corner of the grid, and its images."""
    classes = Factors(("c", "s", "z", "o", "x", "y"), DSPRITES_SIZES).table()
    return shapes2d.render(classes[:, 1:]), classes


def dsprites_npz(folder: Path, trace: Path | None = None) -> Original:
    images, classes = dsprites_arrays()
    path = folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    np.savez_compressed(
        path,
        metadata=np.array({"title": Evil(trace) if trace else "dSprites"}, object),
        imgs=images,
        latents_values=classes.astype(float),
        latents_classes=classes,
    )
    names = ("shape", "scale", "orientation", "posX", "posY")
    return Original(path, images[:, None] * 255, classes[:, 1:], names)


def dsprites_hdf5(folder: Path) -> Original:
    import h5py

    images, classes = dsprites_arrays()
    path = folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("imgs", data=images, compression="gzip", chunks=(16, 64, 64))
        file.create_dataset("latents/classes", data=classes)
        file.create_dataset("latents/values", data=classes.astype(float))
    names = ("shape", "scale", "orientation", "posX", "posY")
    return Original(path, images[:, None] * 255, classes[:, 1:], names)


def shapes3d(folder: Path) -> Original:
    import h5py

    grid = Factors(
        ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
        (2, 2, 2, 2, 2, 3),
    )
    classes = grid.table()
    images = noise(1, len(grid), 64, 64, 3)
    with h5py.File(folder / "3dshapes.h5", "w") as file:
        # As published: chunks that also part the image, so that a batch touches many.
        file.create_dataset("images", data=images, compression="gzip", chunks=(12, 8, 8, 3))
        labels = classes / 10
        labels[:, 5] = classes[:, 5] * 30 - 30
        file.create_dataset("labels", data=labels)
    return Original(folder / "3dshapes.h5", np.moveaxis(images, 3, 1), classes, grid.names)


MPI3D_GRID = Factors(
    ("object_color", "object_shape", "object_size", "camera_height", "background_color",
     "horizontal_axis", "vertical_axis"),
    (2, 2, 2, 2, 1, 2, 2),
)  # fmt: skip


def mpi3d(folder: Path) -> Original:
    images = noise(2, len(MPI3D_GRID), 64, 64, 3)
    np.savez(folder / "mpi3d_toy.npz", images=images)
    path = folder / "mpi3d_toy.npz"
    return Original(path, np.moveaxis(images, 3, 1), MPI3D_GRID.table(), MPI3D_GRID.names)


# ---------------------------------------------------------------- Cars3D


def cars3d_members(cars: int = 2, *, cells: bool = False) -> tuple[dict[str, bytes], np.ndarray]:
    """Files as in data/cars of the archive; pixels (elevation, azimuth, object, C, H, W)."""
    views = noise(3, 4, 24, cars, 3, 16, 16).repeat(8, axis=-1).repeat(8, axis=-2)
    members = {"data/cars/list.txt": b"car_001_mesh\ncar_002_mesh\n"}
    for car in range(cars):
        images = views[:, :, car].transpose(3, 4, 2, 1, 0)  # H, W, C, azimuth, elevation
        stored: np.ndarray = images
        if cells:
            stored = np.empty((24, 4), object)
            for azimuth in range(24):
                for elevation in range(4):
                    stored[azimuth, elevation] = images[..., azimuth, elevation]
        file = io.BytesIO()
        savemat(file, {"im": stored}, do_compression=True)
        members[f"data/cars/car_{car + 1:03d}_mesh.mat"] = file.getvalue()
    return members, views


def cars3d(folder: Path, *, cells: bool = False) -> Original:
    members, views = cars3d_members(cells=cells)
    path = write_tar(folder / "nips2015-analogy-data.tar.gz", members, "w:gz")
    factors = Factors(("elevation", "azimuth", "object"), (4, 24, 2))
    return Original(path, views.reshape(-1, 3, 128, 128), factors.table(), factors.names)


# ---------------------------------------------------------------- SmallNORB, MNIST


def norb_matrix(values: np.ndarray) -> bytes:
    magic = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}[values.dtype.name]
    sizes = [*values.shape, 1, 1][: max(3, values.ndim)]
    header = struct.pack(f"<Ii{len(sizes)}i", magic, values.ndim, *sizes)
    return header + values.astype(values.dtype.newbyteorder("<")).tobytes()


def smallnorb(folder: Path, *, zipped: bool = True, camera: int = 0) -> Original:
    """Two categories, two instances a part, two elevations, two azimuths, one light more."""
    grid = Factors(("category", "instance", "elevation", "azimuth", "lighting"), (2, 4, 2, 2, 2))
    table = grid.table()
    images = noise(4, len(grid), 2, 96, 96)
    shuffled = np.random.default_rng(0).permutation(len(grid))
    for part, digits, mine in (
        ("training", "46789", np.isin(table[:, 1], (1, 3))),
        ("testing", "01235", np.isin(table[:, 1], (0, 2))),
    ):
        rows = shuffled[mine[shuffled]]
        details = table[rows][:, 1:].astype(np.int32)
        details[:, 2] *= 2  # azimuths are numbered 0, 2, 4, ...
        for kind, values in (
            ("dat", images[rows]),
            ("cat", table[rows, 0].astype(np.int32)),
            ("info", details),
        ):
            name = f"smallnorb-5x{digits}x9x18x6x2x96x96-{part}-{kind}.mat"
            content = norb_matrix(values)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return Original(folder, images[:, [camera]], table, grid.names)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}i", 0, 8, values.ndim, *values.shape) + values.tobytes()


def mnist(folder: Path, *, zipped: bool = True) -> Original:
    images, digits = noise(5, 30, 28, 28), np.arange(30, dtype=np.uint8) % 10
    parts = {"train": slice(0, 20), "t10k": slice(20, 30)}
    for part, rows in parts.items():
        for kind, values in (("images-idx3", images[rows]), ("labels-idx1", digits[rows])):
            name, content = f"{part}-{kind}-ubyte", idx(values)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    labels = np.stack([digits, np.arange(30) >= 20], axis=1).astype(np.int64)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    return Original(folder, padded, labels, ("digit", "partition"))


# ---------------------------------------------------------------- chairs, CelebA


CHAIRS = ("c0ffee", "1a2b3c", "ffff00")


def chairs_members(*, mat: bool = True) -> tuple[dict[str, bytes], dict[str, tuple[int, ...]]]:
    """Chairs of 600x600: white, a square of 200x200 in the middle as dark as its view says."""
    members, views = {}, {}
    if mat:
        file = io.BytesIO()
        names = np.empty((1, 3), object)
        names[0] = CHAIRS
        savemat(file, {"folder_names": names, "instance_names": np.array([["x"]], object)})
        members["rendered_chairs/all_chair_names.mat"] = file.getvalue()
    for model, name in sorted(enumerate(CHAIRS), key=lambda pair: pair[1]):
        number = 0
        for elevation, p in enumerate((20, 30)):
            for azimuth, t in enumerate((11, 103, 232)):
                number += 1
                image = np.full((600, 600, 3), 255, np.uint8)
                level = 10 * (1 + azimuth + 3 * elevation + 6 * model)
                image[200:400, 200:400] = level
                file_name = f"image_{number:03d}_p{p:03d}_t{t:03d}_r096.png"
                path = f"rendered_chairs/{name}/renders/{file_name}"
                members[path] = file_content(image)
                views[path] = (model, elevation, azimuth, level)
    return members, views


def chairs(folder: Path) -> Original:
    """In the order of the .mat file, which is not that of the names."""
    members, views = chairs_members()
    path = write_tar(folder / "rendered_chairs.tar", members)
    rows = np.array(sorted(views.values()))
    images = np.full((len(rows), 1, 400, 400), 255, np.uint8)  # what the crop of 400 leaves
    images[:, 0, 100:300, 100:300] = rows[:, 3, None, None]
    return Original(path, images, rows[:, :3], ("model", "elevation", "azimuth"))


ATTRIBUTES = ("5_o_Clock_Shadow", "Bald", "Smiling", "Young")


def celeba_members(count: int = 12) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """Faces of 178x218 in one colour each; attributes and partition."""
    colours = noise(6, count, 3)
    members = {
        f"img_align_celeba/{k + 1:06d}.jpg": file_content(
            np.broadcast_to(colour, (218, 178, 3)).copy(), "JPEG", quality=100, subsampling=0
        )
        for k, colour in enumerate(colours)
    }
    attributes = np.random.default_rng(7).integers(0, 2, (count, len(ATTRIBUTES)))
    attributes[0], attributes[1] = 0, 1  # every attribute varies
    labels = np.concatenate([attributes, np.arange(count)[:, None] * 3 // count], axis=1)
    return members, colours, labels


def celeba_lists(labels: np.ndarray) -> dict[str, bytes]:
    names = [f"{k + 1:06d}.jpg" for k in range(len(labels))]
    lines = [str(len(labels)), " ".join(ATTRIBUTES) + " "]
    for name, row in zip(names, labels, strict=True):
        lines.append(f"{name} " + " ".join(f"{2 * value - 1:2d}" for value in row[:-1]))
    parts = [f"{name} {row[-1]}" for name, row in zip(names, labels, strict=True)]
    return {
        "list_attr_celeba.txt": ("\r\n".join(lines) + "\r\n").encode(),
        "list_eval_partition.txt": ("\n".join(parts) + "\n").encode(),
    }


def celeba(folder: Path) -> Original:
    """The zip, with the lists beside it."""
    members, colours, labels = celeba_members()
    path = write_zip(folder / "img_align_celeba.zip", members)
    write_files(folder, celeba_lists(labels))
    images = np.broadcast_to(colours[:, :, None, None], (len(colours), 3, 64, 64))
    return Original(path, images, labels, (*ATTRIBUTES, "partition"))


# ---------------------------------------------------------------- faces


def head(lines: int = 24, columns: int = 36) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ellipsoid with a nose: vertices (V, 3), triangles (T, 3) from outside, and angles."""
    a, b = np.meshgrid(
        np.linspace(0, np.pi, lines), np.linspace(-np.pi, np.pi, columns, endpoint=False),
        indexing="ij",
    )  # fmt: skip
    out = np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], axis=-1)
    nose = 1 + 0.25 * np.exp(-(b**2 / 0.04 + (a - 1.7) ** 2 / 0.06))
    vertices = out * nose[..., None] * np.array([70.0, 100.0, 85.0])
    here = np.arange(lines - 1)[:, None] * columns + np.arange(columns)
    right = np.arange(lines - 1)[:, None] * columns + (np.arange(columns) + 1) % columns
    triangles = np.concatenate(
        [
            np.stack([here, here + columns, right], axis=-1).reshape(-1, 3),
            np.stack([right, here + columns, right + columns], axis=-1).reshape(-1, 3),
        ]
    )
    return vertices.reshape(-1, 3), triangles, np.stack([a, b], axis=-1).reshape(-1, 2)


def morphable_model(folder: Path, *, clockwise: bool = True, **changes: object) -> Path:
    """Write a morphable model as the Basel Face Model is: MATLAB 5, single, counted from 1."""
    vertices, triangles, angles = head()
    count = len(vertices)
    modes = np.stack([(vertices * np.cos(k * angles[:, :1])).ravel() for k in (0, 1, 2)], axis=1)
    lengths = np.linalg.norm(modes, axis=0)
    texture = np.tile([200.0, 150.0, 120.0], (count, 1))
    texture[np.abs(np.abs(angles[:, 1]) - 0.5) < 0.15] = 40
    tints = np.stack([np.tile([1.0, 1, 1], count), np.tile([1.0, 0, -1], count)], axis=1)
    contents: dict[str, object] = {
        "shapeMU": (vertices * 1000).reshape(-1, 1).astype(np.float32),
        "shapePC": (modes / lengths).astype(np.float32),
        "shapeEV": (lengths[:, None] * 1000 * 0.05).astype(np.float32),
        "texMU": texture.reshape(-1, 1).astype(np.float32),
        "texPC": (tints / np.linalg.norm(tints, axis=0)).astype(np.float32),
        "texEV": np.full((2, 1), 10 * np.sqrt(count), np.float32),
        "tl": (triangles[:, ::-1] if clockwise else triangles).astype(float) + 1,
        "segbin": np.ones((count, 4)),
    }
    contents.update(changes)
    kept = {key: value for key, value in contents.items() if value is not None}
    savemat(folder / "01_MorphableModel.mat", kept, do_compression=True)
    return folder / "01_MorphableModel.mat"
