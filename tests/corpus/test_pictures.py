import os

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_transfer import data
from keras_transfer.data.image_files import make_loader, read_images
from keras_transfer.data.scanning import ScannedFile, scan
from tests.corpus.pictures import (
    ODD,
    TRUNCATED,
    UNREADABLE,
    WHOLE,
    encoded,
    picture,
    write_all,
)
from tests.corpus.runs import make_run
from tests.corpus.told import assert_done, assert_told, run
from tests.corpus.values import few

IMAGE_SIZE = (12, 10)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


def read(paths):
    """The pixels of what can be read, and the reasons for the rest."""
    dataset, readable, unreadable = read_images(paths, IMAGE_SIZE)
    pixels = np.concatenate(list(dataset)) if readable else np.zeros((0, *IMAGE_SIZE, 3))
    assert len(pixels) == len(readable)
    assert len(readable) + len(unreadable) == len(paths)
    assert np.isfinite(pixels).all()
    assert pixels.min(initial=0) >= -1e-3 and pixels.max(initial=0) <= 255 + 1e-3
    return pixels, {os.path.basename(path): reason for path, reason in unreadable}


@pytest.mark.parametrize("files", [WHOLE, ODD], ids=["whole", "odd"])
def test_odd_pictures_are_read(tmp_path, files):
    pixels, reasons = read(write_all(tmp_path, files))
    assert reasons == {}
    # Noise around 128, on white where it is transparent; nothing is black or empty.
    assert (pixels.reshape(len(files), -1).mean(1) > 50).all()


def test_what_is_no_picture_is_named_with_the_reason(tmp_path):
    files = {name: contents for name, (contents, _) in UNREADABLE.items()}
    _, reasons = read(write_all(tmp_path, files))
    assert reasons.keys() == files.keys()
    for name, (_, part) in UNREADABLE.items():
        assert part in reasons[name], name
        assert reasons[name].strip() and "\n" not in reasons[name]


def test_a_truncated_picture_is_read_or_named(tmp_path):
    files = {name.replace(" ", "_"): contents for name, contents in TRUNCATED.items()}
    _, reasons = read(write_all(tmp_path, files))
    # What lacks its last byte, or a PNG its end, may be read; half a picture never is.
    halves = [name for name in files if int(name.split("_")[0]) < len(files[name]) * 2]
    assert set(reasons) >= {
        name
        for name in halves
        if len(files[name]) <= len(WHOLE[name.split("_of_")[1]]) * 3 // 4
    }


@pytest.fixture(scope="module")
def load():
    """The loader of a folder with all kinds, traced once."""
    return make_loader(IMAGE_SIZE, 3, [ScannedFile("one")], True)


@st.composite
def damaged(draw):
    """A name and a picture with flipped bits, a piece less, or a piece more."""
    name = draw(st.sampled_from(sorted(WHOLE)))
    contents = bytearray(WHOLE[name])
    place = st.integers(0, len(contents) - 1)
    what = draw(st.sampled_from(("flip", "cut", "insert", "end", "overwrite")))
    if what == "flip":
        for position in draw(st.lists(place, min_size=1, max_size=4)):
            contents[position] ^= 1 << draw(st.integers(0, 7))
    position = draw(place)
    piece = draw(st.binary(min_size=1, max_size=24))
    if what == "cut":
        del contents[position : position + draw(st.integers(1, 64))]
    elif what == "insert":
        contents[position:position] = piece
    elif what == "overwrite":
        contents[position : position + len(piece)] = piece
    elif what == "end":
        contents = contents[:position]
    return name, bytes(contents)


@few(300)
@hypothesis.given(damaged())
def test_what_passes_the_scan_is_decoded(tmp_path_factory, load, file):
    import tensorflow as tf

    name, contents = file
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    path.write_bytes(contents)
    (scanned,) = scan([str(path)])
    if scanned.reason is not None:
        assert scanned.reason.strip()
        return
    example = os.fsencode(path), 0, scanned.orientation, bool(scanned.native)
    fingerprint = tf.constant(scanned.fingerprint, "int64")
    image, _ = load(*map(tf.constant, example), fingerprint)
    assert np.isfinite(image).all()


@few(60)
@hypothesis.given(st.binary(max_size=400), st.sampled_from(sorted(WHOLE)))
def test_random_bytes_are_read_or_named(tmp_path_factory, contents, name):
    path = tmp_path_factory.getbasetemp() / f"random-{name}"
    path.write_bytes(WHOLE[name][:12] + contents)
    pixels, reasons = read([path])
    named = {path.name} if len(pixels) == 0 else set()
    assert reasons.keys() == named
    assert all(reason.strip() for reason in reasons.values())


def test_pictures_that_cannot_be_read_leave_no_run(tmp_path):
    files = {name: contents for name, (contents, _) in UNREADABLE.items()}
    write_all(tmp_path / "data/ants", files)
    write_all(tmp_path / "data/bees", WHOLE)
    arguments = ["fit", tmp_path / "data", "--output", tmp_path / "run", "--weights", "none"]
    told = assert_told(arguments, tmp_path)
    assert f"{len(UNREADABLE)} of {len(UNREADABLE) + len(WHOLE)} images" in told


def test_predict_answers_for_all_it_can_read(tmp_path, finished_run):
    pictures = write_all(tmp_path, ODD)
    out = assert_done(["predict", finished_run, *pictures], tmp_path)
    assert len(out.splitlines()) == len(ODD)


def test_predict_names_each_picture_that_it_cannot_read(tmp_path, finished_run):
    files = {name: contents for name, (contents, _) in UNREADABLE.items()}
    code, out, err = run(["predict", finished_run, *write_all(tmp_path, files)], tmp_path)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == len(files)
    assert all(line.startswith("keras-transfer: error: ") for line in err.splitlines())


def make_pipe(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_dangling_link(path):
    path.symlink_to("nowhere.jpg")


def make_link_to_itself(path):
    path.symlink_to(path)


NO_FILES = {
    "pipe": make_pipe,
    "folder": make_folder,
    "dangling link": make_dangling_link,
    "link to itself": make_link_to_itself,
    "absent": lambda path: None,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_told(tmp_path, finished_run, make):
    make(tmp_path / "picture.jpg")
    assert_told(["predict", finished_run, tmp_path / "picture.jpg"], tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_in_a_class_folder_is_told(tmp_path):
    write_all(tmp_path / "data/ants", WHOLE)
    write_all(tmp_path / "data/bees", {"0.png": encoded("PNG", picture(seed=1))})
    os.mkfifo(tmp_path / "data/bees/1.jpg")
    with pytest.raises(ValueError, match=r"1\.jpg: not a file"):
        data.image_folder(tmp_path / "data", 8)


ODD_NAMES = [
    "new\nline.png", "tab\t.png", "quote'\".png", "per%cent.png", "back\\slash.png", "-x.png",
    "\x1b[31mred.png", "é.png", "e\u0301.png", "日本.png", "😀.png", "\u202eright.png",
    "\udcff\udcfe.png",
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids most of these names")
def test_predict_prints_a_line_for_each_odd_name(tmp_path, finished_run):
    pictures = [
        str(path) for path in write_all(tmp_path, dict.fromkeys(ODD_NAMES, WHOLE["plain.png"]))
    ]
    for more in ([], ["--json"]):
        out = assert_done(["predict", finished_run, *pictures, *more], tmp_path)
        assert len(out.splitlines()) == len(ODD_NAMES)
        assert "\x1b" not in out


KINDS = {"files that are none": NO_FILES, "odd names of pictures": ODD_NAMES}
