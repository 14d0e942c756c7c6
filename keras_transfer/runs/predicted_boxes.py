"""The boxes that a run predicts for image files."""

import dataclasses
import json
import os

import numpy as np

from keras_transfer._files import write_text_aside
from keras_transfer._text import one_line
from keras_transfer.data.opened_files import upright_size
from keras_transfer.runs.predicted_images import write_predictions


def counted(boxes, thresholds):
    """Which boxes have a class, and its score at least."""
    kinds = boxes[..., 5].astype(int)
    return (kinds >= 0) & (boxes[..., 4] >= np.asarray(thresholds)[kinds])


@dataclasses.dataclass(frozen=True)
class PredictedBoxes:
    """The boxes that a run predicts for image files.

    Attributes:
        paths: the files that could be read, in order.
        boxes: a float32 array `(images, boxes, 6)`: left, top, right and bottom as fractions of
            the image, the score, and the index of the class, -1 for none.
        class_names: the names of the classes.
        unreadable: a list of `(path, reason)` for the other files.
        thresholds: the score of each class from which on a box counts.
    """

    paths: list
    boxes: np.ndarray
    class_names: tuple
    unreadable: list
    thresholds: list

    def of(self, index: int, threshold: float | None = None) -> np.ndarray:
        """The boxes of an image from a score on, the highest first."""
        least = self.thresholds if threshold is None else threshold
        rows = self.boxes[index]
        return rows[counted(rows, np.broadcast_to(least, len(self.class_names)))]

    def counts(self, threshold: float | None = None) -> np.ndarray:
        """The number of boxes of each class in each image, `(images, classes)`."""
        number = len(self.class_names)
        rows = [self.of(index, threshold)[:, 5].astype(int) for index in range(len(self.paths))]
        found = [np.bincount(row, minlength=number) for row in rows]
        return np.array(found, int).reshape(-1, number)

    def to_coco(self, path: str | os.PathLike) -> None:
        """Writes a COCO JSON file with all boxes, in pixels of the images."""
        content: dict = {
            "images": [], "annotations": [],
            "categories": [{"id": i, "name": name} for i, name in enumerate(self.class_names)],
        }  # fmt: skip
        for index, image in enumerate(self.paths):
            height, width = upright_size(image)
            size = {"height": height, "width": width}
            content["images"].append({"id": index, "file_name": str(image), **size})
            for left, top, right, bottom, score, kind in self.of(index, 0.0).tolist():
                sides = [left * width, top * height, (right - left) * width]
                sides.append((bottom - top) * height)
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1, "image_id": index,
                        "category_id": int(kind), "bbox": [round(side, 2) for side in sides],
                        "area": round(sides[2] * sides[3], 2), "iscrowd": 0,
                        "score": round(score, 5),
                    }
                )  # fmt: skip
        write_text_aside(path, json.dumps(content, ensure_ascii=False) + "\n")

    def to_csv(self, path: str | os.PathLike, threshold: float | None = None) -> None:
        """Writes a row for each image with the number of boxes of each class."""
        columns = [f"count({name})" for name in self.class_names]
        rows = self.counts(threshold).tolist()
        write_predictions(path, columns, self.paths, rows, self.unreadable)

    def to_json(self, top: int = 1, threshold: float | None = None) -> list:
        """A dict for each image, with its boxes as fractions of the image."""
        return [
            {
                "image": path,
                "boxes": [
                    {"label": self.class_names[int(row[5])], "score": row[4], "box": row[:4]}
                    for row in self.of(index, threshold).tolist()
                ],
            }
            for index, path in enumerate(self.paths)
        ]

    def lines(self, top: int = 1, threshold: float | None = None) -> list:
        """A line for each image, with the number of boxes of each class."""
        found = []
        for path, counts in zip(self.paths, self.counts(threshold), strict=True):
            pairs = zip(self.class_names, counts, strict=True)
            named = [f"{one_line(name)} {count}" for name, count in pairs if count]
            found.append("\t".join([one_line(path), *(named or ["no box"])]))
        return found
