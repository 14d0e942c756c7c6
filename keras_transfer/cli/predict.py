"""`keras-transfer predict`."""

import json
import sys

import numpy as np

from keras_transfer import data
from keras_transfer._text import one_line
from keras_transfer.cli.run_folder import RunFolder


def run(options):
    """Prints a line for each picture; returns 1 if one of them could not be read."""
    run_folder = RunFolder(options.run)
    description = run_folder.description()
    dataset, paths, unreadable = data.read_pictures(
        options.pictures,
        image_size=tuple(description["image_size"]),
        channels=description["channels"],
    )
    if paths:
        probabilities = np.asarray(run_folder.load_model().predict(dataset, verbose=0))
        for path, row in zip(paths, probabilities, strict=True):
            print(_line(path, row, description["class_names"], options))
    for path, reason in unreadable:
        print(f"keras-transfer: error: {one_line(path)}: {one_line(reason)}", file=sys.stderr)
    return 1 if unreadable else 0


def _line(path, row, class_names, options):
    best = np.argsort(-row, kind="stable")[: options.top]
    if options.json:
        classes = [
            {"class_index": int(i), "label": class_names[i], "probability": float(row[i])}
            for i in best
        ]
        return json.dumps({"picture": path, "classes": classes}, ensure_ascii=False)
    named = [f"{one_line(class_names[i])} {row[i]:.1%}" for i in best]
    return "\t".join([one_line(path), *named])
