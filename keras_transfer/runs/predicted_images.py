"""The predictions of a run for image files."""

import csv
import dataclasses
import io
import os

import numpy as np

from keras_transfer._files import write_text_aside
from keras_transfer._text import one_line


@dataclasses.dataclass(frozen=True)
class PredictedImages:
    """The predictions of a run for image files.

    Attributes:
        paths: the files that could be read, in order.
        probabilities: a float32 array of shape `(images, classes)`.
        class_names: the names of the classes.
        unreadable: a list of `(path, reason)` for the other files.
    """

    paths: list
    probabilities: np.ndarray
    class_names: tuple
    unreadable: list

    @property
    def labels(self):
        """The predicted class name of each image."""
        return [self.class_names[index] for index in self.probabilities.argmax(axis=1)]

    def top(self, number=1):
        """For each image, the most probable classes as indices, best first."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")[:, :number]

    def to_csv(self, path: str | os.PathLike, threshold: float | None = None) -> None:
        """Writes a row for each image, the unreadable ones last.

        The columns are `image`, `label`, `probability`, `below_threshold` ("yes", "no", or
        empty without a threshold), `p(CLASS)` for each class, and `error`.

        Args:
            path: the file.
            threshold: a probability, for example `Run.answer_threshold`. Defaults to None.
        """
        columns = ["label", "probability", "below_threshold"]
        columns += [f"p({name})" for name in self.class_names]
        rows = []
        for label, row in zip(self.labels, self.probabilities, strict=True):
            below = "" if threshold is None else ("yes" if row.max() <= threshold else "no")
            values = [f"{value:.6g}" for value in (row.max(), *row)]
            rows.append([label, values[0], below, *values[1:]])
        write_predictions(path, columns, self.paths, rows, self.unreadable)

    def to_json(self, top: int = 1, threshold: float | None = None) -> list:
        """A dict for each image, with its most probable classes."""
        rows = zip(self.paths, self.probabilities, self.top(top), strict=True)
        return [
            {
                "image": path,
                "classes": [
                    {
                        "class_index": int(index),
                        "label": self.class_names[index],
                        "probability": float(probabilities[index]),
                    }
                    for index in best
                ],
            }
            for path, probabilities, best in rows
        ]

    def lines(self, top: int = 1, threshold: float | None = None) -> list:
        """A line for each image, with its most probable classes."""
        found = []
        for one, row in zip(self.to_json(top), self.probabilities, strict=True):
            named = [f"{one_line(c['label'])} {c['probability']:.1%}" for c in one["classes"]]
            unsure = ["below the threshold"] if row.max() <= (threshold or 0.0) else []
            found.append("\t".join([one_line(one["image"]), *named, *unsure]))
        return found


@dataclasses.dataclass(frozen=True)
class PredictedLabels:
    """The predictions of a run with several labels for image files.

    Attributes:
        paths: the files that could be read, in order.
        probabilities: a float32 array of shape `(images, labels)`.
        class_names: the names of the labels.
        unreadable: a list of `(path, reason)` for the other files.
        threshold: the probability from which on a label is predicted.
    """

    paths: list
    probabilities: np.ndarray
    class_names: tuple
    unreadable: list
    threshold: float

    @property
    def labels(self):
        """The predicted labels of each image, a list of tuples of names."""
        return self.labels_at(self.threshold)

    def labels_at(self, threshold: float) -> list:
        """The labels of each image whose probability is at least a threshold."""
        return [
            tuple(
                name
                for name, share in zip(self.class_names, row, strict=True)
                if share >= threshold
            )
            for row in self.probabilities
        ]

    def to_csv(self, path: str | os.PathLike, threshold: float | None = None) -> None:
        """Writes a row for each image, the unreadable ones last.

        The columns are `image`, `labels` (those from the threshold on, separated by ";"),
        `p(LABEL)` for each label, and `error`.

        Args:
            path: the file.
            threshold: a probability. Defaults to None, that of the run.
        """
        labels = self.labels_at(self.threshold if threshold is None else threshold)
        rows = [
            [";".join(names), *(f"{share:.6g}" for share in row)]
            for names, row in zip(labels, self.probabilities, strict=True)
        ]
        columns = ["labels", *(f"p({name})" for name in self.class_names)]
        write_predictions(path, columns, self.paths, rows, self.unreadable)

    def to_json(self, top: int = 1, threshold: float | None = None) -> list:
        """A dict for each image, with its labels and the probabilities of all."""
        labels = self.labels_at(self.threshold if threshold is None else threshold)
        rows = zip(self.paths, labels, self.probabilities.tolist(), strict=True)
        return [
            {
                "image": path,
                "labels": list(names),
                "probabilities": dict(zip(self.class_names, row, strict=True)),
            }
            for path, names, row in rows
        ]

    def lines(self, top: int = 1, threshold: float | None = None) -> list:
        """A line for each image, with its labels."""
        labels = self.labels_at(self.threshold if threshold is None else threshold)
        found = []
        for path, names, row in zip(self.paths, labels, self.probabilities, strict=True):
            shares = dict(zip(self.class_names, row, strict=True))
            named = [f"{one_line(name)} {shares[name]:.1%}" for name in names] or ["no label"]
            found.append("\t".join([one_line(path), *named]))
        return found


@dataclasses.dataclass(frozen=True)
class PredictedNumbers:
    """The numbers that a run predicts for image files.

    Attributes:
        paths: the files that could be read, in order.
        values: a float32 array of shape `(images, numbers)`.
        class_names: the names of the numbers.
        unreadable: a list of `(path, reason)` for the other files.
    """

    paths: list
    values: np.ndarray
    class_names: tuple
    unreadable: list

    def to_csv(self, path: str | os.PathLike, threshold: float | None = None) -> None:
        """Writes a row for each image, the unreadable ones last.

        The columns are `image`, the name of each number, and `error`.

        Args:
            path: the file.
            threshold: None: numbers have no probabilities.
        """
        rows = [[f"{value:.6g}" for value in row] for row in self.values]
        write_predictions(path, list(self.class_names), self.paths, rows, self.unreadable)

    def to_json(self, top: int = 1, threshold: float | None = None) -> list:
        """A dict for each image, with its numbers by name."""
        return [
            {"image": path, "values": dict(zip(self.class_names, row, strict=True))}
            for path, row in zip(self.paths, self.values.tolist(), strict=True)
        ]

    def lines(self, top: int = 1, threshold: float | None = None) -> list:
        """A line for each image, with its numbers."""
        return [
            "\t".join(
                [one_line(one["image"])]
                + [f"{one_line(name)} {value:.5g}" for name, value in one["values"].items()]
            )
            for one in self.to_json()
        ]


def write_predictions(path, columns, images, rows, unreadable):
    """Writes a CSV file, all or nothing, with the unreadable images last."""
    written = [["image", *columns, "error"]]
    written += [[image, *row, ""] for image, row in zip(images, rows, strict=True)]
    written += [[image, *[""] * len(columns), reason] for image, reason in unreadable]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(written)
    write_text_aside(path, text.getvalue())
