"""Files with boxes, in the three formats that most data have."""

import dataclasses
import json
import math
import os
import pathlib
import xml.etree.ElementTree

import numpy as np
from keras.utils.bounding_boxes import convert_format

from keras_transfer.data.image_tables import Folder
from keras_transfer.data.opened_files import upright_size
from keras_transfer.data.scanning import find_images, is_image

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
        has_file: whether a file or a row is about the image.
        notes: what was wrong with the file and how it is treated, sentences without the name.
        problem: why the image cannot be used, or None.
    """

    image: str
    boxes: np.ndarray
    classes: list
    split: str | None = None
    has_file: bool = True
    notes: list = dataclasses.field(default_factory=list)
    problem: str | None = None


# Each reader returns a list of `Annotated`, the names of the classes if the data have them, and
# messages.


def read_voc(path, images=None):
    """The images of a folder with `Annotations` (XML), `JPEGImages` and `ImageSets/Main`.

    The images and the sets may lie in another folder, `images`.
    """
    root = pathlib.Path(path)
    others = root if images is None else pathlib.Path(images)
    folder = root / "Annotations" if (root / "Annotations").is_dir() else root
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise BoxFileError(f"no XML file in '{folder}'")
    pictures = others / "JPEGImages" if (others / "JPEGImages").is_dir() else others
    by_stem: dict = {}
    for image in find_images(pictures):
        first = by_stem.setdefault(pathlib.PurePath(image).stem, image)
        if first != image:
            raise BoxFileError(f"two images have one name: '{first}' and '{image}'")
    splits = _voc_splits(others) | _voc_splits(root)
    found = [_voc_image(file, by_stem, splits) for file in files]
    described = {one.image for one in found}
    empty = [
        Annotated(image, np.zeros((0, 4)), [], splits.get(stem), has_file=False)
        for stem, image in by_stem.items()
        if image not in described
    ]
    return [*found, *empty], None, []


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
_YOLO_NAMES = ("classes.txt", "obj.names")


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
    paths = [one.image for one in found.values()]
    if images is None:
        return list(found.values()), names, []
    # Folders without one of these images hold something else, such as masks.
    folders = {os.path.dirname(os.path.normpath(path)) for path in paths}
    unnamed = Folder(folder).unnamed(
        paths, file, lambda path: is_image(path) and os.path.dirname(path) in folders
    )
    return list(found.values()), names, list(unnamed)


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

    `classes.txt` or `data.yaml` names the classes. The images, and these, may lie in another
    folder, `images`.
    """
    root = pathlib.Path(path)
    others = root if images is None else pathlib.Path(images)
    names = _yolo_names(root) or _yolo_names(others)
    found, used = [], set()
    for image in find_images(others):
        parts = pathlib.PurePath(os.path.relpath(image, others)).parts
        file = _yolo_labels(root, parts)
        split = next((_SPLIT_FILES[part] for part in parts if part in _SPLIT_FILES), None)
        one = Annotated(image, np.zeros((0, 4)), [], split, has_file=file is not None)
        found.append(one)
        if file is None:
            continue
        used.add(file)
        try:
            _read_yolo_file(file, one, names)
        except (OSError, ValueError) as error:
            one.problem = " ".join(str(error).split())
    if not found:
        raise BoxFileError(f"no image in '{others}'")
    if names is None:
        highest = max((int(name) for one in found for name in one.classes), default=-1)
        names = [str(index) for index in range(highest + 1)]
    return found, names, list(_unused_labels(used))


def _unused_labels(used):
    """A message about text files beside those of images."""
    folders = {file.parent for file in used}
    beside = {file for folder in folders for file in folder.glob("*.txt")}
    lists = {*_YOLO_NAMES, *(f"{name}.txt" for name in _SPLIT_FILES)}
    left = [file for file in beside - used if file.name not in lists]
    if left:
        yield f"Files of boxes without an image: {len(left)}, such as '{min(left)}'."


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


def _yolo_labels(root, parts):
    """The file of an image, of whose path the parts are given; None without one.

    It is in the place of the image, or in `labels`, in the place of `images` if there is one.
    """
    name = f"{pathlib.PurePath(parts[-1]).stem}.txt"
    places = [(*parts[:-1], name), ("labels", *parts[:-1], name)]
    for index, part in enumerate(parts[:-1]):
        if part == "images":
            after = (*parts[index + 1 : -1], name)
            places += [(*parts[:index], "labels", *after), (*parts[:index], *after)]
    files = (root.joinpath(*place) for place in places)
    return next((file for file in files if file.is_file()), None)


def _yolo_names(root):
    for name in _YOLO_NAMES:
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
