"""Text files in the encodings that programs write: UTF-8, UTF-16 (Excel), Windows' Latin-1."""

from __future__ import annotations

import codecs
import re

from betavae._system.errors import InputError

_OTHERS = {
    b"PK\x03\x04": "a workbook (.xlsx, .ods) or a .zip",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"PAR1": "Parquet",
    b"<html": "a web page",
    b"<!DOCTYPE": "a web page",
    b"{\\rtf": "a document (.rtf)",
    b"%PDF": "a PDF",
}
_BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")


def decode_text(content: bytes, what: str) -> tuple[str, str | None]:
    """Return the text, and a note where its encoding had to be guessed.

    Raises:
        InputError: when the bytes are no text.

    >>> decode_text("ä".encode("utf-16"), "a.csv")
    ('ä', None)
    >>> decode_text("ä".encode("latin-1"), "a.csv")
    ('ä', 'a.csv is no UTF-8: read as Windows-1252 (Latin-1)')
    """
    note = None
    kind = next((kind for mark, kind in _OTHERS.items() if content.startswith(mark)), None)
    if kind is not None:
        raise InputError(f"{what} must be text, got {kind}; save it as CSV")
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        elif b"\0" in content[:400]:  # UTF-16 of Latin letters has a zero in every pair
            low = content[1:400:2].count(0) > content[:400:2].count(0)
            text = content.decode("utf-16-le" if low else "utf-16-be")
            note = f"{what} has no mark of its encoding: read as UTF-16"
        else:
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = content.decode("cp1252")
                note = f"{what} is no UTF-8: read as Windows-1252 (Latin-1)"
    except UnicodeDecodeError:
        raise InputError(f"{what} must be text in UTF-8, got other bytes") from None
    if _BINARY.search(text):
        raise InputError(f"{what} must be text, got other bytes")
    return text, note
