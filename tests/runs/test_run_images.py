"""A run folder that somebody sent does not put other files of this machine into its page."""

import base64
import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.run_images import RunImages
from tests.pictures import draw
from tests.runs.pages import Page, page_of


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    draw(tmp_path / "elsewhere" / "secret.png", (255, 0, 0), 0)
    return draw(tmp_path / "photos" / "red" / "0.png", (0, 0, 255), 0).parents[1]


def images_of(folder):
    return RunImages(str(folder))


def test_an_image_in_the_folder_is_opened(photos):
    images = images_of(photos)
    path = str(photos / "red" / "0.png")
    assert images.open(path, 32).mode == "RGB"
    assert images.name_of(path) == os.path.join("red", "0.png")


def test_images_of_datasets_are_shown_from_the_folder_that_their_files_share(run):
    settings = json.loads((run / "run.json").read_text())
    course = json.loads((run / "course.json").read_text())
    course["provenance"]["images_in"] = settings["data"]
    (run / "run.json").write_text(json.dumps({**settings, "data": None}))
    assert not Page(page_of(run)).images, "no folder is known"
    (run / "course.json").write_text(json.dumps(course))
    assert Page(page_of(run)).images


def test_what_lies_outside_is_refused(photos, tmp_path):
    secret = tmp_path / "elsewhere" / "secret.png"
    os.symlink(secret, photos / "red" / "link.png")
    os.symlink(tmp_path / "elsewhere", photos / "folder")
    os.mkfifo(photos / "red" / "pipe.png")
    (photos / "red" / "text.png").write_text("no image")
    (photos / "red" / "page.eps").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    )
    paths = [
        secret, photos / "red" / "link.png", photos / "folder" / "secret.png",
        photos / "red" / ".." / ".." / "elsewhere" / "secret.png", photos / "red" / "pipe.png",
        photos / "red" / "text.png", photos / "red" / "page.eps", photos / "red",
        photos / "absent.png", "/proc/self/environ", "/dev/zero", "red/0.png", "a\0b", "",
    ]  # fmt: skip
    images = images_of(photos)
    assert [images.open(str(path), 32) for path in paths] == [None] * len(paths)
    assert images.open(None, 32) is None


def test_a_file_exchanged_for_a_pipe_is_not_read(photos, monkeypatch):
    images, pipe = images_of(photos), photos / "red" / "pipe.png"
    os.mkfifo(pipe)
    monkeypatch.setattr(images, "path_of", lambda path: pipe)
    assert images.open(str(pipe), 32) is None


@pytest.mark.parametrize(
    "folder", ["/", "/proc", "/sys", "~", "~/..", "relative", 5, "a\0", None]
)
def test_a_folder_that_is_no_data_set_shows_nothing(folder, photos):
    if isinstance(folder, str):
        folder = os.path.expanduser(folder)
    images = RunImages(folder)
    assert images.folder is None
    assert images.open(str(photos / "red" / "0.png"), 32) is None


def colours_of(page):
    """The mean colour of each image in a page."""
    for source in page.images:
        contents = base64.b64decode(source.partition(",")[2])
        path = pathlib.Path("image.jpg")
        path.write_bytes(contents)
        yield np.asarray(Image.open(path)).mean(axis=(0, 1))


def test_prepared_predictions_embed_no_other_file(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = draw(tmp_path / "secret.png", (255, 0, 255), 0)
    record = RunFolder(run)
    found = record.predictions()["validation"]
    paths = (str(secret), *found.paths[1:])
    record.write_predictions([Predictions("validation", found.outputs, found.labels, paths)])
    pair = {
        "names": [str(secret)] * 2, "evidence": "same file", "splits": ["train", "test"],
        "labels": [0, 0],
    }  # fmt: skip
    error = {
        "name": str(secret), "given": "a", "suggested": "b", "given_probability": 0.1,
        "suggested_probability": 0.9,
    }  # fmt: skip
    audit = {"duplicates": {"pairs": [pair]}, "labels": {"errors": [error]}}
    (run / "audit.json").write_text(json.dumps(audit))
    (run / "audit.png").symlink_to(secret)
    text = page_of(run)
    page = Page(text)
    assert page.images
    for red, green, blue in colours_of(page):
        assert not (red > 200 and green < 60 and blue > 200)
    assert "secret" not in text
