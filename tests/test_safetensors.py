"""The safetensors layout: what is written comes back, what lies is refused, and no file is ever half there."""

import errno
import json
import os
import stat
import sys
import tracemalloc
from contextlib import suppress
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt import files, safetensors
from tinygpt.errors import BadInput
from tinygpt.files import replacing

pytestmark = pytest.mark.core

DTYPES = list(safetensors.NAMES)


def written(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def assert_comes_back(path, arrays, metadata):
    safetensors.save(path, arrays, metadata)
    loaded, notes = safetensors.load(path)
    assert notes == metadata and list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("<") and loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_comes_back(tmp_path, dtype):
    values = np.random.default_rng(0).integers(0, 2 if dtype.kind == "b" else 100, size=(3, 4)).astype(dtype)
    arrays = {"matrix": values, "number": values[1, 2], "row": values[1], "none": values[:0]}
    assert_comes_back(tmp_path / "f", {name: np.asarray(a) for name, a in arrays.items()}, {"a": "b"})


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0, 4), (1,), (1, 1, 1), (2, 3, 4, 5)])
def test_every_shape_comes_back(tmp_path, shape):
    assert_comes_back(tmp_path / "f", {"x": np.arange(np.prod(shape), dtype=np.float32).reshape(shape)}, {})


def test_nothing_at_all_comes_back(tmp_path):
    assert_comes_back(tmp_path / "f", {}, {})
    assert_comes_back(tmp_path / "f", {}, {"only": "words"})


def test_names_and_words_of_any_script_come_back(tmp_path):
    assert_comes_back(tmp_path / "f", {'größe.0 "x"': np.ones(2), "名": np.zeros(1)}, {"\n": "\u0000 é 😀"})


@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=4)), max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_collection_comes_back(tmp_path_factory, kinds):
    arrays = {f"a{i}": np.ones(shape, dtype=dtype) for i, (dtype, shape) in enumerate(kinds)}
    assert_comes_back(tmp_path_factory.getbasetemp() / "any", arrays, {})


def test_order_in_memory_does_not_matter(tmp_path):
    matrix = np.arange(12.0).reshape(3, 4)
    arrays = {"transposed": matrix.T, "steps": matrix[::2, ::-1], "big": matrix.astype(">f8")}
    assert_comes_back(tmp_path / "f", arrays, {})


def test_the_layout_byte_by_byte(tmp_path):
    safetensors.save(tmp_path / "f", {"x": np.array([1, 2], dtype=np.int16)}, {"k": "v"})
    data = (tmp_path / "f").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0, "arrays begin at a multiple of eight bytes"
    header = json.loads(data[8 : 8 + length])
    assert header == {"__metadata__": {"k": "v"}, "x": {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]}}
    assert data[8 + length :] == b"\x01\x00\x02\x00"


def test_arrays_may_stand_at_any_byte(tmp_path):
    path = written(tmp_path / "f", {"a": entry("U8", [1], (0, 1)), "b": entry("F64", [1], (1, 9))}, b"\x07" + b"\0" * 8)
    arrays, _ = safetensors.load(path)
    assert arrays["a"][0] == 7 and arrays["b"][0] == 0.0


def test_an_empty_array_may_stand_anywhere_in_the_header(tmp_path):
    entries = {"full": entry(), "first": entry(shape=[0], offsets=(0, 0)), "last": entry(shape=[0], offsets=(8, 8))}
    for names in permutations(entries):
        arrays, _ = safetensors.load(written(tmp_path / "f", {name: entries[name] for name in names}, bytes(8)))
        assert {name: array.shape for name, array in arrays.items()} == {"full": (2,), "first": (0,), "last": (0,)}


def test_loaded_arrays_are_read_only(tmp_path):
    safetensors.save(tmp_path / "f", {"x": np.zeros(3)}, {})
    with pytest.raises(ValueError, match="read-only"):
        safetensors.load(tmp_path / "f")[0]["x"][0] = 1


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "f"
    safetensors.save(path, {"x": np.arange(3.0), "y": np.ones((2, 2), dtype=np.float32)}, {"k": "v"})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput):
            safetensors.load(path)


def test_a_file_with_one_byte_changed_is_refused_or_read(tmp_path):
    path = tmp_path / "f"
    safetensors.save(path, {"x": np.arange(3.0)}, {"k": "v"})
    data = bytearray(path.read_bytes())
    for place in range(len(data) - 24):
        for value in (0, 0x22, 0x2D, 0x39, 0x5B, 0xFF):
            changed = data.copy()
            changed[place] = value
            path.write_bytes(changed)
            with suppress(BadInput):
                safetensors.load(path)


LIES = {
    "header longer than the file": (10**6).to_bytes(8, "little") + b"{}",
    "header of no bytes": bytes(8),
    "header of 2^64 - 1 bytes": b"\xff" * 8 + b"{}",
    "no file at all": b"",
    "something else": b"PK\x03\x04 a zip archive, say, or a pickle",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_length_that_lies_is_refused(tmp_path, lie):
    (tmp_path / "f").write_bytes(LIES[lie])
    with pytest.raises(BadInput, match="not a safetensors file"):
        safetensors.load(tmp_path / "f")


HEADERS = {
    "not JSON": b"{nonsense",
    "not UTF-8": b'{"\xff": 1}',
    "a list": [],
    "a number": 3,
    "deeply nested": b"[" * 100_000,
    "a number of 5000 digits": b'{"x": ' + b"9" * 5000 + b"}",
    "no such type": {"x": entry("F99")},
    "a list as type": {"x": entry(["F32"])},
    "nothing as type": {"x": entry(None)},
    "beyond the end": {"x": entry(shape=[4], offsets=(0, 16))},
    "before the start": {"x": entry(offsets=(-8, 0))},
    "backwards": {"x": entry(offsets=(8, 0))},
    "negative shape": {"x": entry(shape=[-2])},
    "two negatives": {"x": entry(shape=[-1, -2])},
    "a fraction": {"x": entry(shape=[2.0])},
    "true as a number": {"x": entry(shape=[True, 2])},
    "text as shape": {"x": {**entry(), "shape": "2"}},
    "an object as shape": {"x": {**entry("U8", offsets=(0, 1)), "shape": {}}, "y": entry("U8", [7], (1, 8))},
    "a name twice": b'{"x": %s, "x": %s}' % ((json.dumps(entry()).encode(),) * 2),
    "a field twice": json.dumps({"x": entry()}).encode().replace(b'"dtype":', b'"dtype": "F32", "dtype":'),
    "an axis of thousands of digits": {"x": entry(shape=[10**4000] * 500)},
    "offsets of thousands of digits": {"x": entry(offsets=(10**4000, 10**4000 + 8))},
    "no shape": {"x": {"dtype": "F32", "data_offsets": [0, 8]}},
    "three offsets": {"x": entry(offsets=(0, 4, 8))},
    "an entry that is a list": {"x": [1, 2]},
    "an entry that is null": {"x": None},
    "shape too small": {"x": entry(shape=[1])},
    "shape too large": {"x": entry(shape=[3])},
    "huge shape": {"x": entry(shape=[10**12, 10**12])},
    "huge empty shape": {"x": entry(shape=[0, 10**30], offsets=(0, 0)), "y": entry()},
    "empty shape whose product is huge": {"x": entry(shape=[0, 2**62, 2**62], offsets=(0, 0)), "y": entry()},
    "a hundred axes": {"x": entry(shape=[2, *[1] * 100])},
    "overlap": {"x": entry(), "y": entry(offsets=(4, 8), shape=[1])},
    "the same bytes twice": {"x": entry(), "y": entry()},
    "a gap": {"x": entry(shape=[1], offsets=(4, 8))},
    "bytes left over": {"x": entry(shape=[1], offsets=(0, 4))},
    "no entries for the data": {},
    "metadata that is a list": {"__metadata__": ["a"], "x": entry()},
    "metadata that is no text": {"__metadata__": {"a": 1}, "x": entry()},
    "metadata that is null": {"__metadata__": None, "x": entry()},
}


@pytest.mark.parametrize("lie", HEADERS)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(tmp_path, lie):
    path = written(tmp_path / "f", HEADERS[lie], bytes(8))
    tracemalloc.start()
    try:
        with pytest.raises(BadInput) as error:
            safetensors.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500
    assert peak < 10e6, "bytes"


@pytest.mark.parametrize("shape", [[0, 10**30], [0, 2**62, 2**62], [0, *[1] * 100]])
def test_a_shape_that_no_array_has_is_refused_in_a_file_without_data(tmp_path, shape):
    with pytest.raises(BadInput):
        safetensors.load(written(tmp_path / "f", {"x": entry(shape=shape, offsets=(0, 0))}))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        safetensors.load(tmp_path / "none")
    with pytest.raises(BadInput, match="directory"):
        safetensors.load(tmp_path)


def test_a_type_the_layout_does_not_have_is_refused_and_writes_nothing(tmp_path):
    for array in (np.zeros(2, dtype=complex), np.array(["text"]), np.array([object()])):
        with pytest.raises(BadInput, match="'x'"):
            safetensors.save(tmp_path / "f", {"x": array}, {})
    assert not list(tmp_path.iterdir())


def full_disk(monkeypatch, at):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, at, refuse)


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, at):
    path = tmp_path / "f"
    safetensors.save(path, {"x": np.zeros(3)}, {"old": "yes"})
    full_disk(monkeypatch, at)
    with pytest.raises(BadInput, match=r"cannot write .*f: No space left on device"):
        safetensors.save(path, {"x": np.ones(3)}, {})
    assert safetensors.load(path)[1] == {"old": "yes"}
    assert os.listdir(tmp_path) == ["f"], "nothing is left behind"


def test_a_disk_that_fills_while_writing_leaves_the_old_file(tmp_path):
    resource = pytest.importorskip("resource", reason="no limits of file sizes here")
    path = tmp_path / "f"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # bytes
    try:
        with pytest.raises(BadInput, match=r"cannot write .*f: File too large"):
            safetensors.save(path, {"x": np.zeros(10**4)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), replacing(path) as file:
            file.write(b"half")
            raise error
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]


def test_a_directory_that_is_missing_or_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    for path in (tmp_path / "none" / "f", tmp_path / "file" / "f", tmp_path / "directory"):
        with pytest.raises(BadInput, match="cannot write"):
            safetensors.save(path, {}, {})
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of another kind")
def test_a_new_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    safetensors.save(tmp_path / "f", {}, {})
    mode = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "f")}
    assert len(mode) == 1
