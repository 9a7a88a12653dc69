"""ImageStore: a whole set of images kept packed, handed out as float batches on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from betavae.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ImageStore:
    """Images resident in their smallest form; ``store[rows]`` is a float batch in [0, 1].

    Three forms behind one interface: bit-packed binary images (8 pixels a byte, as
    ``numpy.packbits``), uint8 arrays, and either of them memory-mapped. On an accelerator the
    whole packed set is moved to the device once and unpacked there; on the CPU nothing is
    copied, so a memory-mapped file is read only where it is used.

    Args:
        data: uint8; (N, C*H*W/8) when `packed`, else (N, C, H, W).
        image_shape: (C, H, W).
        packed: whether `data` holds 8 pixels a byte.

    Raises:
        InputError: when the array's dtype or shape does not fit.

    >>> import numpy as np
    >>> store = ImageStore.from_uint8(np.full((5, 1, 32, 32), 255, np.uint8))
    >>> len(store), store.image_shape, float(store[[0, 3]].mean())
    (5, (1, 32, 32), 1.0)
    """

    def __init__(
        self, data: NDArray[np.uint8], image_shape: tuple[int, int, int], *, packed: bool
    ) -> None:
        pixels = int(np.prod(image_shape))
        expected = (pixels // 8,) if packed else tuple(image_shape)
        if data.dtype != np.uint8 or data.shape[1:] != expected:
            raise InputError(
                f"image data must be uint8 of shape (N, {', '.join(map(str, expected))}), "
                f"got {data.dtype} {data.shape}"
            )
        if packed and pixels % 8:
            raise InputError(f"bit-packed images need a multiple of 8 pixels, got {pixels}")
        self.data = data
        self.image_shape = image_shape
        self.packed = packed
        self._resident: dict[str, tuple[Tensor, Tensor]] = {}

    @classmethod
    def from_uint8(cls, images: NDArray[np.uint8]) -> ImageStore:
        """Keep (N, C, H, W) uint8 images; values 0..255 map to 0..1."""
        return cls(images, (images.shape[1], images.shape[2], images.shape[3]), packed=False)

    @classmethod
    def from_binary(cls, images: NDArray[np.generic]) -> ImageStore:
        """Bit-pack (N, C, H, W) images whose values are all 0 or 1 (or bool)."""
        packed = np.packbits(images.astype(bool).reshape(len(images), -1), axis=1)
        return cls(packed, (images.shape[1], images.shape[2], images.shape[3]), packed=True)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored form."""
        return int(self.data.nbytes)

    def batch(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return images `rows` as floats in [0, 1], (n, C, H, W), on `device`.

        Args:
            rows: (n,) int64 tensor on the CPU or on `device`.
            device: where the batch is wanted; the stored set is moved there once.
        """
        data, table = self._on(device)
        picked = data[rows.to(data.device)]
        if self.packed:
            # One table row of eight floats a byte: a gather, cheaper than shifting bits.
            unpacked = table[picked.flatten().int()]
            return unpacked.view(len(picked), *self.image_shape)
        return picked.to(table.dtype).div_(255)

    def __getitem__(self, rows: object) -> Tensor:
        """Return images by row: an int sequence, a slice, or an int64 array or tensor."""
        import torch

        if isinstance(rows, slice):
            return self.batch(torch.arange(len(self))[rows])
        index = torch.as_tensor(rows, dtype=torch.int64).reshape(-1)
        if len(index) and not (-len(self) <= int(index.min()) and int(index.max()) < len(self)):
            bad = int(index.min()) if int(index.min()) < -len(self) else int(index.max())
            raise InputError(f"rows must be in 0..{len(self) - 1}, got {bad}")
        return self.batch(index % max(len(self), 1))

    def _on(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Return the stored set and the unpacking table on `device`, moved there once."""
        import torch

        key = str(device)
        if key not in self._resident:
            # A read-only memory map is fine for reading; torch would warn that it is not writable.
            view = self.data if self.data.flags.writeable else _writeable_view(self.data)
            table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
            self._resident[key] = (
                torch.from_numpy(view).to(device),
                torch.from_numpy(table.astype(np.float32)).to(device),
            )
        return self._resident[key]


def _writeable_view(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """View read-only memory without copying it; nothing here ever writes to it."""
    interface = dict(array.__array_interface__)
    interface["data"] = (interface["data"][0], False)

    class Memory:
        __array_interface__ = interface
        keeps_alive = array

    return np.asarray(Memory())
