"""Bad masks and boxes: each is told in a line that names what is wrong."""

import io
import json
import pathlib
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_transfer import data

HEIGHT, WIDTH = 20, 30


def image(seed=0, size=(HEIGHT, WIDTH)):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype="uint8")
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def png(array, mode=None):
    buffer = io.BytesIO()
    found = Image.fromarray(np.asarray(array)) if mode is None else array
    found.save(buffer, "PNG")
    return buffer.getvalue()


def mask(highest=1, shape=(HEIGHT, WIDTH), dtype="uint8"):
    found = np.zeros(shape, dtype)
    found[:, 10:] = highest
    return found


def saved(kind, **arguments):
    buffer = io.BytesIO()
    Image.fromarray(mask(200)).save(buffer, kind, **arguments)
    return buffer.getvalue()


def pages():
    buffer = io.BytesIO()
    page = Image.fromarray(mask())
    page.save(buffer, "TIFF", save_all=True, append_images=[page])
    return buffer.getvalue()


def colored(color=(10, 200, 30)):
    found = np.zeros((HEIGHT, WIDTH, 3), "uint8")
    found[:, 10:] = color
    return png(found)


def broken_size():
    contents = bytearray(png(mask()))
    contents[16:24] = struct.pack(">II", 10**6, 10**6)
    return bytes(contents)


# What the mask of one image holds, the arguments, and what the message says.
TWO = {"classes": ["left", "right"]}
TABLE = {"classes": {"left": (0, 0, 0), "right": (10, 200, 30)}}
MASKS = {
    "empty file": (b"", TWO, "not an image, or a corrupt one"),
    "text": (b"no image", TWO, "not an image, or a corrupt one"),
    "truncated": (png(mask())[:60], TWO, "not an image, or a corrupt one"),
    "enormous header": (broken_size(), TWO, "not an image, or a corrupt one"),
    "label too high": (png(mask(7)), TWO, "the label 7 in 400 pixels"),
    "label too high, once": (png(mask(2)), TWO, "the classes are 0 to 1"),
    "void": (png(mask(255)), TWO, "pass `ignore_class=255`"),
    "void without classes": (png(mask(255)), {}, "pass `ignore_class=255`"),
    "smaller": (png(mask(1, (10, 15))), TWO, "15 x 10 pixels, but its image has 30 x 20"),
    "turned": (png(mask(1, (30, 20))), TWO, "20 x 30 pixels, but its image has 30 x 20"),
    "one row more": (png(mask(1, (21, 30))), TWO, "30 x 21 pixels"),
    "jpeg": (saved("JPEG"), TWO, "a JPEG, which blurs the classes"),
    "jpeg of colours": (saved("JPEG"), TABLE, "a JPEG, which blurs the classes"),
    "pages": (pages(), TWO, "several pages"),
    "in colour": (colored(), TWO, "in colour: name the classes with their colours"),
    "unknown colour": (colored((9, 9, 9)), TABLE, r"colours that no class has: \(9, 9, 9\)"),
    "many colours": (png(np.asarray(image())), TABLE, "and .* more"),
    "16 bits": (png(mask(300, dtype="uint16")), TWO, "the label 300: labels are 0 to 255"),
    "nothing but void": (
        png(mask(9) * 0 + 9),
        {**TWO, "ignore_class": 9},
        "no pixel has a class",
    ),
    "webp": (saved("WEBP", quality=10), TWO, "the label|in colour"),
}


@pytest.fixture
def scene(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for index in range(4):
        image(index).save(tmp_path / "images" / f"{index}.png")
        (tmp_path / "masks" / f"{index}.png").write_bytes(png(mask()))
    return tmp_path


def told(error, *words):
    """The message has the words, and no line is empty or endless."""
    lines = str(error).splitlines()
    assert all(line.strip() and len(line) < 700 for line in lines), lines
    return lines


@pytest.mark.parametrize("name", list(MASKS))
def test_a_bad_mask_is_named_with_its_file_and_skipped_on_request(name, scene):
    contents, arguments, words = MASKS[name]
    if "classes" in arguments and isinstance(arguments["classes"], dict):
        for index in range(1, 4):
            (scene / "masks" / f"{index}.png").write_bytes(colored())
    (scene / "masks" / "0.png").write_bytes(contents)
    with pytest.raises(ValueError, match=words) as error:
        data.mask_folder(scene, "masks", 16, **arguments)
    lines = told(error.value)
    assert len([line for line in lines if line.startswith("  masks/0.png: ")]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)
        read = data.mask_folder(scene, "masks", 16, on_unreadable="skip", **arguments)
    assert sum(read.num_images.values()) == 3 and len(read.unreadable) == 1


FOLDERS = {
    "no folder": (lambda p: {"images": p / "none"}, FileNotFoundError, "No such folder"),
    "a file": (lambda p: {"images": p / "images" / "0.png"}, NotADirectoryError, "a file"),
    "no masks": (lambda p: {"masks": "truth"}, FileNotFoundError, "Found no masks"),
    "void is a class": (lambda p: {**TWO, "ignore_class": 1}, ValueError, "`ignore_class`"),
    "void above 255": (lambda p: {"ignore_class": 256}, ValueError, "`ignore_class`"),
    "one class": (lambda p: {"classes": ["sky"]}, ValueError, "2 to 255 different names"),
    "a name twice": (lambda p: {"classes": ["a", "a"]}, ValueError, "different names"),
    "a name that is none": (lambda p: {"classes": ["a", ""]}, ValueError, "different names"),
    "no colour": (lambda p: {"classes": {"a": 3, "b": (1, 2, 3)}}, ValueError, "A colour must"),
    "a colour twice": (
        lambda p: {"classes": {"a": (1, 2, 3), "b": (1, 2, 3)}}, ValueError, "same colour",
    ),
    "a line of three": (
        lambda p: {"classes": written(p / "c.txt", "a,1,2\n")}, ValueError, "Line 1 of",
    ),
    "a class twice in the file": (
        lambda p: {"classes": written(p / "c.txt", "a,1,2,3\na,2,2,3\n")}, ValueError,
        "names a class twice",
    ),
}  # fmt: skip


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", list(FOLDERS))
def test_a_bad_folder_or_argument_is_told(name, scene):
    arguments, kind, words = FOLDERS[name]
    with pytest.raises(kind, match=words) as error:
        data.mask_folder(
            **{"images": scene, "masks": "masks", "image_size": 16, **arguments(scene)}
        )
    assert len(told(error.value)) == 1


@pytest.mark.parametrize(
    ("names", "words"),
    [(("images/4.png",), "1 images have no mask of the same name: 'images/4.png'"),
     (("masks/0.tif",), "Two masks have the same name")],
)  # fmt: skip
def test_images_and_masks_that_do_not_pair_are_told(names, words, scene):
    for name in names:
        image(9).save(scene / name)
    with pytest.raises(ValueError, match=words):
        data.mask_folder(scene, "masks", 16)


# Changes of a COCO file, and what the message says.
COCO = {
    "no JSON": (lambda c: "{", "is no COCO file"),
    "a list": (lambda c: [], "is no COCO file"),
    "no categories": (lambda c: {**c, "categories": None}, "is no COCO file"),
    "images without ids": (lambda c: {**c, "images": [{}]}, "is no COCO file"),
    "an image id twice": (lambda c: {**c, "images": c["images"] * 2}, "id of its images twice"),
    "a category id twice": (
        lambda c: {**c, "categories": c["categories"] * 2}, "id of its categories twice",
    ),
    "an unknown image": (lambda c: changed(c, image_id=99), "an unknown image: 99"),
    "an annotation that is none": (lambda c: {**c, "annotations": [3]}, "an unknown image: 3"),
    "an unknown category": (lambda c: changed(c, category_id=99), "an unknown category: 99"),
    "no box": (lambda c: changed(c, bbox=None), "a box is not four numbers"),
    "a box of three": (lambda c: changed(c, bbox=[1, 2, 3]), "a box is not four numbers"),
    "a box of words": (lambda c: changed(c, bbox=[1, 2, 3, "x"]), "is not four numbers"),
    "an infinite box": (lambda c: changed(c, bbox=[1, 2, 3, 1e999]), "is not four numbers"),
    "an image that is not there": (
        lambda c: named(c, "9.png"), "no such image",
    ),
    "an image outside": (
        lambda c: named(c, "../x.png"), "outside the folder",
    ),
    "an image twice": (
        lambda c: named(c, "1.png"), "come twice",
    ),
    "no box at all": (lambda c: {**c, "annotations": [], "categories": []}, "Found no box"),
}  # fmt: skip


def changed(content, **values):
    first, *others = content["annotations"]
    return {**content, "annotations": [{**first, **values}, *others]}


def named(content, name):
    first, *others = content["images"]
    return {**content, "images": [{**first, "file_name": name}, *others]}


def coco(folder):
    for index in range(3):
        image(index).save(folder / f"{index}.png")
    return {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [2, 2, 9, 9]} for i in range(3)
        ],
        "categories": [{"id": 1, "name": "cell"}],
    }


@pytest.mark.parametrize("name", list(COCO))
def test_a_bad_coco_file_is_told(name, tmp_path):
    change, words = COCO[name]
    content = change(coco(tmp_path))
    path = tmp_path / "boxes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=words) as error:
        data.boxes(path, 16, format="coco")
    told(error.value)


XML = "<annotation><object><name>{}</name><bndbox>{}</bndbox></object></annotation>"
SIDES = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
VOC = {
    "no XML": ("<annotation>", "is no XML"),
    "an empty file": ("", "is no XML"),
    "no name": (XML.format("", SIDES), "an object has no name"),
    "a side missing": (
        XML.format("cell", SIDES.replace("<ymax>9</ymax>", "")),
        "lacks a side of its box",
    ),
    "a side of letters": (XML.format("cell", SIDES.replace("9", "x")), "could not convert"),
    "another size": (
        "<annotation><size><width>9</width><height>9</height></size></annotation>",
        "about an image of 9 x 9 pixels, and it has 30 x 20",
    ),
}


@pytest.mark.parametrize("name", list(VOC))
def test_a_bad_voc_file_is_told_with_its_image_and_skipped_on_request(name, tmp_path):
    contents, words = VOC[name]
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder).mkdir()
    for index in range(4):
        image(index).save(tmp_path / "JPEGImages" / f"{index}.png")
        (tmp_path / "Annotations" / f"{index}.xml").write_text(XML.format("cell", SIDES))
    (tmp_path / "Annotations" / "0.xml").write_text(contents)
    with pytest.raises(ValueError, match=words) as error:
        data.boxes(tmp_path, 16)
    assert any(line.startswith("  JPEGImages/0.png: ") for line in told(error.value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)
        read = data.boxes(tmp_path, 16, on_unreadable="skip")
    assert sum(read.num_images.values()) == 3


YOLO = {
    "words": ("a b c d e", "line 1 of '0.txt' is not numbers"),
    "four numbers": ("0 0.5 0.5 0.5", "must be a class and four numbers"),
    "a class that is a fraction": ("0.5 0.5 0.5 0.5 0.5", "must be a class and four numbers"),
    "a negative class": ("-1 0.5 0.5 0.5 0.5", "must be a class and four numbers"),
    "an unknown class": ("4 0.5 0.5 0.5 0.5", "has the class 4, but there are 1"),
    "pixels": ("0 15 10 20 10", "must have fractions of the image"),
    "NaN": ("0 nan 0.5 0.5 0.5", "is not numbers"),
}


@pytest.mark.parametrize("name", list(YOLO))
def test_a_bad_yolo_file_is_told_with_its_image(name, tmp_path):
    contents, words = YOLO[name]
    (tmp_path / "classes.txt").write_text("cell\n")
    for index in range(3):
        image(index).save(tmp_path / f"{index}.png")
        (tmp_path / f"{index}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "0.txt").write_text(contents)
    with pytest.raises((ValueError, data.DataWarning), match=words) as error:
        data.boxes(tmp_path, 16, format="yolo")
    told(error.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"format": "pascal"}, ValueError, "`format` must be one of"),
        ({"path": "none"}, FileNotFoundError, "No such file or folder"),
        ({"format": "coco"}, ValueError, "needs a JSON file"),
        ({"images": "x"}, FileNotFoundError, "No such folder. Received: 'x'"),
        ({}, ValueError, "no XML file"),
        ({"format": "yolo"}, ValueError, "no image in"),
    ],
)
def test_bad_arguments_of_boxes_are_told(arguments, kind, words, tmp_path):
    with pytest.raises(kind, match=words) as error:
        data.boxes(**{"path": tmp_path, "image_size": 16, **arguments})
    assert len(told(error.value)) == 1


def test_the_corpus_has_more_than_forty_kinds():
    assert len(MASKS) + len(FOLDERS) + len(COCO) + len(VOC) + len(YOLO) > 40
    assert pathlib.Path(__file__).is_file()
