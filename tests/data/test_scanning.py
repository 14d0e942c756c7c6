import os
import pathlib
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageFile

from keras_transfer import data
from keras_transfer.data import scan_index, scanning
from keras_transfer.data.scan_index import ScanIndex, key_of
from keras_transfer.data.scanning import scan


@pytest.fixture
def database(tmp_path, monkeypatch):
    """The path of an index of its own."""
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "cache"))
    # The tests cannot wait until what they write has settled.
    monkeypatch.setattr(scan_index, "_SETTLED_NANOSECONDS", -1_000_000_000)
    monkeypatch.setattr(scan_index, "_SECONDS_TO_WAIT", 0.1)
    return tmp_path / "cache" / "scans.sqlite"


@pytest.fixture
def opened(monkeypatch):
    """The paths of the files that were opened."""
    paths = []
    scan_file = scanning._scan_file

    def record(path):
        paths.append(path)
        return scan_file(path)

    monkeypatch.setattr(scanning, "_scan_file", record)
    return paths


@pytest.fixture
def paths(folder):
    root = folder({"ants": 3, "bees": 2}, suffix=".png")
    return sorted(map(str, root.glob("*/*.png")))


def test_known_files_are_not_opened(database, paths, monkeypatch):
    first = scan(paths)
    assert [file.path for file in first] == paths and all(file.native for file in first)

    def refuse(path):
        raise AssertionError(path)

    monkeypatch.setattr(scanning, "_scan_file", refuse)
    assert scan(paths) == first
    assert scan(paths[::-1]) == first[::-1]
    assert scan([os.path.relpath(path) for path in paths])[0].digest == first[0].digest
    assert scan([]) == []


def test_what_was_found_comes_back_as_it_was(database, make_image, tmp_path, opened):
    exif = Image.Exif()
    exif[0x0112] = 6
    make_image().save(tmp_path / "turned.jpg", exif=exif.tobytes())
    make_image(mode="CMYK").save(tmp_path / "cmyk.jpg")
    paths = [str(tmp_path / "turned.jpg"), str(tmp_path / "cmyk.jpg")]
    first = scan(paths)
    assert [(file.orientation, file.native) for file in first] == [(6, True), (1, False)]
    assert scan(paths) == first and len(opened) == 2


def test_only_new_files_are_opened(database, paths, opened):
    scan(paths[:3])
    opened.clear()
    assert [file.path for file in scan(paths)] == paths
    assert sorted(opened) == paths[3:]


def _write_as_many_bytes(path, contents):
    path.write_bytes(bytes(len(contents)))


def _write_as_many_bytes_and_set_the_time_back(path, contents):
    status = path.stat()
    _write_as_many_bytes(path, contents)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace_by_another_file(path, contents):
    status = path.stat()
    _write_as_many_bytes(path.with_suffix(".new"), contents)
    os.utime(path.with_suffix(".new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(path.with_suffix(".new"), path)


def _lengthen(path, contents):
    path.write_bytes(contents + b"more")


@pytest.mark.parametrize(
    "change",
    [
        _write_as_many_bytes,
        _write_as_many_bytes_and_set_the_time_back,
        _replace_by_another_file,
        _lengthen,
    ],
)
def test_a_changed_file_is_scanned_again(database, paths, opened, change):
    first = scan(paths)
    opened.clear()
    time.sleep(0.02)  # two ticks of a slow kernel's clock
    path = pathlib.Path(paths[1])
    change(path, path.read_bytes())
    again = scan(paths)
    assert opened == [paths[1]]
    assert again[1] != first[1] and again[:1] + again[2:] == first[:1] + first[2:]


def test_the_same_contents_elsewhere_are_another_file(database, paths, opened, tmp_path):
    scan(paths)
    linked = str(tmp_path / "linked.png")
    os.link(paths[0], linked)
    opened.clear()
    scan([linked])
    assert opened == [linked]


def test_a_file_just_written_is_not_kept(database, paths, opened, monkeypatch):
    monkeypatch.setattr(scan_index, "_SETTLED_NANOSECONDS", 2_000_000_000)
    now = time.time_ns()
    assert key_of(paths[0], "", now) is None
    assert key_of(paths[0], "", now + 3_000_000_000) is not None
    assert scan(paths) == scan(paths) and len(opened) == 2 * len(paths)


def test_unreadable_files_are_opened_each_time(database, paths, opened):
    pathlib.Path(paths[0]).write_text("no image")
    nowhere = paths[0] + "-nowhere.png"
    for _ in range(2):
        reasons = [file.reason for file in scan([*paths, nowhere, "\0.png"])]
        assert [reason is None for reason in reasons] == [False, *[True] * 4, False, False]
    assert [opened.count(path) for path in (*paths[:2], nowhere)] == [2, 1, 2]


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (scanning, "_RULES", 3),
        (Image, "MAX_IMAGE_PIXELS", 10**7),
        (ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    ],
)
def test_other_rules_scan_anew(database, paths, opened, monkeypatch, module, name, value):
    scan(paths)
    opened.clear()
    with monkeypatch.context() as patch:
        patch.setattr(module, name, value)
        scan(paths)
        assert len(opened) == len(paths)
    scan(paths)
    assert len(opened) == len(paths)


def test_names_need_not_be_unicode(database, make_image, tmp_path, opened):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        make_image().save(path)
    except OSError:
        pytest.skip("the file system takes Unicode names only")
    assert scan([path]) == scan([path]) and len(opened) == 1


def test_many_files_are_kept_bit_by_bit(database, paths, opened, monkeypatch):
    monkeypatch.setattr(scanning, "_FILES_AT_ONCE", 2)
    monkeypatch.setattr(scan_index, "_KEYS_AT_ONCE", 1)
    scan_file = scanning._scan_file

    def stop_at_the_last(path):
        if path == paths[-1]:
            raise KeyboardInterrupt
        return scan_file(path)

    with monkeypatch.context() as patch:
        patch.setattr(scanning, "_scan_file", stop_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            scan(paths)
    opened.clear()
    assert [file.path for file in scan(paths)] == paths
    assert opened == paths[-1:]  # of five files 2 + 2 were kept


def test_the_files_scanned_first_are_forgotten_first(database, monkeypatch):
    monkeypatch.setattr(scan_index, "_MOST_ROWS", 3)
    row = ("00" * 32, 1, True)
    with ScanIndex(database) as index:
        for number in range(5):
            index.add({bytes([number]): row})
        assert sorted(index.find([bytes([number]) for number in range(5)])) == [
            b"\x02",
            b"\x03",
            b"\x04",
        ]


# Nothing of this may stop a scan.


def test_a_damaged_database_is_replaced(database, paths, opened):
    expected = scan(paths)
    for damage in (b"no database", database.read_bytes()[:5000] + b"\xff" * 20000):
        database.write_bytes(damage)
        opened.clear()
        for _ in range(3):
            assert scan(paths) == expected
        assert len(opened) == 2 * len(paths)  # the third scan has an index again


def test_a_database_of_the_future_is_left_alone(database, paths):
    database.parent.mkdir()
    with sqlite3.connect(database) as connection:
        connection.execute(f"CREATE TABLE {scan_index._TABLE} (something, else_)")
        connection.execute(f"INSERT INTO {scan_index._TABLE} VALUES (1, 2)")
    connection.close()
    before = database.read_bytes()
    assert all(file.reason is None for file in scan(paths))
    assert database.read_bytes() == before


def test_a_locked_database_is_waited_for_once(database, paths, opened, monkeypatch):
    expected = scan(paths)
    monkeypatch.setattr(scanning, "_FILES_AT_ONCE", 1)
    monkeypatch.setattr(scan_index, "_SECONDS_TO_WAIT", 0.5)
    for lock, files_opened in (("EXCLUSIVE", 5), ("IMMEDIATE", 1)):
        os.utime(paths[0])  # one file to write down
        opened.clear()
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute(f"BEGIN {lock}")
        started = time.monotonic()
        assert scan(paths) == expected
        assert time.monotonic() - started < 2.0  # and not 5 * 0.5 for each statement
        assert len(opened) == files_opened, "IMMEDIATE lets others read"
        connection.close()


@pytest.mark.parametrize("place", ["file", "database is a folder"])
def test_without_a_place_for_the_index_files_are_scanned(
    tmp_path, paths, opened, monkeypatch, place
):
    cache = tmp_path / "cache"
    if place == "file":
        cache.write_text("in the way")
    else:
        (cache / "scans.sqlite").mkdir(parents=True)
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(cache))
    assert scan(paths) == scan(paths) and len(opened) == 2 * len(paths)


def test_a_folder_that_cannot_be_written_is_read_from(database, paths, opened, monkeypatch):
    expected = scan(paths[:3])
    connect = sqlite3.connect

    # For root no mode of a folder is an obstacle.
    def read_only(path, **arguments):
        return connect(f"file:{path}?mode=ro", uri=True, **arguments)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    opened.clear()
    for _ in range(2):
        assert scan(paths)[:3] == expected
    assert sorted(opened) == sorted(2 * paths[3:])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes all")
def test_a_read_only_folder_is_no_obstacle(database, paths):
    database.parent.mkdir(mode=0o500)
    assert scan(paths) == scan(paths)
    assert not database.exists()


def test_python_without_sqlite_scans(database, paths, opened, monkeypatch):
    monkeypatch.setattr(scan_index, "sqlite3", None)
    assert scan(paths) == scan(paths) and len(opened) == 2 * len(paths)
    assert not database.exists()


def test_several_processes_share_an_index(database):
    # The module by itself: to import TensorFlow takes longer than the rest.
    script = """
import importlib.util, sys

module, database, mark = sys.argv[1:]
spec = importlib.util.spec_from_file_location("scan_index", module)
scan_index = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scan_index)
row = ("00" * 32, 1, True)
for number in range(100):
    with scan_index.ScanIndex(database) as index:
        index.add({f"{mark} {number}".encode(): row, f"{number}".encode(): row})
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, scan_index.__file__, database, mark])
        for mark in "ab"
    ]
    assert [process.wait() for process in processes] == [0, 0]
    names = [f"{mark}{number}" for mark in ("a ", "b ", "") for number in range(100)]
    with ScanIndex(database) as index:
        assert len(index.find([name.encode() for name in names])) == 300


# What is made of it.


def test_images_and_fingerprints_are_those_of_a_scan_without_an_index(
    database, folder, monkeypatch
):
    root = folder({"ants": 4, "bees": 4})
    first, known = (data.image_folder(root, 8) for _ in range(2))
    monkeypatch.setattr(scan_index, "sqlite3", None)
    without = data.image_folder(root, 8)
    for splits in (known, without):
        assert splits.fingerprints == first.fingerprints
        assert splits.paths == first.paths
        for one, other in zip(splits.validation, first.validation, strict=True):
            np.testing.assert_array_equal(one[0], other[0])
