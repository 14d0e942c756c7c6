import json
import os
import shutil
import threading

import filelock
import pytest

from keras_transfer.features import NoRoomError
from keras_transfer.features.cache_folder import CacheFolder

KEY = 32 * "a"
DESCRIPTION = {
    "network": "residual", "boundary": "add1", "num_images": 1, "feature_shape": [8],
    "dtype": "float32", "engine": "tensorflow",
}  # fmt: skip


def test_process_that_waits_for_a_removed_entry_gets_it_exclusively(tmp_path, monkeypatch):
    folder, inside, done = CacheFolder(tmp_path), threading.Event(), threading.Event()
    with folder.locked(KEY):
        folder.describe(KEY, DESCRIPTION)

    def wait_and_write():
        with CacheFolder(tmp_path).locked(KEY) as place:
            (place / "shard").touch()
            inside.set()
            done.wait(60)

    waiting = threading.Thread(target=wait_and_write)

    def remove_while_another_waits(path, **options):
        monkeypatch.undo()
        waiting.start()
        assert not inside.wait(0.2)
        shutil.rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_while_another_waits)
    assert folder.remove(KEY)
    try:
        assert inside.wait(60)
        assert not folder.remove(KEY)
        assert (tmp_path / KEY / "shard").is_file()
    finally:
        done.set()
        waiting.join()


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_lock_file_is_removed_while_the_lock_is_held(tmp_path, monkeypatch):
    # Afterwards it may be another process' lock, and a third one would get a new one.
    was_there = []

    class Lock(filelock.FileLock):
        def release(self, force=False):
            was_there.append(os.path.exists(self.lock_file))
            super().release(force)

    folder = CacheFolder(tmp_path)
    with folder.locked(KEY):
        folder.describe(KEY, DESCRIPTION)
    monkeypatch.setattr(filelock, "FileLock", Lock)
    assert folder.remove(KEY)
    assert was_there[0] is False


def test_next_extraction_removes_a_half_removed_entry(tmp_path):
    folder = CacheFolder(tmp_path)
    with folder.locked(KEY) as place:
        (place / "view-000").mkdir()
        (place / "view-000/00000.0.npy").write_bytes(bytes(1000))
    assert folder.entries() == []
    CacheFolder(tmp_path).remove_leftovers()
    assert not list(tmp_path.iterdir())


def test_entry_in_use_is_not_a_leftover(tmp_path):
    folder = CacheFolder(tmp_path)
    with folder.locked(KEY) as place:
        folder.remove_leftovers()
        CacheFolder(tmp_path).remove_leftovers()
        assert place.is_dir()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_folder_that_cannot_be_created_is_an_error(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NoRoomError, match=r"cannot be kept in .* or disable"):
        CacheFolder(tmp_path / name).locked(KEY).__enter__()
    assert (tmp_path / "file").read_text() == "mine"


def entry(folder, key=KEY):
    with folder.locked(key):
        folder.describe(key, DESCRIPTION)
    return folder.path / key


def test_folder_of_the_user_is_never_removed(tmp_path):
    folder = CacheFolder(tmp_path, size_limit=0)
    own = tmp_path / (32 * "b")
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    (own / "entry.json").write_text(json.dumps(DESCRIPTION))
    entry(folder)
    assert [found.key for found in folder.entries()] == [KEY]
    folder.evict(0)
    folder.remove_leftovers()
    assert folder.remove(own.name)
    assert (own / "thesis.txt").read_text() == "mine"
    with pytest.raises(FileExistsError, match="not an entry"), folder.locked(own.name):
        pass


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_nothing_is_written_through_a_link(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    folder = CacheFolder(tmp_path / "cache")
    folder.make()
    (folder.path / KEY).symlink_to(target)
    with pytest.raises(FileExistsError, match="symbolic links"), folder.locked(KEY):
        pass
    (folder.path / KEY).unlink()
    (entry(folder) / "view-0").symlink_to(target)
    with pytest.raises(FileExistsError, match="symbolic links"), folder.locked(KEY):
        pass
    assert not list(target.iterdir())
    folder.remove(KEY)
    assert target.is_dir() and not (folder.path / KEY).exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_pipe_in_place_of_a_description_is_not_waited_for(tmp_path):
    folder = CacheFolder(tmp_path)
    place = entry(folder)
    (place / "entry.json").unlink()
    os.mkfifo(place / "entry.json")
    assert folder.entries() == []
