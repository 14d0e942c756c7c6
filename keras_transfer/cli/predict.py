"""`keras-transfer predict`."""

import json
import sys

from keras_transfer import runs
from keras_transfer._text import one_line


def run(options):
    """Prints a line for each image; returns 1 if one of them cannot be read."""
    found = runs.Run(options.run).predict(options.images)
    rows = zip(found.paths, found.probabilities, found.top(options.top), strict=True)
    for path, probabilities, best in rows:
        classes = [
            {
                "class_index": int(index),
                "label": found.class_names[index],
                "probability": float(probabilities[index]),
            }
            for index in best
        ]
        if options.json:
            print(json.dumps({"image": path, "classes": classes}, ensure_ascii=False))
        else:
            named = [f"{one_line(one['label'])} {one['probability']:.1%}" for one in classes]
            print("\t".join([one_line(path), *named]))
    for path, reason in found.unreadable:
        print(f"keras-transfer: error: {one_line(path)}: {one_line(reason)}", file=sys.stderr)
    return 1 if found.unreadable else 0
