"""Images and their factors: the 2D shapes, rendered, known data sets, and a user's own files.

Nothing heavy is imported here: names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy

if TYPE_CHECKING:
    from betavae.data.augmentation import augment as augment
    from betavae.data.code_files import load_codes as load_codes
    from betavae.data.code_files import load_factors as load_factors
    from betavae.data.code_files import load_representation as load_representation
    from betavae.data.dataset import Dataset as Dataset
    from betavae.data.dataset import Fingerprint as Fingerprint
    from betavae.data.factors import Factors as Factors
    from betavae.data.images import ImageStore as ImageStore
    from betavae.data.labelled import with_factors as with_factors
    from betavae.data.load_options import LoadOptions as LoadOptions
    from betavae.data.loading import load as load
    from betavae.data.other_libraries import from_dataset as from_dataset
    from betavae.data.readers.arrays import to_store as to_store

_HOMES = {
    "Dataset": "dataset",
    "Factors": "factors",
    "Fingerprint": "dataset",
    "ImageStore": "images",
    "LoadOptions": "load_options",
    "augment": "augmentation",
    "from_dataset": "other_libraries",
    "load": "loading",
    "load_codes": "code_files",
    "load_factors": "code_files",
    "load_representation": "code_files",
    "to_store": "readers.arrays",
    "with_factors": "labelled",
}
__all__ = [
    "Dataset",
    "Factors",
    "Fingerprint",
    "ImageStore",
    "LoadOptions",
    "augment",
    "from_dataset",
    "load",
    "load_codes",
    "load_factors",
    "load_representation",
    "to_store",
    "with_factors",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
