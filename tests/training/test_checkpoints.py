import errno
import os

import numpy as np
import pytest

from keras_transfer.training.checkpoints import Checkpoints

STATE = {
    "number": 3,
    "nothing": None,
    "pair": [1, [True, "ü"]],
    "floats": [0.1, float("inf"), np.float32(0.5)],
    "arrays": {"weights": [np.arange(6.0).reshape(2, 3), np.array(7, "int64")]},
}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    arrays = [state["arrays"]["weights"] for state in (found, expected)]
    for one, other in zip(*arrays, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert {k: v for k, v in found.items() if k != "arrays"} == {
        k: v for k, v in expected.items() if k != "arrays"
    }


def test_what_was_written_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.latest() is None
    checkpoints.write(STATE)
    assert_same(Checkpoints(checkpoints.directory).latest(), STATE)


def test_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for number in range(5):
        checkpoints.write({"number": number})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000004.npz", "checkpoint-000005.npz"
    ]  # fmt: skip
    assert checkpoints.latest() == {"number": 4}


def truncated(contents):
    return contents[: len(contents) // 2]


def one_bit_changed(contents):
    position = contents.index(np.arange(6.0).tobytes())
    return contents[:position] + bytes([contents[position] ^ 1]) + contents[position + 1 :]


def without_its_end(contents):
    return contents[:-10]


DAMAGES = (truncated, one_bit_changed, without_its_end, lambda contents: b"")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_one_is_told_and_the_one_before_is_read(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write({**STATE, "number": 1})
    newest = checkpoints.write(STATE)
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match=f"{newest.name}.* is corrupt"):
        assert checkpoints.latest()["number"] == 1


def test_pickled_objects_are_not_read(tmp_path):
    np.savez(
        tmp_path / "checkpoint-000001.npz",
        state=np.frombuffer(b'{"keras_transfer checkpoint 1": {"__array__": "a"}}', "uint8"),
        a=np.array([print], dtype=object),
    )
    with pytest.warns(UserWarning, match="is corrupt .*of object"):
        assert Checkpoints(tmp_path).latest() is None


def test_file_of_something_else_is_passed_over(tmp_path):
    np.savez(tmp_path / "checkpoint-000001.npz", state=np.frombuffer(b'{"code": 1}', "uint8"))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.warns(UserWarning, match="not a checkpoint of this library"):
        assert Checkpoints(tmp_path).latest() is None


def test_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write({"number": 1})

    def full(path, **arrays):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.write({"number": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000001.npz"]
    assert checkpoints.latest() == {"number": 1}
