"""Tables written as one JSON object a line, as Hugging Face's folders have them."""

from __future__ import annotations

import csv
import io
import json

from betavae._system.errors import InputError

JSON_LINES = ".jsonl"


def as_csv(content: bytes, what: str) -> bytes:
    r"""Return the same table as CSV; what is a list or an object is left out.

    Raises:
        InputError: when a line is no JSON object.

    >>> as_csv(b'{"file_name": "a.png", "kind": "cat", "box": [1, 2]}', "metadata.jsonl")
    b'file_name,kind\r\na.png,cat\r\n'
    """
    rows: list[dict[str, object]] = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{what} line {number} must be a JSON object")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    plain = [
        name for name in names if not any(isinstance(row.get(name), (list, dict)) for row in rows)
    ]
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(plain)
    table.writerows([row.get(name) for name in plain] for row in rows)
    return out.getvalue().encode()
