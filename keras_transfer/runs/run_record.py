"""What a training leaves for its report, beside the model."""

import dataclasses
import io
import json
import pathlib

import numpy as np

from keras_transfer._files import write_aside, write_text_aside

_PREDICTIONS, _COURSE = "predictions.npz", "course.json"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says of one split.

    Attributes:
        split: "validation" or "test".
        probabilities: a float32 array of shape `(pictures, classes)`.
        labels: integers of shape `(pictures,)`.
        paths: the pictures' paths as strings; an empty tuple where they are no files.
    """

    split: str
    probabilities: np.ndarray
    labels: np.ndarray
    paths: tuple

    @property
    def correct(self):
        """Whether each picture is recognised."""
        return self.probabilities.argmax(axis=1) == self.labels


class RunRecord:
    """`predictions.npz` and `course.json` in a run folder.

    Args:
        directory: the run folder.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def write_predictions(self, predictions):
        """Writes a list of `Predictions`, all or nothing."""
        arrays = {}
        for one in predictions:
            arrays[f"{one.split}-probabilities"] = one.probabilities.astype("float32")
            arrays[f"{one.split}-labels"] = np.asarray(one.labels, "int64")
            # A path need not be valid Unicode.
            text = "\0".join(one.paths).encode("utf-8", "surrogateescape")
            arrays[f"{one.split}-paths"] = np.frombuffer(text, "uint8")
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_aside(
            self.directory / _PREDICTIONS,
            lambda aside: pathlib.Path(aside).write_bytes(content.getvalue()),
        )

    def predictions(self):
        """What was written, by split; an empty dict if there is no such file.

        Raises:
            ValueError: if the file is damaged.
        """
        path = self.directory / _PREDICTIONS
        if not path.is_file():
            return {}
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                splits = [name.removesuffix("-labels") for name in file.files]
                return {
                    split: _read(file, split)
                    for split, name in zip(splits, file.files, strict=True)
                    if name.endswith("-labels")
                }
        # Damage is met with whatever zipfile, NumPy or the decompressor ran into.
        except Exception as error:
            raise ValueError(f"'{path}' is damaged ({error})") from error

    def write_course(self, values):
        """Writes what happened in the training: a dict that JSON holds."""
        write_text_aside(self.directory / _COURSE, json.dumps(values, indent=2) + "\n")

    def course(self):
        """What was written, or an empty dict."""
        found = read_json(self.directory / _COURSE)
        return found if isinstance(found, dict) else {}


def read_json(path):
    """The contents of a JSON file; None where there is none, or it is damaged."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _read(file, split):
    probabilities, labels = file[f"{split}-probabilities"], file[f"{split}-labels"]
    text = file[f"{split}-paths"].tobytes().decode("utf-8", "surrogateescape")
    paths = tuple(text.split("\0")) if text else ()
    fits = probabilities.ndim == 2 and labels.shape == probabilities.shape[:1]
    if not fits or len(paths) not in (0, len(labels)):
        raise ValueError(f"the parts of '{split}' do not fit")
    return Predictions(split, probabilities, labels, paths)
