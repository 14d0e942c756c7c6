"""Files with boxes, in the three formats that most data have."""

import dataclasses
import json
import math
import os
import pathlib
import xml.etree.ElementTree

import numpy as np
from keras.utils.bounding_boxes import convert_format

from keras_transfer.data.opened_files import upright_size
from keras_transfer.data.scanning import find_images

_LARGEST_FILE = 2**30
_SPLIT_FILES = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}


class BoxFileError(ValueError):
    """A file with boxes that cannot be used; the message is one line."""


@dataclasses.dataclass
class Annotated:
    """The boxes of one image as its file has them.

    Attributes:
        image: the path of the image.
        boxes: rows of left, top, right and bottom, as fractions of the image.
        classes: the name of the class of each.
        split: "train", "validation", "test", or None.
        notes: what was wrong with the file and how it is treated, sentences without the name.
        problem: why the image cannot be used, or None.
    """

    image: str
    boxes: np.ndarray
    classes: list
    split: str | None = None
    notes: list = dataclasses.field(default_factory=list)
    problem: str | None = None


def read_voc(path, images=None):
    """The images of a folder with `Annotations` (XML), `JPEGImages` and `ImageSets/Main`."""
    root = pathlib.Path(path)
    folder = root / "Annotations" if (root / "Annotations").is_dir() else root
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise BoxFileError(f"no XML file in '{folder}'")
    pictures = root / "JPEGImages" if (root / "JPEGImages").is_dir() else root
    by_stem = {pathlib.PurePath(image).stem: image for image in find_images(pictures)}
    splits = _voc_splits(root)
    found = [_voc_image(file, by_stem, splits) for file in files]
    described = {one.image for one in found}
    empty = [
        Annotated(image, np.zeros((0, 4)), [], splits.get(stem))
        for stem, image in by_stem.items()
        if image not in described
    ]
    return [*found, *empty], None


def _voc_splits(root):
    found: dict = {}
    for name, split in _SPLIT_FILES.items():
        for file in (
            root / "ImageSets" / "Main" / f"{name}.txt",
            root / "ImageSets" / f"{name}.txt",
        ):
            if file.is_file():
                for line in file.read_text(encoding="utf-8-sig").split("\n"):
                    if line.strip():
                        found[line.split()[0]] = split
    return found


def _voc_image(file, by_stem, splits):
    stem = file.stem
    image = by_stem.get(stem)
    one = Annotated(image or str(file), np.zeros((0, 4)), [], splits.get(stem))
    if image is None:
        one.problem = "no image of this name"
        return one
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise BoxFileError("the file is too large")
        tree = xml.etree.ElementTree.parse(file).getroot()
        height, width = upright_size(image)
        size = [tree.findtext(f"size/{side}") for side in ("width", "height")]
        known = [None if text is None else int(float(text)) for text in size]
        if all(known) and known != [width, height]:
            raise BoxFileError(
                f"the XML file is about an image of {known[0]} x {known[1]} pixels, and it has "
                f"{width} x {height}"
            )
        rows = []
        for thing in tree.iter("object"):
            name = (thing.findtext("name") or "").strip()
            if not name:
                raise BoxFileError("an object has no name")
            corners = [thing.findtext(f"bndbox/{side}") for side in _CORNERS]
            if None in corners:
                raise BoxFileError(f"the object '{name}' lacks a side of its box")
            rows.append(list(map(float, corners)))
            one.classes.append(name)
        one.boxes = relative(rows, "xyxy", height, width)
    except xml.etree.ElementTree.ParseError as error:
        one.problem = f"'{file.name}' is no XML: {error}"
    except (OSError, ValueError) as error:
        one.problem = " ".join(str(error).split())
    return one


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_coco(path, images=None):
    """The images of a COCO JSON file; `images` is their folder, by default that of the file."""
    file = pathlib.Path(path)
    if file.stat().st_size > _LARGEST_FILE:
        raise BoxFileError(f"'{file}' is larger than {_LARGEST_FILE} bytes")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        kinds = {one["id"]: str(one["name"]) for one in content["categories"]}
        names = [str(one["name"]) for one in content["categories"]]
        named = {one["id"]: one for one in content["images"]}
        rows = list(content["annotations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BoxFileError(
            f"'{file}' is no COCO file with images, annotations and categories "
            f"({type(error).__name__}: {error})"
        ) from error
    for what, ids in (("images", named), ("categories", kinds)):
        if len(ids) < len(content[what]):
            raise BoxFileError(f"'{file}' has an id of its {what} twice")
    folder = _folder_of(file, images, [str(one.get("file_name")) for one in named.values()])
    found = {key: _coco_image(folder, one) for key, one in named.items()}
    sizes = {key: _size_of(one) for key, one in found.items()}
    seen: set = set()
    for row in rows:
        one = found.get(row.get("image_id")) if isinstance(row, dict) else None
        if one is None:
            received = row.get("image_id") if isinstance(row, dict) else row
            raise BoxFileError(
                f"'{file}' has an annotation of an unknown image: {received!r:.80}"
            )
        _add_coco_box(one, row, kinds, sizes[row["image_id"]], seen)
    return list(found.values()), names


def _add_coco_box(one, row, kinds, size, seen):
    if row.get("iscrowd"):
        one.notes.append("left out, the box of a crowd")
        return
    if row.get("id") in seen:
        one.notes.append("kept, the id of a box comes twice")
    seen.add(row.get("id"))
    if row.get("category_id") not in kinds:
        one.problem = f"a box has an unknown category: {row.get('category_id')!r:.40}"
        return
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        one.problem = f"a box is not four numbers: {box!r:.60}"
        return
    if size is not None:
        one.boxes = np.concatenate([one.boxes, relative([box], "xywh", *size)])
        one.classes.append(kinds[row["category_id"]])


def _coco_image(folder, row):
    name = str(row.get("file_name"))
    path = os.path.normpath(folder / name)
    one = Annotated(path, np.zeros((0, 4)), [])
    if not pathlib.Path(path).is_relative_to(folder):
        one.problem = "it lies outside the folder of the images"
    elif not os.path.isfile(path):
        one.problem = "no such image"
    return one


def _size_of(one):
    if one.problem is not None:
        return None
    try:
        return upright_size(one.image)
    except (OSError, ValueError) as error:
        one.problem = " ".join(str(error).split())
        return None


def _folder_of(file, images, names):
    if images is not None:
        return pathlib.Path(images).absolute()
    parents = (
        file.parent,
        file.parent / "images",
        file.parent.parent / "images",
        file.parent.parent,
    )
    places = [place.absolute() for place in parents]
    return next(
        (place for place in places if any((place / name).is_file() for name in names[:20])),
        places[0],
    )


def read_yolo(path, images=None):
    """The images of a folder with `images` and `labels`, a text file for each image.

    `classes.txt` or `data.yaml` names the classes.
    """
    root = pathlib.Path(path)
    names = _yolo_names(root)
    found = []
    for image in find_images(root):
        file = _yolo_labels(pathlib.Path(image), root)
        parts = pathlib.PurePath(os.path.relpath(image, root)).parts
        split = next((_SPLIT_FILES[part] for part in parts if part in _SPLIT_FILES), None)
        one = Annotated(image, np.zeros((0, 4)), [], split)
        found.append(one)
        if file is None:
            continue
        try:
            _read_yolo_file(file, one, names)
        except (OSError, ValueError) as error:
            one.problem = " ".join(str(error).split())
    if not found:
        raise BoxFileError(f"no image in '{root}'")
    if names is None:
        highest = max((int(name) for one in found for name in one.classes), default=-1)
        names = [str(index) for index in range(highest + 1)]
    return found, names


def _read_yolo_file(file, one, names):
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            values = list(map(_finite, cells))
        except ValueError:
            raise BoxFileError(
                f"line {number} of '{file.name}' is not numbers: {line!r:.60}"
            ) from None
        if len(values) != 5 or values[0] != int(values[0]) or values[0] < 0:
            raise BoxFileError(
                f"line {number} of '{file.name}' must be a class and four numbers: {line!r:.60}"
            )
        if names is not None and values[0] >= len(names):
            raise BoxFileError(
                f"line {number} of '{file.name}' has the class {int(values[0])}, but there are "
                f"{len(names)}"
            )
        if max(values[1:]) > 2:
            raise BoxFileError(
                f"line {number} of '{file.name}' must have fractions of the image: {line!r:.60}"
            )
        rows.append(values[1:])
        one.classes.append(str(int(values[0])) if names is None else names[int(values[0])])
    one.boxes = relative(rows, "rel_center_xywh", 1, 1)


def _yolo_labels(image, root):
    """The file of an image: beside it, or in `labels` in the place of `images`."""
    parts = list(image.with_suffix(".txt").parts)
    places = [pathlib.Path(*parts)]
    for index in range(len(root.parts), len(parts)):
        if parts[index] == "images":
            places.append(pathlib.Path(*parts[:index], "labels", *parts[index + 1 :]))
    return next((place for place in places if place.is_file()), None)


def _yolo_names(root):
    for name in ("classes.txt", "obj.names"):
        if (root / name).is_file():
            lines = (root / name).read_text(encoding="utf-8-sig").split("\n")
            return [line.strip() for line in lines if line.strip()]
    for file in sorted(root.glob("*.yaml")):
        found = _names_in_yaml(file.read_text(encoding="utf-8-sig"))
        if found:
            return found
    return None


def _names_in_yaml(text):
    """The list or the dict `names` of a `data.yaml`, which is all that is read of it."""
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        return None
    rest = lines[start].partition(":")[2].strip()
    if rest:
        return [name.strip().strip("'\"") for name in rest.strip("[]").split(",")]
    found = []
    for line in lines[start + 1 :]:
        if not line.startswith((" ", "-")):
            break
        name = line.strip().lstrip("-").strip()
        found.append(
            name.partition(":")[2].strip() if name[:1].isdigit() and ":" in name else name
        )
    return [name.strip("'\"") for name in found if name]


def relative(rows, source, height, width):
    """Boxes as left, top, right and bottom, fractions of an image."""
    if not len(rows):
        return np.zeros((0, 4))
    found = convert_format(
        np.array(rows, "float32"), source, "rel_xyxy", height=height, width=width
    )
    return np.asarray(found, "float64")


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _is_number(value):
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    )


READERS = {"voc": read_voc, "coco": read_coco, "yolo": read_yolo}
