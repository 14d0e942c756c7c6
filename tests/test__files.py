import errno
import os
import pathlib

import filelock
import platformdirs
import pytest

from keras_transfer._files import (
    cache_directory,
    held,
    read_regular,
    remove_folder,
    walk,
    write_aside,
    write_text_aside,
)
from keras_transfer.data.scanning import find_images
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


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_umask_is_kept(tmp_path):
    before = os.umask(0o077)
    try:
        write_text_aside(tmp_path / "private", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither pipes nor devices in folders")
def test_only_regular_files_of_a_limited_size_are_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes(10))
    assert read_regular(tmp_path / "file", most=10) == bytes(10)
    with pytest.raises(OSError, match="Larger than"):
        read_regular(tmp_path / "file", most=9)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="Not a regular file"):
            read_regular(path)


@pytest.mark.exhaustive  # 1100 folders take 15 seconds on a slow disk
def test_folders_of_any_depth_are_walked_and_removed(tmp_path):
    (tmp_path / "kept").mkdir()
    here = os.open(tmp_path, os.O_RDONLY)
    deep = here
    for _ in range(1100):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep) if deep != here else None
        deep = below
    os.close(os.open("file", os.O_CREAT, dir_fd=deep))
    os.symlink(tmp_path / "kept", "link", dir_fd=deep)
    for descriptor in {deep, here}:
        os.close(descriptor)
    found = [(len(names), folder) for folder, _, names in walk(tmp_path / "d")]
    assert len(found) == 1100 and found[-1][0] == 2
    assert len(find_images(tmp_path)) == 0
    remove_folder(tmp_path / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
