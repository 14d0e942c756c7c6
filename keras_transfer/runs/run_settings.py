"""What a run is started with: its settings as JSON values, and the checks of its arguments."""

import math
import numbers
import os

from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.mask_folders import place_of_masks
from keras_transfer.data.sources import division_of
from keras_transfer.plans import Plan
from keras_transfer.relations import Hierarchy
from keras_transfer.runs.kind import NotTakenError, refuse
from keras_transfer.runs.kinds import check_taken
from keras_transfer.runs.networks import NEW


def absolute(path):
    """The absolute path, or None."""
    return None if path is None else os.path.abspath(path)


def settings_of_network(choice):
    """The settings about a `NetworkChoice`."""
    is_named = choice.is_application
    weights = choice.weights and str(choice.weights) if is_named else "of the preset"
    return {
        "backbone": choice.name,
        "alpha": choice.alpha if is_named else None,
        "weights": None if choice.given or choice.name == NEW else weights,
        "sequence_length": choice.sequence_length,
        "vectors": absolute(choice.vectors),
    }


def settings_of_data(data, reading):
    """The settings about what is read: the paths, the columns and what they hold."""
    masks, targets, inputs = (reading[name] for name in ("masks", "targets", "inputs"))
    classes = reading["classes"]
    return {
        "data": None if isinstance(data, ImageSplits) else os.path.abspath(data),
        **{name: absolute(reading[name]) for name in ("labels", "metadata", "boxes")},
        **{
            name: reading[name]
            for name in ("images", "group", "ignore_class", "box_format", "text")
        },
        "given_task": reading["task"],
        "targets": [targets] if isinstance(targets, str) else targets and list(targets),
        "inputs": inputs if isinstance(inputs, (dict, str)) else inputs and list(inputs),
        "masks": None if masks is None else place_of_masks(data, masks),
        "classes": classes and str(classes),
    }


def setting_of_hierarchy(hierarchy):
    """The setting of a hierarchy of classes."""
    if isinstance(hierarchy, Hierarchy):
        return hierarchy.to_json()
    return hierarchy if hierarchy in (None, "wordnet") else os.path.abspath(hierarchy)


def description_of(splits, data, labels, hierarchy):
    """What `run.json` says beside the settings."""
    found = {
        "class_names": list(splits.class_names), "task": splits.task,
        "ignored": splits.ignore_class,
    }  # fmt: skip
    if splits.columns:
        found["columns"] = {
            name: "numbers" if values.dtype.kind == "f" else "categories"
            for name, values in splits.columns["train"].items()
        }
    if hierarchy is not None:
        found["class_hierarchy"] = hierarchy.to_json()
    if not isinstance(data, ImageSplits):
        found |= division_of(splits, data, labels)
    return found


def check_asked(kind, choice, plan, given):
    """Raises `ValueError` if arguments have no effect on the kind of the data.

    Args:
        kind: of the data.
        choice: the `NetworkChoice`.
        plan: as in `fit`.
        given: the names of all arguments that a user gave.
    """
    check_taken(kind, given)
    if plan == "auto" and kind.name not in ("images", "texts"):
        raise NotTakenError(
            "Probes (--plan auto) measure images or texts alone: leave it out. "
            f"Received: plan='auto' for {kind.name}"
        )
    if choice.vectors is not None and "backbone" in given:
        raise NotTakenError(
            "Word vectors (--vectors) take the place of a network: leave `backbone` "
            f"(--backbone) out. Received: backbone={choice.backbone!r}"
        )


def check_ready(kind, ready, given, image_size, inputs):
    """Raises `ValueError` if arguments would have no effect on a network that exists already.

    Args:
        kind: of the data.
        ready: the `Backbone`.
        given: as in `check_asked`.
        image_size: as in `fit`.
        inputs: the columns that a user named, or None.
    """
    wrong = given & {"weights", "alpha"}
    shape = ready.inputs[0].shape[1:]
    if image_size is not None and check_image_size(image_size) != shape[:2]:
        wrong.add("image_size")
    refuse(f"The network '{ready.name}' has its weights and the input shape {shape}", wrong)
    taken = kind.reading(ready).get("inputs")
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if taken and inputs is not None and {*inputs} != {*taken}:
        raise NotTakenError(
            f"The network takes the columns {', '.join(taken)}: name these with `inputs` "
            f"(--inputs), or none. Received: inputs={list(inputs)}"
        )


def checked_changes(unfreeze, epochs, learning_rate, time_budget):
    """What the user decides in the plan, as a dict without None."""
    given = {"unfreeze": unfreeze, "epochs": epochs, "learning_rate": learning_rate}
    given = {name: value for name, value in given.items() if value is not None}
    least = {"unfreeze": 0, "epochs": 1}
    for name, value in given.items():
        kind = numbers.Integral if name in least else numbers.Real
        if not isinstance(value, kind) or isinstance(value, bool):
            what = "an integer" if name in least else "a number"
            raise ValueError(f"`{name}` must be {what}. Received: {name}={value!r}")
        is_valid = 0 < value < math.inf if name == "learning_rate" else value >= least[name]
        if not is_valid:
            raise ValueError(f"`{name}` is too small. Received: {name}={value}")
    if time_budget is not None and given.keys() & {"unfreeze", "epochs"}:
        raise ValueError(
            "A time budget decides what is trained and for how long: leave out `unfreeze` and "
            f"`epochs`, or the budget. Received: {given}, time_budget={time_budget}"
        )
    return given


def check_plan(plan, model, cache):
    """Raises what the training by this plan would, before there is a run folder."""
    for phase in plan.phases if isinstance(plan, Plan) else ():
        phase.freeze_policy.trainable_layers(model.backbone)
        if phase.solver == "exact" and cache is None:
            raise ValueError(
                "The exact solution of the head needs cached features: pass a cache, or leave "
                "out --no-cache."
            )
