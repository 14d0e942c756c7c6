import json
import os
import shutil
import threading

import pytest

from keras_transfer.cli.main import main
from keras_transfer.features.cache_folder import CacheFolder

MEGABYTE = 10**6
OLD, MIDDLE, NEW = "aa" + 30 * "0", "ab" + 30 * "0", "cd" + 30 * "0"
DESCRIPTION = {
    "network": "mobilenetv2_0.35_32",
    "boundary": "block_13_pad",
    "num_images": 1800,
    "feature_shape": [3, 3, 192],
    "dtype": "float32",
    "engine": "openvino",
    "data": "/photos/\x1b[31mred\x1b[0m",
}


def add_entry(directory, key, used):
    """An entry of a megabyte, last used at some second."""
    folder = CacheFolder(directory)
    with folder.locked(key) as place:
        folder.describe(key, DESCRIPTION)
        for view in range(2):
            (place / f"view-{view:03d}").mkdir()
            (place / f"view-{view:03d}/00000.0.npy").write_bytes(bytes(MEGABYTE // 2))
    os.utime(directory / key / "used", (used, used))


@pytest.fixture
def directory(tmp_path):
    """A cache of three entries."""
    for used, key in enumerate((OLD, MIDDLE, NEW), start=1_700_000_000):
        add_entry(tmp_path / "cache", key, used)
    return tmp_path / "cache"


def run(directory, *arguments):
    return main(["cache", "--directory", str(directory), *arguments])


def keys(directory):
    return [entry.key for entry in CacheFolder(directory).entries()]


def test_entries_are_listed_the_last_used_at_the_end(directory, capsys):
    assert run(directory) == 0
    header, *rows, _empty, total = capsys.readouterr().out.splitlines()
    titles = (
        "key",
        "data",
        "network",
        "features at",
        "images",
        "views",
        "engine",
        "size",
        "last used",
    )
    assert header.split() == " ".join(titles).split()
    assert [row.split()[0] for row in rows] == [key[:8] for key in (OLD, MIDDLE, NEW)]
    # A name cannot change the terminal.
    assert "/photos/\\x1b[31mred\\x1b[0m" in rows[0]
    for part in ("mobilenetv2_0.35_32", "block_13_pad 3x3x192", "1,800", "openvino float32"):
        assert part in rows[0]
    assert total == f"3.0 MB in {directory}"


def test_the_cache_is_the_users_where_none_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path))
    add_entry(tmp_path / "features", OLD, 1)
    assert main(["cache"]) == 0
    assert OLD[:8] in capsys.readouterr().out


def test_clear_removes_all_and_says_how_much(directory, capsys):
    assert run(directory, "--clear") == 0
    assert "Removed 3.0 MB." in capsys.readouterr().out
    assert not list(directory.iterdir())


def test_clear_removes_what_is_not_listed(directory, capsys):
    (directory / NEW / "entry.json").write_text("{}")  # made by another version
    (directory / OLD / "entry.json").unlink()  # killed while it was being removed
    assert keys(directory) == [MIDDLE]
    assert run(directory, "--clear") == 0
    assert not list(directory.iterdir())


def test_clear_leaves_what_is_not_the_caches(directory, capsys):
    (directory / "photos").mkdir()
    (directory / "notes.txt").write_text("mine")
    assert run(directory, "--clear") == 0
    assert sorted(path.name for path in directory.iterdir()) == ["notes.txt", "photos"]


def test_what_is_being_written_stays(directory, capsys):
    locked, done = threading.Event(), threading.Event()

    def write():
        with CacheFolder(directory).locked(MIDDLE):
            locked.set()
            done.wait(60)

    writer = threading.Thread(target=write)
    writer.start()
    locked.wait(60)
    try:
        assert run(directory, "--clear") == 0
        assert run(directory, "--limit", "1KB") == 0
    finally:
        done.set()
        writer.join()
    assert f"{MIDDLE[:8]} stays: another process is writing it." in capsys.readouterr().out
    assert keys(directory) == [MIDDLE]


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        ("0.5GB", [OLD, MIDDLE, NEW]),
        ("2.5MB", [MIDDLE, NEW]),
        ("1100 KB", [NEW]),
        ("0.01KB", []),
    ],
)
def test_limit_removes_what_was_not_used_for_longest(directory, limit, left):
    assert run(directory, "--limit", limit) == 0
    assert keys(directory) == left


def test_remove_takes_the_beginning_of_a_key(directory, capsys):
    assert run(directory, "--remove", "aa0", NEW, "c") == 0
    assert keys(directory) == [MIDDLE]
    assert "Removed 2.0 MB." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["zz"], "no entry begins with 'zz'; nothing was removed"),
        (["cd", "a"], "2 entries begin with 'a'; nothing was removed"),
        ([""], "3 entries begin with ''; nothing was removed"),
        ([NEW + "0"], "no entry begins with 'cd0"),
    ],
)
def test_key_that_is_not_that_of_one_entry_removes_nothing(directory, capsys, wanted, message):
    assert run(directory, "--remove", *wanted) == 1
    assert message in capsys.readouterr().err
    assert keys(directory) == [OLD, MIDDLE, NEW]


@pytest.mark.parametrize("option", [[], ["--clear"], ["--limit", "1MB"]])
def test_folder_that_is_not_there_is_not_made(tmp_path, capsys, option):
    assert run(tmp_path / "nowhere", *option) == 1
    assert f"No such folder: '{tmp_path / 'nowhere'}'" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("option", [[], ["--clear"], ["--limit", "1MB"]])
def test_file_in_place_of_a_folder_is_left_alone(tmp_path, capsys, option):
    (tmp_path / "file").write_text("mine")
    assert run(tmp_path / "file", *option) == 1
    assert f"'{tmp_path / 'file'}' is a file" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "abc"],
        ["--limit", "0GB"],
        ["--limit", "1e3MB"],
        ["--limit", "5"],
        ["--limit=-1GB"],
        ["--remove"],
        ["--clear", "--limit", "1GB"],
    ],
)
def test_wrong_usage_ends_with_2_and_removes_nothing(directory, capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        run(directory, *arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
    assert len(keys(directory)) == 3


def test_damaged_description_is_not_listed(directory, capsys):
    (directory / OLD / "entry.json").write_text(
        json.dumps({**DESCRIPTION, "num_images": 1})[:9]
    )
    shutil.rmtree(directory / NEW)
    assert run(directory) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4  # header, one row, empty, total
