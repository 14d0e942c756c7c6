"""Types of arguments, and the arguments that several commands share."""

import argparse
import difflib
import math
import re


class Parser(argparse.ArgumentParser):
    """A parser that answers wrong arguments with a line, without the usage of a screen."""

    def error(self, message):
        """Ends the process with 2."""
        end = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: error: {message}{end} See `{self.prog} --help`.\n")


class CommandParser(Parser):
    """The parser of a command, which names the closest option for one that does not exist.

    `given` of what it returns is the set of the options' names on the command line; an option
    that is 'none' asks for nothing.
    """

    def parse_known_args(self, args=None, namespace=None):
        """As in `argparse`; unknown options end the process first."""
        known, given = self._option_string_actions, set()
        for word in args or ():
            name = word.partition("=")[0]
            if word == "--":
                break
            if not name.startswith("--"):
                continue
            begun = [one for one in known if one.startswith(name)]
            if not begun:
                close = difflib.get_close_matches(name, known, 1)
                meant = f". Did you mean {close[0]}?" if close else ""
                self.error(f"there is no option {name}{meant}")
            given.add(known[name if name in known else begun[0]].dest)
        found, others = super().parse_known_args(args, namespace)
        found.given = {name for name in given if getattr(found, name, None) != "none"}
        return found, others


def seconds(text):
    """The seconds of a time such as 90s, 5m or 2h."""
    return _number_with_unit(text, {"s": 1, "m": 60, "h": 3600}, "a time such as 90s, 5m or 2h")


def size_in_bytes(text):
    """The bytes of a size such as 500MB or 5GB."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    return int(_number_with_unit(text, units, "a size such as 500MB or 5GB"))


def _number_with_unit(text, units, expected):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text)
    size = found and {name.lower(): size for name, size in units.items()}.get(found[2].lower())
    if size is None or not 0 < float(found[1]) * size < math.inf:
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    return float(found[1]) * size


def count(text):
    """An integer that is not negative."""
    return _integer(text, 0, "0 or a positive integer")


def positive(text):
    """A positive integer."""
    return _integer(text, 1, "a positive integer")


def several(text):
    """An integer of at least 2."""
    return _integer(text, 2, "an integer of at least 2")


def _integer(text, least, expected):
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    return int(text)


def positive_number(text):
    """A positive number."""
    return _number(text, lambda value: 0 < value < math.inf, "a positive number")


def probability(text):
    """A number from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def _number(text, is_valid, expected):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not is_valid(value):
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    return value


def add_data(command):
    """Adds DATA."""
    command.add_argument(
        "data",
        metavar="DATA",
        help="folder with a subfolder of images per class, or with train, validation and test "
        "folders of these; or a CSV file with a column of paths, see --targets; or a folder of "
        "images, see --labels. Texts and sounds lie in the same folders; a CSV file of texts, "
        "or of neither paths nor texts, is a table",
    )


def add_run(command):
    """Adds RUN."""
    command.add_argument("run", metavar="RUN", help="the run folder that `fit` wrote")


def add_backbone(command):
    """Adds the choice of a network."""
    command.add_argument(
        "--backbone",
        default="MobileNetV2",
        metavar="NAME",
        help="a network of Keras, a preset of KerasHub, a directory of Hugging Face, the "
        "folder of an earlier run, or for sounds an .onnx file (default: %(default)s)",
    )
    command.add_argument(
        "--image-size",
        type=image_size,
        metavar="PIXELS",
        help="height and width, or HEIGHTxWIDTH (default: that of the network)",
    )
    command.add_argument(
        "--weights",
        default="imagenet",
        help="'imagenet', a weights file, or 'none' for random weights (default: imagenet)",
    )
    command.add_argument("--alpha", type=float, help="width of a MobileNet")


def add_augmentation(command):
    """Adds the augmentation of the training images."""
    command.add_argument(
        "--augmentation",
        choices=("none", "light", "standard", "strong"),
        default="standard",
        help="random changes of the training images (default: %(default)s)",
    )


def add_unreadable(command):
    """Adds the treatment of images that cannot be read."""
    command.add_argument(
        "--on-unreadable",
        choices=("raise", "skip"),
        default="raise",
        help="stop at images that cannot be read, or skip them (default: %(default)s)",
    )


def image_size(text):
    """The sides of images: 224, or 240x320 for height and width."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        expected = "a number of pixels such as 224, or HEIGHTxWIDTH such as 240x320"
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    found = tuple(map(int, sides))
    return found if found[1:] else found[0]


def add_masks(command):
    """Adds the masks or the boxes of images."""
    command.add_argument(
        "--boxes",
        metavar="FILE",
        help="images with boxes around objects: a COCO JSON file about the images in DATA; or "
        "the folder of the files of VOC or YOLO, DATA again or another one",
    )
    command.add_argument(
        "--box-format",
        choices=("voc", "coco", "yolo"),
        help="the format of the boxes (default: coco for a file, voc for a folder)",
    )
    command.add_argument(
        "--masks",
        metavar="FOLDER",
        help="images with a class for each pixel: the folder of their masks, or its name in "
        "DATA or in its train, val and test folders",
    )
    command.add_argument(
        "--classes",
        metavar="FILE",
        help="the names of these classes: a text file with a line for each, `name` or "
        "`name,red,green,blue` (default: their indices)",
    )
    command.add_argument(
        "--ignore-class",
        type=count,
        metavar="LABEL",
        help="the label of pixels without a class, for example 255",
    )


def add_labels(command):
    """Adds the CSV file about a folder of images."""
    command.add_argument(
        "--labels", metavar="FILE", help="a CSV file about the files in the folder DATA"
    )


def add_reading(command):
    """Adds which images are read, and how."""
    add_labels(command)
    command.add_argument(
        "--images",
        metavar="COLUMN",
        help="the column of the CSV file with the paths (default: 'path', 'image' or "
        "'filename', else the first)",
    )
    command.add_argument(
        "--targets",
        nargs="+",
        metavar="COLUMN",
        help="its column with the class, the labels or the number of each image; or several "
        "columns, of labels (0 or 1) or of numbers (default: the only other one)",
    )
    command.add_argument(
        "--task",
        choices=("classes", "labels", "numbers"),
        help="what these are (default: the cells decide)",
    )
    command.add_argument(
        "--metadata",
        metavar="FILE",
        help="a CSV file with a column 'path' about class folders; see --group",
    )
    command.add_argument(
        "--group",
        metavar="COLUMN",
        help="its column with the group of each image, for example a patient or a camera: all "
        "images of a group are on one side of the split",
    )
    command.add_argument(
        "--exclude",
        metavar="FILE",
        help="the audit.json that `audit` wrote: leave out its label errors and copies",
    )
    command.add_argument(
        "--value-range",
        type=positive_number,
        metavar="VALUE",
        help="the value that is white in images of more than 8 bits (default: 65535)",
    )
    command.add_argument(
        "--text",
        metavar="COLUMN",
        help="the column of the CSV file with the texts, for a network of texts (default: "
        "'text' or 'sentence')",
    )
    add_unreadable(command)


def reading_of(options):
    """The arguments of `read_source` that `add_reading` added."""
    names = (
        "labels", "images", "targets", "task", "metadata", "group", "exclude", "value_range",
        "text", "on_unreadable",
    )  # fmt: skip
    return {name: getattr(options, name) for name in names}


def add_cache(command, is_optional=True):
    """Adds the engine and the cache of features."""
    command.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "openvino"),
        default="auto",
        help="engine that runs the frozen part of the network (default: %(default)s)",
    )
    cache = command.add_mutually_exclusive_group()
    cache.add_argument(
        "--cache", metavar="FOLDER", help="folder for features (default: the user's cache)"
    )
    if is_optional:
        cache.add_argument(
            "--no-cache",
            action="store_true",
            help="do not cache features: compute the frozen part in every epoch",
        )
    else:
        command.set_defaults(no_cache=False)


def add_findings(command):
    """Adds the arguments of a command that examines data before a training."""
    command.add_argument(
        "--output",
        required=True,
        metavar="RUN",
        help="folder for the results; may be the run folder of a later `fit`",
    )
    add_reading(command)
    add_cache(command, is_optional=False)
