"""The data that a run is evaluated on."""

import os
import warnings

from keras_transfer.data.sources import columns_of, is_table, read_divided, read_source
from keras_transfer.runs import kinds, tasks


def read_to_evaluate(run, data, batch_size, on_unreadable, labels, masks, boxes):
    """The images of a path; those of the training divided as in it, others not at all."""
    kind = run.kind
    given = {"labels": labels, "masks": masks, "boxes": boxes}
    given = {name for name, value in given.items() if value is not None}
    kinds.check_taken(kind, given | ({"on_unreadable"} if on_unreadable != "raise" else set()))
    tasks.check_taken(run.task, given)
    arguments = {
        "batch_size": batch_size,
        "on_unreadable": on_unreadable,
        "shuffle": False,
        **kind.reading(run.model.backbone, run.settings["channels"], run.model),
    }
    if run.task.name == "masks":
        arguments |= _mask_arguments(run, masks)
    if run.task.name == "boxes":
        arguments |= _box_arguments(run, data, boxes)
    used = run.settings.get("data"), run.settings.get("labels")
    named = os.path.abspath(data), None if labels is None else os.path.abspath(labels)
    if named[0] == used[0] and used[1] is not None and labels is None:
        raise ValueError(
            f"The run was trained on '{data}' with the labels of a CSV file: name one with "
            "`labels` (--labels FILE). Received: labels=None"
        )
    if named == used:
        seed = run.settings.get("seed", 0)
        splits = read_divided(
            data, run.image_size, run.settings, kind.name, labels, seed=seed, **arguments
        )
        if splits.test is None:
            warnings.warn(
                f"The run was trained on '{data}': only the {run.things} that were not "
                "trained on are measured.",
                stacklevel=3,
            )
        return splits
    columns = {}
    if run.task.name not in ("masks", "boxes"):
        arguments["class_names"] = run.class_names
    if labels is not None or is_table(data):
        columns = columns_of(run.settings, kind.name)
    return read_source(
        data, run.image_size, kind.name, labels=labels, **columns, validation_split=None,
        **arguments,
    )  # fmt: skip


def _box_arguments(run, data, boxes):
    """Where the boxes are, and in which format."""
    if boxes is None:
        boxes = _boxes_beside(data, run.settings.get("boxes"), run.settings.get("data"))
    return {
        "boxes": boxes,
        "box_format": run.settings.get("box_format"),
    }


def _boxes_beside(data, of_training, images_of_training):
    """The boxes in the folder of the images, where those of the training lay in theirs.

    The settings may come from elsewhere: no other file that they name is read.
    """
    if of_training is None or images_of_training is None:
        return data
    inside = os.path.relpath(of_training, images_of_training)
    found = os.path.normpath(os.path.join(data, inside))
    if inside.split(os.sep)[0] == os.pardir or not os.path.exists(found):
        raise ValueError(
            "Name the boxes of these images with `boxes` (--boxes FILE): those of the training "
            f"were '{of_training}'. Received: boxes=None"
        )
    return found


def _mask_arguments(run, masks):
    """How masks are read; no folder that only the settings name is."""
    found = run.settings.get("masks") if masks is None else os.fspath(masks)
    if masks is None and (found is None or os.path.isabs(found)):
        raise ValueError(
            "The masks lie beside the images: name their folder with `masks` (--masks "
            "FOLDER). Received: masks=None"
        )
    ignored = run.settings.get("ignored")
    return {"masks": found, "classes": run.class_names, "ignore_class": ignored}
