"""ImageStore: a whole set of images kept packed, handed out as float batches on a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MANY = 1 << 19  # values of a batch from which torch's threads gain more than they wait


class ImageStore:
    """Images resident in their smallest form; ``store[rows]`` is a float batch in [0, 1].

    Three forms behind one interface: bit-packed binary images (8 pixels a byte, as
    ``numpy.packbits``), uint8 arrays, and either of them memory-mapped. A fourth, float32, is
    for rows of numbers that are no pixels: they are handed out as they are. On an accelerator the
    whole packed set is moved to the device once and unpacked there; on the CPU nothing is
    copied, so a memory-mapped file is read only where it is used.

    Args:
        data: uint8, (N, C*H*W/8) when `packed`, else (N, C, H, W); or float32, (N, C, H, W).
        image_shape: (C, H, W).
        packed: whether `data` holds 8 pixels a byte.

    Raises:
        InputError: when the array's dtype or shape does not fit.

    >>> store = ImageStore.from_uint8(np.full((5, 1, 32, 32), 255, np.uint8))
    >>> len(store), store.image_shape, float(store[[0, 3]].mean())
    (5, (1, 32, 32), 1.0)
    """

    def __init__(
        self,
        data: NDArray[np.uint8] | NDArray[np.float32],
        image_shape: tuple[int, int, int],
        *,
        packed: bool,
    ) -> None:
        pixels = int(np.prod(image_shape))
        if packed and pixels % 8:
            raise InputError(f"bit-packed images need a multiple of 8 pixels, got {pixels}")
        expected = (pixels // 8,) if packed else tuple(image_shape)
        real = data.dtype == np.float32 and not packed
        if not (data.dtype == np.uint8 or real) or data.shape[1:] != expected:
            raise InputError(
                f"image data must be uint8 of shape (N, {', '.join(map(str, expected))}), "
                f"got {data.dtype} {data.shape}"
            )
        self.data = data
        self.image_shape = image_shape
        self.packed = packed
        self._resident: dict[str, tuple[Tensor, Tensor]] = {}

    @classmethod
    def from_uint8(cls, images: NDArray[np.uint8]) -> ImageStore:
        """Keep (N, C, H, W) uint8 images as they are; values 0..255 map to 0..1."""
        return cls(images, _image_shape(images), packed=False)

    @property
    def binary(self) -> bool:
        """Whether pixels are black or white: packed, or so in the first thousand images."""
        if self.packed:
            return True
        some = self.data[:1000]
        return bool(((some == 0) | (some == (255 if some.dtype == np.uint8 else 1))).all())

    @classmethod
    def from_rows(cls, rows: NDArray[np.float32]) -> ImageStore:
        """Keep (N, d) float32 rows of numbers, of any range, as images (1, 1, d).

        >>> ImageStore.from_rows(np.full((2, 3), -7, np.float32))[0]
        tensor([[[[-7., -7., -7.]]]])
        """
        return cls(rows[:, None, None], (1, 1, rows.shape[1]), packed=False)

    @classmethod
    def from_binary(cls, images: NDArray[np.generic]) -> ImageStore:
        """Bit-pack (N, C, H, W) images whose values are all 0 or 1 (or bool).

        Raises:
            InputError: when another value occurs, or the shape does not fit.
        """
        shape = _image_shape(images)
        pixels = int(np.prod(shape))
        packed = np.empty((len(images), pixels // 8), np.uint8)
        rows = max(1, (1 << 23) // max(pixels, 1))
        for start in range(0, len(images) if pixels % 8 == 0 else 0, rows):
            part = images[start : start + rows].reshape(-1, pixels)
            ones = part.astype(bool)
            if not np.array_equal(part, ones):
                raise InputError(
                    f"binary images must hold 0 and 1 only, got {part[part != ones][0]}"
                )
            packed[start : start + rows] = np.packbits(ones, axis=1)
        return cls(packed, shape, packed=True)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored form."""
        return int(self.data.nbytes)

    @property
    def summary(self) -> str:
        """How many images of which shape, how they are stored, and in how much memory."""
        shape = " x ".join(map(str, self.image_shape))
        kind = "binary" if self.packed else str(self.data.dtype)
        size, unit = float(self.nbytes), "B"
        for larger in ("kB", "MB", "GB", "TB"):
            if size < 1000:
                break
            size, unit = size / 1000, larger
        return f"{len(self):,} images of {shape}, {kind}, {size:.3g} {unit}"

    def __repr__(self) -> str:
        return f"<ImageStore: {self.summary}>"

    def stored(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return rows (n,) in their stored form, (n, ...) as `data`."""
        return np.ascontiguousarray(self.data[rows])

    def ever_set(self) -> NDArray[np.bool_]:
        """Return which pixels (C*H*W,) differ from 0 in any image."""
        ever = np.bitwise_or.reduce(self.data, axis=0).reshape(-1)
        return (np.unpackbits(ever) if self.packed else ever).astype(bool)

    def batch(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return images `rows` as floats in [0, 1], (n, C, H, W), on `device`.

        Args:
            rows: (n,) int64 tensor on the CPU or on `device`, values in 0..N-1.
            device: where the batch is wanted; the stored set is moved there once.
        """
        import torch

        data, table = self._on(device)
        rows = rows.to(data.device)
        # index_select copies whole rows: 5 to 10 times as fast as data[rows] on the CPU.
        if self.packed:
            # One table row of eight floats a byte: a gather, cheaper than shifting bits.
            picked = data.index_select(0, rows).flatten().int()
            return table.index_select(0, picked).view(len(rows), *self.image_shape)
        many = rows.numel() * math.prod(self.image_shape) >= MANY
        threads = torch.get_num_threads() if many else 1
        if data.is_contiguous() and data.device.type == "cpu" and threads == 1:
            # numpy divides while it casts, in cache: the same floats as below, on one thread in
            # two thirds of the time, and with no threads to wait for on a busy machine.
            picked_rows = data.numpy().take(rows.numpy(), axis=0)
            if data.is_floating_point():
                return torch.from_numpy(picked_rows)
            return torch.from_numpy(np.divide(picked_rows, np.float32(255), dtype=np.float32))
        if data.is_contiguous():
            picked = data.index_select(0, rows)
        else:  # a view of channels-last memory: rows are whole only in its own order
            picked = data.movedim(1, -1).index_select(0, rows).movedim(-1, 1)
        return picked if picked.is_floating_point() else picked.to(table.dtype).div_(255)

    def __getitem__(self, rows: object) -> Tensor:
        """Return images by row as `batch` does, on the CPU; an int gives a batch of one.

        Args:
            rows: an int, a slice, (n,) ints as a sequence, array or tensor (negative ones count
                from the end), or an (N,) boolean mask.

        Raises:
            InputError: when rows are out of range or no whole numbers.
        """
        import torch

        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        elif isinstance(rows, torch.Tensor):
            rows = rows.detach().cpu().numpy()
        try:
            given = np.asarray(rows)
        except ValueError as error:
            raise InputError(f"rows must be (n,) integers: {error}") from None
        if given.dtype == bool and given.shape == (len(self),):
            given = np.flatnonzero(given)
        if given.size == 0:
            given = given.astype(np.int64)
        if given.dtype.kind not in "iu" or given.ndim > 1:
            raise InputError(
                f"rows must be (n,) integers or an (N,) mask, got shape {given.shape} of dtype "
                f"{given.dtype}"
            )
        size = len(self)
        if given.size and not (-size <= int(given.min()) and int(given.max()) < size):
            bad = int(given.max()) if int(given.max()) >= size else int(given.min())
            raise InputError(f"rows must be in 0..{size - 1}, got {bad}")
        index = given.astype(np.int64).reshape(-1)
        return self.batch(torch.from_numpy(np.where(index < 0, index + size, index)))

    def __getstate__(self) -> dict[str, object]:
        """Leave device copies behind: whoever unpickles makes its own."""
        return {**self.__dict__, "data": np.array(self.data), "_resident": {}}

    def _on(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Return the stored set and the unpacking table on `device`, moved there once."""
        import torch

        key = str(device)
        if key not in self._resident:
            # "cuda" and "cuda:0" are one device, and must share one copy of the set.
            place = str(torch.empty(0, device=device).device)
            if place not in self._resident:
                # A read-only map is fine for reading; torch would warn that it is not writable.
                flags = self.data.flags
                view = self.data if flags.writeable else _writeable_view(self.data)
                table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
                self._resident[place] = (
                    torch.from_numpy(view).to(device),
                    torch.from_numpy(table.astype(np.float32)).to(device),
                )
            self._resident[key] = self._resident[place]
        return self._resident[key]


def _image_shape(images: NDArray[np.generic]) -> tuple[int, int, int]:
    if images.ndim != 4:
        raise InputError(f"images must have shape (N, C, H, W), got {images.shape}")
    return images.shape[1], images.shape[2], images.shape[3]


def _writeable_view(array: NDArray[Any]) -> NDArray[Any]:
    """View read-only memory without copying it; nothing here ever writes to it."""
    interface = dict(array.__array_interface__)
    interface["data"] = (interface["data"][0], False)

    class Memory:
        __array_interface__ = interface
        keeps_alive = array

    return np.asarray(Memory())
