"""Codes as a table that other programs read: .csv and .parquet beside our own .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from betavae._system.errors import InputError, not_installed
from betavae._system.files import write_beside, write_json
from betavae._system.stamps import KEY
from betavae._system.text import readable
from betavae.runs.made import BESIDE, WEIGHTS
from betavae.runs.representation import Representation

FORMATS = (".npz", ".csv", ".parquet")


def check_format(path: Path) -> None:
    """Refuse a file name whose ending says no format that codes are written in.

    Raises:
        InputError: for another ending, or where a package is missing.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"codes are written to a file ending in {', '.join(FORMATS)}, got {path}")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError:
            raise not_installed("writing .parquet", "pyarrow", "parquet") from None


def write_codes(codes: Representation, path: Path) -> None:
    """Write codes in the format that the file's name says.

    .npz holds everything and is what `betavae` reads back. A .csv has a row an image: its file or
    row number, then the codes z0, z1, ...; the digest of the weights that made it stands in a
    JSON beside it, whose name ends in .csv.json. A .parquet also has the posterior's arrays, named
    log_var0, log_var1, ..., and the factors under their names.

    Raises:
        InputError: for another ending, or a disk that is full.
    """
    check_format(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        codes.save(path)
    elif kind == ".csv":
        _write_csv(codes, path)
    else:
        _write_parquet(codes, path)


def _write_csv(codes: Representation, path: Path) -> None:
    import csv

    keys: Any = codes.files or codes.rows.tolist()
    said = path.with_name(path.name + BESIDE)
    said.unlink(missing_ok=True)  # it would speak for the old table, or too early for the new one
    # Names that are no text go in as the bytes that they are.
    form: Any = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}
    with write_beside(path) as beside, beside.open("w", **form) as file:
        writer = csv.writer(file)
        latents = [f"z{k}" for k in range(codes.codes.shape[1])]
        writer.writerow(["file" if codes.files else "row", *latents])
        # str of a float32 is the shortest text that reads back as the same number.
        numbers = codes.codes.astype(str).tolist()
        writer.writerows([key, *row] for key, row in zip(keys, numbers, strict=True))
    if codes.weights:
        write_json(said, {"table": path.name, "rows": len(codes.rows), WEIGHTS: codes.weights})


def _write_parquet(codes: Representation, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, Any] = {"file": [*map(readable, codes.files)]} if codes.files else {}
    columns["row"] = codes.rows
    columns |= {f"z{k}": column for k, column in enumerate(np.ascontiguousarray(codes.codes.T))}
    for name, values in codes.arrays.items():
        flat = values.reshape(len(values), -1)
        columns |= {f"{name}{k}": np.ascontiguousarray(flat[:, k]) for k in range(flat.shape[1])}
    if codes.factors is not None:
        for name, column in zip(codes.factor_names, codes.factors.T, strict=True):
            columns[name if name not in columns else f"factor_{name}"] = column
    table = pyarrow.table(columns)
    if codes.weights:
        table = table.replace_schema_metadata({KEY: codes.weights})
    with write_beside(path) as beside:
        pyarrow.parquet.write_table(table, beside)
