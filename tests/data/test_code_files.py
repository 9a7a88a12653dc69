"""Codes and factors from files: what is read, and one clear error for what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from betavae._system.errors import InputError
from betavae.data import load_codes, load_factors, load_representation

CODES = np.arange(12.0).reshape(6, 2)


def test_npy_npz_and_csv_hold_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CODES)
    np.savez(tmp_path / "a.npz", CODES)
    np.savez(tmp_path / "b.npz", mean=CODES, log_var=CODES)
    np.savez_compressed(tmp_path / "c.npz", codes=CODES, other=CODES[0])
    text = "\n".join(",".join(map(str, row)) for row in CODES)
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text("z0,z1\n" + text + "\n\n")
    (tmp_path / "c.csv").write_bytes(b"\xef\xbb\xbfz0, z1\r\n" + text.encode())
    for name in ("a.npy", "a.npz", "b.npz", "c.npz", "a.csv", "b.csv", "c.csv"):
        np.testing.assert_array_equal(load_codes(tmp_path / name), CODES, err_msg=name)


def test_factors_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("shape,scale\n0,1\n2,\n1,0\n")
    values, names = load_factors(tmp_path / "f.csv")
    np.testing.assert_array_equal(values, [[0, 1], [2, -1], [1, 0]])
    assert names == ("shape", "scale")
    np.save(tmp_path / "f.npy", np.array([[0, 1], [1, 0]]))
    assert load_factors(str(tmp_path / "f.npy"))[1] == ("factor0", "factor1")
    np.savez(tmp_path / "f.npz", factors=CODES, mean=CODES[0])
    assert load_factors(tmp_path / "f.npz")[0].shape == (6, 2)


def test_factors_of_the_published_dsprites_file(tmp_path: Path) -> None:
    """Its metadata is a pickle, and its images unpack to gigabytes: neither is read."""
    classes = np.array([[0, 0, 1, 2, 3, 4], [0, 2, 5, 39, 31, 31]])
    path = tmp_path / "dsprites.npz"
    metadata = np.array({"author": "a"}, dtype=object)
    np.savez(path, imgs=np.zeros((2, 64, 64), np.uint8), latents_classes=classes, metadata=metadata)
    values, names = load_factors(path)
    np.testing.assert_array_equal(values, classes[:, 1:])
    assert names == ("shape", "scale", "orientation", "posX", "posY")


def test_tensors_under_the_names_that_other_libraries_give(tmp_path: Path) -> None:
    torch.save(torch.from_numpy(CODES), tmp_path / "z.pt")
    torch.save({"mean": torch.from_numpy(CODES), "epoch": 3}, tmp_path / "named.pth")
    for name in ("z.pt", "named.pth"):
        np.testing.assert_array_equal(load_codes(tmp_path / name), CODES, err_msg=name)


BAD = {
    "codes.doc": (b"1,2\n", r"must be a file ending in \.npy"),
    "text.csv": (b"a,b\n1,2\n3,2\n3,four\n", r"must hold numbers, got 'four' in row 4, column b"),
    "hole.csv": (b"1,2\n3,\n", "must hold numbers, got '' in row 2, column 1"),
    "ragged.csv": (b"a,b\n1,2\n3\n", "line 3 must have 2 cells as the header, got 1"),
    "empty.csv": (b"", "must hold a table, got an empty file"),
    "header.csv": (b"a,b\n", "has a header and no rows"),
    "one.csv": (b"1,2\n", "must have at least 2 rows, got 1"),
    "nan.csv": (b"1,2\nnan,3\n", "must hold numbers, got 'nan' in row 2, column 0"),
    "binary.csv": (b"\x89PNG\x01\x02\n", "must be text"),
    "empty.npy": (b"", "is damaged or not a .npy file"),
    "text.npy": (b"hello, this is no array", "is damaged or not a .npy file"),
    "text.npz": (b"hello, this is no archive", "is damaged or not a .npz file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_codes(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_truncated_files(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"codes.{suffix}"
    (np.save if suffix == "npy" else np.savez_compressed)(
        path, np.random.default_rng(0).random((200, 4))
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match=f"codes.{suffix}.* is (damaged|truncated)"):
        load_codes(path)


def test_missing_files_folders_and_arrays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_codes(tmp_path / "none.npy")
    (tmp_path / "dir.npy").mkdir()
    with pytest.raises(InputError, match="got a folder"):
        load_codes(tmp_path / "dir.npy")
    np.savez(tmp_path / "x.npz", first=CODES, second=CODES)
    with pytest.raises(InputError, match="one named codes or mean, got first, second"):
        load_codes(tmp_path / "x.npz")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2, 2)))
    with pytest.raises(InputError, match=r"codes in .* must have shape \(N, M\), got 4 dim"):
        load_codes(tmp_path / "cube.npy")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([[{"a": 1}], [2]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickled Python objects, which are refused"):
        load_codes(tmp_path / "p.npy")
    np.savez(tmp_path / "p.npz", np.array([{"a": 1}, 2], dtype=object))
    with pytest.raises(InputError, match="pickled Python objects, which are refused"):
        load_factors(tmp_path / "p.npz")


def test_empty_cells_need_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("shape,angle\n0,0.5\n1,\n0,1.5\n")
    with pytest.raises(InputError, match=r"f\.csv column angle must be whole numbers"):
        load_factors(tmp_path / "f.csv")


def test_a_representation_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "codes.npz"
    np.savez(path, mean=CODES, log_var=-CODES, factors=CODES[:, :1], factor_names=["x"])
    whole = load_representation(path)
    np.testing.assert_array_equal(whole.mean, CODES)
    np.testing.assert_array_equal(whole.log_var, -CODES)
    np.testing.assert_array_equal(whole.factors, CODES[:, :1])
    assert whole.factor_names == ("x",)
    (tmp_path / "f.csv").write_text("a,b\n" + "0,1\n" * 6)
    np.save(tmp_path / "v.npy", 0 * CODES)
    other = load_representation(path, tmp_path / "f.csv", tmp_path / "v.npy")
    assert other.factor_names == ("a", "b")
    assert not np.any(other.log_var)
    np.save(tmp_path / "bare.npy", CODES)
    bare = load_representation(tmp_path / "bare.npy")
    assert bare.factors is None
    assert bare.log_var is None


def test_a_grid_is_told_by_its_sizes(tmp_path: Path) -> None:
    path = tmp_path / "grid.npz"
    np.savez(path, mean=CODES, factor_sizes=[2, 3], factor_names=["a", "b"])
    expected = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    np.testing.assert_array_equal(load_representation(path).factors, expected)
    np.savez(path, mean=CODES, factor_sizes=[2, 4])
    with pytest.raises(InputError, match=r"must be those of a grid of 6 rows, got \[2, 4\]"):
        load_representation(path)
    np.savez(path, mean=CODES, factor_sizes=[2.0, 3.0])
    with pytest.raises(InputError, match=r"must be \(K,\) whole numbers >= 1"):
        load_representation(path)


def test_row_numbers_of_data_frames_are_left_out(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(CODES / 3)
    for index in (True, False):
        frame.to_csv(tmp_path / "c.csv", index=index)
        np.testing.assert_allclose(load_codes(tmp_path / "c.csv"), CODES / 3)
    frame.to_csv(tmp_path / "c.csv", header=False)
    np.testing.assert_allclose(load_codes(tmp_path / "c.csv"), CODES / 3)
    frame.to_csv(tmp_path / "c.csv", sep=";", decimal=",")
    np.testing.assert_allclose(load_codes(tmp_path / "c.csv"), CODES / 3)
    names = pandas.DataFrame({"kind": list("abcabc"), "size": [1, 2, 3, None, 1, 2]})
    names.to_csv(tmp_path / "f.csv")
    values, titles = load_factors(tmp_path / "f.csv")
    assert titles == ("kind", "size")
    np.testing.assert_array_equal(values, [[0, 1], [1, 2], [2, 3], [0, -1], [1, 1], [2, 2]])


def test_rows_are_put_together_by_name(tmp_path: Path) -> None:
    codes, factors = tmp_path / "codes.csv", tmp_path / "factors.csv"
    codes.write_text("file,z0\n" + "".join(f"{k}.png,{k}.5\n" for k in range(4)))
    factors.write_text("x,file\n" + "".join(f"{k * 10},{k}.png\n" for k in (2, 0, 3, 1)))
    found = load_representation(codes, factors)
    np.testing.assert_array_equal(found.factors[:, 0], [0, 10, 20, 30])
    assert found.files == ("0.png", "1.png", "2.png", "3.png")
    np.save(tmp_path / "bare.npy", CODES[:4])
    with pytest.raises(InputError, match="names its rows, in an order of its own"):
        load_representation(tmp_path / "bare.npy", factors)
    factors.write_text("x,file\n" + "".join(f"{k * 10},{k}.png\n" for k in (0, 1, 2, 4)))
    with pytest.raises(InputError, match=r"1 are missing, the first is '3\.png'"):
        load_representation(codes, factors)
    np.testing.assert_array_equal(load_representation(tmp_path / "bare.npy", factors).factors[:, 0],
                                  [0, 10, 20, 40])  # fmt: skip


def test_the_number_of_codes_tells_a_header_from_a_row(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", CODES[:3])
    (tmp_path / "f.csv").write_text("0,1\n0,2\n1,2\n")
    found = load_representation(tmp_path / "c.npy", tmp_path / "f.csv")
    np.testing.assert_array_equal(found.factors, [[0, 1], [0, 2], [1, 2]])
    np.save(tmp_path / "c.npy", CODES[:2])
    found = load_representation(tmp_path / "c.npy", tmp_path / "f.csv")
    np.testing.assert_array_equal(found.factors, [[0, 2], [1, 2]])
    (tmp_path / "f.csv").write_text("red\nblue\n")
    found = load_representation(tmp_path / "c.npy", tmp_path / "f.csv")
    np.testing.assert_array_equal(found.factors, [[1], [0]])
    assert found.value_names == {"factor0": ("blue", "red")}


def test_tensors_and_one_column(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"codes": torch.from_numpy(CODES)}, tmp_path / "c.pt")
    np.testing.assert_array_equal(load_codes(tmp_path / "c.pt"), CODES)
    np.save(tmp_path / "f.npy", np.arange(6))
    assert load_factors(tmp_path / "f.npy")[0].shape == (6, 1)
