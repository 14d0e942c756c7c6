import errno
import os
import pathlib

import filelock
import platformdirs
import pytest

from keras_transfer._files import cache_directory, held, write_aside
from keras_transfer.features import FeatureCache


def test_the_variable_names_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "somewhere"))
    assert cache_directory() == tmp_path / "somewhere"
    assert not cache_directory().exists()


@pytest.mark.parametrize("unset", [True, False])
def test_without_the_variable_the_cache_is_the_users(monkeypatch, unset):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", "")
    if unset:
        monkeypatch.delenv("KERAS_TRANSFER_CACHE")
    expected = platformdirs.user_cache_path("keras_transfer", appauthor=False)
    assert cache_directory() == expected
    assert isinstance(cache_directory(), pathlib.Path)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file.txt"
    write_aside(path, lambda aside: pathlib.Path(aside).write_text("whole"))

    def fail(aside):
        pathlib.Path(aside).write_text("ha")
        raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write_aside(path, fail)
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_disk_without_locks_warns_and_goes_on(tmp_path, monkeypatch, code):
    def acquire(self, timeout):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    entered = []
    with pytest.warns(UserWarning, match="no file locks"), held(tmp_path / "lock", "taken"):
        entered.append("held")
    with pytest.warns(UserWarning, match="no file locks"):
        FeatureCache(tmp_path / "cache").folder.remove("0" * 32)
    assert entered == ["held"]


def test_other_errors_of_a_lock_are_raised(tmp_path, monkeypatch):
    def acquire(self, timeout):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(PermissionError, match="denied"), held(tmp_path / "lock", "taken"):
        pass
