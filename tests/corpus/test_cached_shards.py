import io
import json
import shutil
import warnings
import zlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_transfer.data.scanning import _read_index
from keras_transfer.features.cache_folder import CacheFolder
from keras_transfer.features.shard_store import ShardStore
from tests.corpus.test_run_folders import TEXTS
from tests.corpus.told import assert_done
from tests.corpus.values import few, json_values

ROWS = np.arange(40, dtype="float32").reshape(8, 5)
SPECS = [((5,), "float32"), ((), "int64")]
KEY = 32 * "a"


def store_in(folder):
    return ShardStore(folder, 8, SPECS)


def filled(folder):
    folder.mkdir(parents=True, exist_ok=True)
    store = store_in(folder)
    store.write(0, [ROWS, np.arange(8)])
    assert store.missing() == []
    return store


def as_npy(array, version=None):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(buffer, array, version, allow_pickle=True)
    return buffer.getvalue()


# Features with a checksum that fits them, and of another kind.
SHARDS = {
    "another width": as_npy(ROWS[:, :4]),
    "a row too few": as_npy(ROWS[:7]),
    "a row too many": as_npy(np.concatenate([ROWS, ROWS[:1]])),
    "transposed": as_npy(np.asfortranarray(ROWS)),
    "flat": as_npy(ROWS.ravel()),
    "float64": as_npy(ROWS.astype("float64")),
    "float16": as_npy(ROWS.astype("float16")),
    "the other byte order": as_npy(ROWS.astype(">f4")),
    "integers": as_npy(ROWS.astype("int32")),
    "strings": as_npy(ROWS.astype("S4")),
    "pickled objects": as_npy(np.array([[print] * 5] * 8, object)),
    "another version": as_npy(ROWS, (2, 0)),
    "version 3": as_npy(ROWS, (3, 0)),
    "no rows behind the header": as_npy(ROWS)[:128],
    "more behind": as_npy(ROWS) + b"more",
    "half a header": as_npy(ROWS)[:40],
    "nothing": b"",
    "text": b"text",
    "an archive": b"PK\x03\x04",
    "a header of code": b"\x93NUMPY\x01\x00\x10\x00" + b"__import__('os')"[:16],
}


@pytest.mark.parametrize("contents", SHARDS.values(), ids=SHARDS)
def test_shard_of_another_kind_is_not_there(tmp_path, contents):
    store = filled(tmp_path)
    store.path(0, 0).write_bytes(contents)
    checksums = [zlib.crc32(store.path(0, array).read_bytes()) for array in range(2)]
    (tmp_path / "00000.json").write_text(json.dumps({"crc32": checksums}))
    assert store.missing() == [0]


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_shard_with_a_damaged_checksum_is_not_there(tmp_path, contents):
    store = filled(tmp_path)
    (tmp_path / "00000.json").write_bytes(contents)
    assert store.missing() == [0]


@few(60)
@hypothesis.given(
    st.sampled_from(["00000.0.npy", "00000.1.npy"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7) | st.none(),
)
def test_flipped_bit_or_truncation_is_found(tmp_path, name, place, bit):
    store = filled(tmp_path)
    contents = bytearray((tmp_path / name).read_bytes())
    position = int(place * len(contents))
    if bit is None:
        del contents[position:]
    else:
        contents[position] ^= 1 << bit
    (tmp_path / name).write_bytes(contents)
    assert store.missing() == [0]


DESCRIPTION = {
    "network": "residual", "boundary": "add1", "num_images": 1, "feature_shape": [8],
    "dtype": "float32", "engine": "tensorflow",
}  # fmt: skip
ENTRIES = {
    "no network": {"network": None},
    "a network in a list": {"network": ["a"]},
    "a network on two lines": {"network": "a\nb"},
    "pictures in words": {"num_images": "many"},
    "infinite pictures": {"num_images": float("inf")},
    "no pictures": {"num_images": None},
    "a shape in words": {"feature_shape": "8x8"},
    "a number as a shape": {"feature_shape": 8},
    "a shape of lists": {"feature_shape": [[8], [8]]},
    "no engine": {"engine": 3},
}


def entry(directory, contents):
    shutil.rmtree(directory, ignore_errors=True)
    with CacheFolder(directory).locked(KEY) as place:
        (place / "used").touch()
        (place / "entry.json").write_bytes(contents)


@pytest.mark.parametrize("change", ENTRIES.values(), ids=ENTRIES)
def test_odd_entry_of_the_cache_is_listed_or_passed_over(tmp_path, change):
    entry(tmp_path / "cache", json.dumps({**DESCRIPTION, **change}).encode())
    assert_done(["cache", "--directory", tmp_path / "cache"], tmp_path)


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_damaged_entry_of_the_cache_is_passed_over(tmp_path, contents):
    entry(tmp_path / "cache", contents)
    out = assert_done(["cache", "--directory", tmp_path / "cache"], tmp_path)
    assert "holds no features" in out
    assert_done(["cache", "--directory", tmp_path / "cache", "--clear"], tmp_path)
    assert not list((tmp_path / "cache").iterdir())


@few(40)
@hypothesis.given(st.dictionaries(st.sampled_from(sorted(DESCRIPTION)), json_values))
def test_any_entry_of_the_cache_is_listed_or_passed_over(tmp_path, change):
    entry(tmp_path / "cache", json.dumps({**DESCRIPTION, **change}).encode())
    assert_done(["cache", "--directory", tmp_path / "cache"], tmp_path)


@few(60)
@hypothesis.given(st.lists(st.tuples(st.integers(0, 8191), st.integers(0, 7)), min_size=1))
def test_damaged_index_of_scans_never_raises(tmp_path, flips):
    path = tmp_path / "scans.json"
    contents = bytearray(json.dumps({"k" * 16: ["ab" * 32, 1, True]}).encode())
    for position, bit in flips:
        contents[position % len(contents)] ^= 1 << bit
    path.write_bytes(contents)
    _read_index(path)


KINDS = {
    "shards of another kind": SHARDS,
    "texts in place of a shard's checksum or an entry": [*TEXTS] * 2,
    "entries of the cache": ENTRIES,
}
