"""Checks of names and paths that need no TensorFlow: a typing error is answered at once."""

import contextlib
import os
import pathlib

from keras_transfer._applications import APPLICATIONS, hint
from keras_transfer._text import no_run_message

# The options of a command that name a file which it writes at its end.
_WRITTEN_FILES = {"predict": ("output",), "report": ("output",), "export": ("file",)}
# Those that name a folder, which it makes.
_WRITTEN_FOLDERS = {"export": ("output",), "demo": ("output",), "cache": ("directory",)}
_FORMATS = (".tflite", ".onnx", ".keras")


def check(options):
    """Checks what the arguments name.

    Raises:
        FileNotFoundError: if a file or folder does not exist.
        IsADirectoryError: if a file is to be written in the place of a folder.
        NotADirectoryError: if a folder is to be made in the place of a file.
        ValueError: if there is no network of a name, or no format of a file's ending.
    """
    for name in (getattr(options, "backbone", None), *getattr(options, "backbones", ())):
        if name is not None:
            _check_backbone(name.split(",")[0])
    for name in (
        "data", "new", "labels", "metadata", "exclude", "classes", "boxes", "vectors",
    ):  # fmt: skip
        path = getattr(options, name, None)
        if path is not None and not os.path.exists(path):
            raise FileNotFoundError(f"No such folder or file: '{path}'")
    for name in _WRITTEN_FILES.get(options.command, ()):
        path = getattr(options, name)
        if path is not None:
            if _predicts_masks(options):
                _check_folder(path, name)
            else:
                _check_written(path)
    for name in _WRITTEN_FOLDERS.get(options.command, ()):
        path = getattr(options, name)
        # `Run.export` writes a path with an ending as a file.
        if path is not None and os.path.splitext(path)[1] not in _FORMATS:
            _check_folder(path, name)
    if options.command == "export" and options.file is not None:
        _check_format(options.file)
    run = getattr(options, "run", None)
    if run is not None and os.path.isfile(os.path.join(run, "folds.json")):
        raise FileNotFoundError(
            f"'{run}' holds a cross-validation, with a run for each fold, for example "
            f"'{os.path.join(run, 'fold-1')}'. For a model to use, train on all of the data: "
            "the same `fit` command without --folds, with another --output."
        )
    if run is not None and not os.path.isfile(os.path.join(run, "run.json")):
        raise FileNotFoundError(no_run_message(run))
    for name, words in (
        ("weights", ("imagenet", "none")), ("plan", ("auto",)), ("hierarchy", ("wordnet",)),
    ):  # fmt: skip
        path = getattr(options, name, None)
        if path is not None and path.lower() not in words and not os.path.exists(path):
            raise FileNotFoundError(
                f"--{name}: '{path}' is no file, and not {' or '.join(map(repr, words))}."
            )


def _check_backbone(name):
    if name.lower().endswith((".onnx", ".keras")) and not os.path.isfile(name):
        raise FileNotFoundError(f"--backbone: no such file: '{name}'")
    is_preset = os.path.exists(name) or "_" in name or "://" in name  # of KerasHub
    if name not in APPLICATIONS and not is_preset:
        raise ValueError(
            f"There is no network '{name}'. {hint(name)}`keras-transfer backbones` lists them "
            "all."
        )


def _predicts_masks(options):
    """Whether `predict` writes masks, which go into a folder."""
    from keras_transfer._records import read_json  # it imports NumPy, which `--help` need not

    with contextlib.suppress(OSError, ValueError):
        found = read_json(os.path.join(getattr(options, "run", ""), "run.json"))
        return options.command == "predict" and dict(found).get("task") == "masks"
    return False


def _check_folder(path, name):
    """Raises `NotADirectoryError` if a file is in the place of a folder or of one above it."""
    path = pathlib.Path(path)
    place = next((one for one in (path, *path.parents) if os.path.lexists(one)), path)
    if os.path.lexists(place) and not place.is_dir():
        raise NotADirectoryError(
            f"'{place}' is a file, and --{name} names a folder; nothing was overwritten. Name "
            f"another one. Received: --{name} '{path}'"
        )


def _check_written(path):
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"No such folder: '{folder}'. Make it first, to write '{path}'."
        )
    if os.path.isdir(path):
        raise IsADirectoryError(f"'{path}' is a folder: name a file in it.")


def _check_format(path):
    if os.path.splitext(path)[1] not in _FORMATS:
        raise ValueError(
            f"--file must end in {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}; for TensorFlow "
            f"Serving there is --output. Received: '{path}'"
        )
