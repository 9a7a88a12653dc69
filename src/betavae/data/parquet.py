"""Parquet files with a column of pictures, as Hugging Face's data sets have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from betavae._system.errors import InputError, not_installed
from betavae.data.dataset import Dataset
from betavae.data.load_options import LoadOptions
from betavae.data.other_libraries import IMAGE_KEYS, from_dataset
from betavae.data.readers.containers import Container
from betavae.data.readers.files import check_bytes
from betavae.data.readers.pictures import picture_of

PARQUET = ".parquet"


def load_parquet(
    container: Container | None, files: Sequence[str], *, name: str, options: LoadOptions
) -> Dataset:
    """Load pictures and labels from one .parquet file, or from all those of a folder.

    The pictures are the column of bytes, of structs {bytes, path}, or of lists of lists; `image`,
    `img` and the like where several are. What stands beside them is the factors.

    Raises:
        InputError: when pyarrow is missing, or for files that cannot be read or hold no pictures.
    """
    if container is not None and not container.is_folder:
        raise InputError(f"{container.path} holds {files[0]}: unpack it")
    paths = [name_ if container is None else str(container.path / name_) for name_ in files]
    rows = _Rows(_read(paths), paths[0])
    dataset = replace(from_dataset(rows, options=options), name=name, files=rows.files)
    if len(paths) == 1:
        return dataset
    return dataset.noted([f"{name}: {len(paths)} .parquet files are read as one set"])


def _read(paths: Sequence[str]) -> Any:
    """Return the files' tables as one."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise not_installed("reading .parquet", "pyarrow", "parquet") from None
    tables = []
    for path in paths:
        try:
            held = pyarrow.parquet.ParquetFile(path)
            groups = range(held.metadata.num_row_groups)
            check_bytes(sum(held.metadata.row_group(k).total_byte_size for k in groups), path)
            tables.append(held.read())
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from None
        except pyarrow.ArrowException as error:
            raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
        if tables[-1].column_names != tables[0].column_names:
            raise InputError(
                f"{path} must have the columns of {paths[0]}, {tables[0].column_names}, got "
                f"{tables[-1].column_names}"
            )
    try:
        return pyarrow.concat_tables(tables)
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{paths[0]} and the files beside it do not go together: {reason}"
        ) from None


class _Rows:
    """The rows of a table as `from_dataset` takes them."""

    def __init__(self, table: Any, what: str) -> None:
        self.what = what
        self.key = _picture_column(table, what)
        column = table.column(self.key)
        self.pictures = column
        self.others = {
            name: table.column(name).to_pylist() for name in table.column_names if name != self.key
        }
        self.files = _paths(column)
        self.features = _class_names(table.schema.metadata)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {
            "image": self._picture(row),
            **{name: values[row] for name, values in self.others.items()},
        }

    def _picture(self, row: int) -> Any:
        value = self.pictures[row].as_py()
        what = f"{self.what}: the picture in row {row + 1}"
        content = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(content, list):
            return _pixels(content, what)
        if not isinstance(content, bytes):
            raise InputError(f"{what} must hold its bytes, got none")
        return picture_of(content, what)


def _paths(column: Any) -> tuple[str, ...]:
    """Return the pictures' own paths, where all have one, all different."""
    if not (_is_struct(column.type) and column.type.get_field_index("path") >= 0):
        return ()
    paths = [path for chunk in column.chunks for path in chunk.field("path").to_pylist()]
    return () if None in paths or len(set(paths)) < len(paths) else tuple(map(str, paths))


def _pixels(content: list[Any], what: str) -> Any:
    try:
        values = np.asarray(content)
    except ValueError:
        raise InputError(f"{what} has lines of unequal lengths") from None
    whole = values.dtype.kind in "iu" and values.min(initial=0) >= 0 and values.max(initial=0) < 256
    return values.astype(np.uint8) if whole else values


def _picture_column(table: Any, what: str) -> str:
    """Return the name of the column of pictures."""
    kinds = {field.name: field.type for field in table.schema}
    able = [name for name, kind in kinds.items() if _may_be_pictures(kind)]
    named = [name for name in IMAGE_KEYS if name in able]
    if named or len(able) == 1:
        return (named or able)[0]
    got = ", ".join(f"'{name}' ({kind})" for name, kind in kinds.items())
    raise InputError(
        f"{what} must hold one column of pictures, as bytes or a struct of bytes and path, got "
        f"{got[:160] or 'no columns'}"
    )


def _is_struct(kind: Any) -> bool:
    return str(kind).startswith("struct<")


def _may_be_pictures(kind: Any) -> bool:
    words = str(kind)
    if _is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return words in ("binary", "large_binary") or words.count("list<") > 1


def _class_names(metadata: Any) -> dict[str, Any]:
    """Return what Hugging Face's own note in the file calls the classes, by column."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: SimpleNamespace(names=feature["names"])
            for name, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
