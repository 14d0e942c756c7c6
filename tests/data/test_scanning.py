import os
import pathlib
import time
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from keras_transfer import data
from keras_transfer.data import scanning
from keras_transfer.data.scanning import scan


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The folder of the results of scans."""
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "cache"))
    # The tests cannot wait until what they write has settled.
    monkeypatch.setattr(scanning, "_SETTLED_NANOSECONDS", -1_000_000_000)
    return tmp_path / "cache" / "scans"


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


def test_known_files_are_not_opened(index, paths, monkeypatch):
    first = scan(paths)
    assert [file.path for file in first] == paths and {file.native for file in first} == {"PNG"}

    def refuse(path):
        raise AssertionError(path)

    monkeypatch.setattr(scanning, "_scan_file", refuse)
    assert scan(paths) == first
    assert scan(paths[::-1]) == first[::-1]
    assert scan([os.path.relpath(path) for path in paths])[0].digest == first[0].digest
    assert scan([]) == []


def test_what_was_found_comes_back_as_it_was(index, make_image, tmp_path, opened):
    exif = Image.Exif()
    exif[0x0112] = 6
    make_image().save(tmp_path / "turned.jpg", exif=exif.tobytes())
    make_image(mode="CMYK").save(tmp_path / "cmyk.jpg")
    paths = [str(tmp_path / "turned.jpg"), str(tmp_path / "cmyk.jpg")]
    first = scan(paths)
    assert [(file.orientation, file.native) for file in first] == [(6, "JPEG"), (1, "")]
    assert scan(paths) == first and len(opened) == 2


def test_only_new_files_are_opened(index, paths, opened):
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
def test_a_changed_file_is_scanned_again(index, paths, opened, change):
    first = scan(paths)
    opened.clear()
    time.sleep(0.02)  # two ticks of a slow kernel's clock
    path = pathlib.Path(paths[1])
    change(path, path.read_bytes())
    again = scan(paths)
    assert opened == [paths[1]]
    assert again[1] != first[1] and again[:1] + again[2:] == first[:1] + first[2:]


def test_the_same_contents_elsewhere_are_another_file(index, paths, opened, tmp_path):
    scan(paths)
    linked = str(tmp_path / "linked.png")
    os.link(paths[0], linked)
    opened.clear()
    scan([linked])
    assert opened == [linked]


def test_a_file_just_written_is_not_kept(index, paths, opened, monkeypatch):
    monkeypatch.setattr(scanning, "_SETTLED_NANOSECONDS", 2_000_000_000)
    now = time.time_ns()
    assert scanning._key_of(paths[0], "", now) is None
    assert scanning._key_of(paths[0], "", now + 3_000_000_000) is not None
    assert scan(paths) == scan(paths) and len(opened) == 2 * len(paths)


def test_unreadable_files_are_opened_each_time(index, paths, opened):
    pathlib.Path(paths[0]).write_text("no image")
    nowhere = paths[0] + "-nowhere.png"
    for _ in range(2):
        reasons = [file.reason for file in scan([*paths, nowhere, "\0.png"])]
        assert [reason is None for reason in reasons] == [False, *[True] * 4, False, False]
    assert [opened.count(path) for path in (*paths[:2], nowhere)] == [2, 1, 2]


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (scanning, "_RULES", scanning._RULES + 1),
        (Image, "MAX_IMAGE_PIXELS", 10**7),
        (ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    ],
)
def test_other_rules_scan_anew(index, paths, opened, monkeypatch, module, name, value):
    scan(paths)
    opened.clear()
    with monkeypatch.context() as patch:
        patch.setattr(module, name, value)
        scan(paths)
        assert len(opened) == len(paths)
    scan(paths)
    assert len(opened) == len(paths)


def test_names_need_not_be_unicode(index, make_image, tmp_path, opened):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        make_image().save(path)
    except OSError:
        pytest.skip("the file system takes Unicode names only")
    assert scan([path]) == scan([path]) and len(opened) == 1


def test_an_interrupted_scan_keeps_what_it_has_read(index, paths, opened, monkeypatch):
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
    assert opened == paths[-1:]


def test_the_files_scanned_first_are_forgotten_first(index, paths, opened, monkeypatch):
    monkeypatch.setattr(scanning, "_MOST_KEPT", 2)
    paths = paths[:3]  # in one folder
    scan(paths)
    opened.clear()
    scan(paths)
    assert sorted(opened) == paths[:1]


# Nothing of this may stop a scan.


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"a": 1}', '{"a": [1, "b", 2]}'])
def test_a_corrupt_index_is_replaced(index, paths, opened, text):
    expected = scan(paths)
    for file in index.iterdir():
        file.write_text(text)
    opened.clear()
    for _ in range(3):
        assert scan(paths) == expected
    assert len(opened) == len(paths)


def test_without_a_place_for_the_index_files_are_scanned(index, paths, opened):
    index.parent.mkdir()
    index.write_text("in the way")
    assert scan(paths) == scan(paths) and len(opened) == 2 * len(paths)


def test_threads_leave_no_warning_filter_behind(index, paths):
    before = list(warnings.filters)
    scan(paths)
    assert warnings.filters == before


# What is made of it.


def test_images_and_fingerprints_are_those_of_a_scan_without_an_index(index, folder):
    root = folder({"ants": 4, "bees": 4})
    first, known = (data.image_folder(root, 8) for _ in range(2))
    assert known.fingerprints == first.fingerprints
    assert known.paths == first.paths
    for one, other in zip(known.validation, first.validation, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
