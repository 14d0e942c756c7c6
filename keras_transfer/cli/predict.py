"""`keras-transfer predict`."""

import json
import os
import sys

from keras_transfer import runs
from keras_transfer._text import counted, one_line
from keras_transfer.runs.kind import refuse
from keras_transfer.runs.tasks import check_taken


def run(options):
    """Predicts the classes of images; returns 1 if one of them cannot be read."""
    opened = runs.Run(options.run)
    _check_options(options, opened.task)
    found = opened.predict(_paths(options.images, opened.kind.name == "texts"))
    threshold = _threshold(options, opened)
    if options.output is not None and opened.task.name == "masks":
        found.save(options.output)
        print(f"{len(found.paths)} masks in {one_line(options.output)}")
    elif opened.task.name == "boxes" and str(options.output).endswith(".json"):
        found.to_coco(options.output)
        print(f"The boxes of {len(found.paths)} images in {one_line(options.output)}")
    elif options.output is not None:
        found.to_csv(options.output, threshold)
        number = counted(len(found.paths), opened.kind.thing)
        print(f"{number} in {one_line(options.output)}")
        if opened.task.name == "classes":
            _print_summary(found, threshold, options)
    else:
        _print(found, threshold, options)
    for path, reason in found.unreadable:
        print(f"keras-transfer: error: {one_line(path)}: {one_line(reason)}", file=sys.stderr)
    return 1 if found.unreadable else 0


def _paths(arguments, are_texts):
    """The paths or texts that the arguments stand for: `-` and `@FILE` are lists.

    A text may begin with @: without this file it is no list.
    """
    for argument in arguments:
        is_list = argument.startswith("@") and not os.path.exists(argument)
        if argument == "-":
            yield from _lines(sys.stdin)
        elif is_list and (os.path.exists(argument[1:]) or not are_texts):
            with open(argument[1:], encoding="utf-8", errors="surrogateescape") as file:
                yield from _lines(file)
        else:
            yield argument


def _lines(file):
    return [line for line in (line.rstrip("\r\n") for line in file) if line]


def _check_options(options, task):
    """Raises `NotTakenError` if options have no effect."""
    check_taken(task, options.given)
    if options.output is not None:
        refuse("--output writes all into a file", options.given & {"top", "json"})
    if task.name == "boxes" and str(options.output).endswith(".json"):
        refuse("A COCO file has the boxes of all scores", options.given & {"threshold"})


def _threshold(options, run):
    if options.threshold is not None or options.output is None:
        return options.threshold
    return run.answer_threshold


def _print(found, threshold, options):
    if options.json:
        for one in found.to_json(options.top, threshold):
            print(json.dumps(one, ensure_ascii=False))
    else:
        for line in found.lines(options.top, threshold):
            print(line)


def _print_summary(found, threshold, options):
    for name in found.class_names:
        print(f"  {one_line(name)}: {found.labels.count(name)}")
    if threshold is None:
        return
    shown = "on the images of the run at most 5% of the answers were wrong"
    if options.threshold is None and threshold == 0:
        print(f"No threshold is needed: {shown}.")
        return
    below = int((found.probabilities.max(axis=1, initial=0) <= threshold).sum())
    source = f": above it, {shown}" if options.threshold is None else ""
    print(f"{below} are below the threshold of {threshold:.1%}{source}.")
