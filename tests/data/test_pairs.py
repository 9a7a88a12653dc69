"""Pairs that a user brings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.data.pairs import consecutive, listed_pairs, read_pairs


def film(frames: int) -> Dataset:
    store = ImageStore.from_uint8(np.zeros((frames, 1, 8, 8), np.uint8))
    return Dataset("film", store, files=tuple(f"frame{k}.png" for k in range(frames)))


def test_frames_are_paired_with_the_next_once_an_epoch() -> None:
    draw = consecutive(film(13), 4, 0)
    rows = []
    for step in range(3):
        drawn = draw(step)
        assert drawn.other is not None
        assert (drawn.other - drawn.rows).tolist() == [1] * 4
        rows += drawn.rows.tolist()
    assert sorted(rows) == list(range(12))
    assert draw(1).rows.tolist() == consecutive(film(13), 4, 0)(1).rows.tolist()


def test_a_table_names_pairs(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("first,second\nframe3.png,frame0.png\nframe1.png,frame5.png\n")
    assert read_pairs(table, film(6)).tolist() == [[3, 0], [1, 5]]
    table.write_text("frame3.png,frame0.png\nframe3.png,frame3.png\n")  # no header, one twice
    assert read_pairs(table, film(6)).tolist() == [[3, 0], [3, 3]]
    draw = listed_pairs(table)(film(6), 5, 0)  # fewer pairs than a batch
    drawn = draw(0)
    assert drawn.other is not None
    assert set(zip(drawn.rows.tolist(), drawn.other.tolist(), strict=True)) == {(3, 0), (3, 3)}
    assert len(drawn.rows) == 5


def test_tables_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("a,b\nframe3.png,frame9.png\n")
    with pytest.raises(InputError, match=r"must name pictures of film, got 'frame9.png' in pair 1"):
        read_pairs(table, film(6))
    table.write_text("a\nframe3.png\n")
    with pytest.raises(InputError, match="must have two columns of file names, got 1"):
        read_pairs(table, film(6))
    table.write_text("a,b\nframe3.png,frame2.png\nframe1.png\n")
    with pytest.raises(InputError, match=r"pairs\.csv"):
        read_pairs(table, film(6))
    with pytest.raises(InputError, match="pairs of file names need a folder of pictures"):
        read_pairs(table, replace(film(6), files=()))
    with pytest.raises(InputError, match="needs at least 1 pair, got 0"):
        consecutive(film(1), 1, 0)
