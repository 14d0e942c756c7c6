import json
import os
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_transfer._records import (
    COUNT,
    FINITE,
    SHARE,
    Each,
    Maybe,
    check,
    check_archive,
    read_arrays,
    read_json,
    read_table,
)
from tests.corpus.values import few, json_values

REFUSED = {
    "a key twice": ('{"a": {"b": 1, "b": 2}}', "the key 'b' twice"),
    "more than 64 bits": ('[{"a": 1' + 30 * "0" + "}]", "more than 64 bits"),
    "more digits than Python reads": ("1" + 5000 * "0", "4300 digits"),
    "101 levels": (101 * "[" + 101 * "]", "nested too deeply"),
    "a million levels": (10**6 * '{"a":', "nested too deeply"),
    "a long text": (json.dumps(["a" * 200_000]), "200000 characters: 'aaa"),
    "a long key": (json.dumps({"a" * 200_000: 1}), "200000 characters: 'aaa"),
    "many values": ("[" + 3 * 10**6 * "1," + "1]", "more than 2000000 values"),
    "many objects": ("[" + 10**6 * '{"":[' + "]", "more than 2000000 values"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_enormous_json_is_refused(tmp_path, text, told):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        read_json(tmp_path / "file.json")
    assert len(str(caught.value)) < 200


def test_json_of_more_bytes_is_refused(tmp_path):
    (tmp_path / "file.json").write_text("[1]")
    assert read_json(tmp_path / "file.json", 3) == [1]
    with pytest.raises(OSError, match="Larger than 2 bytes"):
        read_json(tmp_path / "file.json", 2)


FORM = {
    "count": COUNT, "share?": SHARE, "name?": Maybe(str), "pair?": (FINITE, FINITE),
    "flags?": [bool], "sizes?": Each(COUNT),
}  # fmt: skip
FITS = [
    {"count": 3}, {"count": 0, "other": "x"}, {"count": 1, "share": 1, "name": None},
    {"count": 1, "pair": [1, -2.5], "flags": [], "sizes": {"a": 3}},
]  # fmt: skip
MISFITS = {
    "the file is [], not an object": [],
    "the file has no 'count'": {},
    "'count' in the file is -1, not an integer from 0 to 1e+15": {"count": -1},
    "'count' in the file is True, not an integer": {"count": True},
    "'count' in the file is 1.0, not an integer": {"count": 1.0},
    "'share' in the file is nan, not a number from 0 to 1": {"count": 1, "share": np.nan},
    "'share' in the file is '1', not a number": {"count": 1, "share": "1"},
    "'name' in the file is 3, not of type str": {"count": 1, "name": 3},
    "'pair' in the file is [1], not a list of 2": {"count": 1, "pair": [1]},
    "'pair' in the file[1] is inf, not a number": {"count": 1, "pair": [1, np.inf]},
    "'flags' in the file is {}, not a list": {"count": 1, "flags": {}},
    "'flags' in the file[0] is 1, not of type bool": {"count": 1, "flags": [1]},
    "'a' in 'sizes' in the file is None, not an integer": {"count": 1, "sizes": {"a": None}},
}


@pytest.mark.parametrize("value", FITS)
def test_values_of_the_form_pass(value):
    check(value, FORM)


@pytest.mark.parametrize(("told", "value"), MISFITS.items(), ids=MISFITS)
def test_values_of_another_form_are_named(told, value):
    with pytest.raises(ValueError) as caught:
        check(value, FORM)
    assert str(caught.value).startswith(told)


@few(200)
@hypothesis.given(json_values | st.fixed_dictionaries({"count": json_values}))
def test_any_value_passes_or_is_named_in_one_line(value):
    try:
        check(value, FORM)
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    else:
        assert 0 <= value["count"] <= 10**15


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.eye(3)), "c": np.int8(3),
        "d": np.zeros((0, 4)), "e": np.array(["é", "x"]),
    }  # fmt: skip
    for save, most in ((np.savez, None), (np.savez_compressed, 10_000)):
        save(tmp_path / "file.npz", **arrays)
        found = read_arrays(tmp_path / "file.npz", most)
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_arrays_of_more_bytes_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "file.npz", a=np.zeros(10**6))
    for most in (None, 10**6):
        with pytest.raises(ValueError, match="its arrays have 8000128 bytes, more than"):
            read_arrays(tmp_path / "file.npz", most)
    assert read_arrays(tmp_path / "file.npz", 10**7)["a"].shape == (10**6,)


def test_archive_that_unpacks_to_many_times_its_size_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "file.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(65 * 10**6))
    with pytest.raises(ValueError, match=r"it unpacks from .* to 65000000 bytes"):
        check_archive(tmp_path / "file.zip")
    with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
        archive.writestr("a", bytes(10**6))
    check_archive(tmp_path / "file.zip")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1\n", "row 1 has 1 cells, not 2"),
        ("a,a\n1,2\n", "a column stands twice"),
        (",".join(map(str, range(2000))), "1000 columns"),
        ("a\n" + 200_000 * "1\n", "100000 rows"),
        ('a\n"' + 200_000 * "1", "field larger than field limit"),
    ],
    ids=["short row", "column twice", "wide", "long", "large cell"],
)
def test_odd_tables_are_refused(tmp_path, text, told):
    (tmp_path / "file.csv").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_table(tmp_path / "file.csv")


def test_table_gives_its_columns(tmp_path):
    (tmp_path / "file.csv").write_text('a,b\n1,"x\ny"\n\n2,\n')
    assert read_table(tmp_path / "file.csv") == {"a": ["1", "2"], "b": ["x\ny", ""]}
    (tmp_path / "file.csv").write_text("")
    assert read_table(tmp_path / "file.csv") == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("read", [read_json, read_arrays, read_table, check_archive])
def test_pipes_are_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        read(tmp_path / "pipe")
