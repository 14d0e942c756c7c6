"""The images of a target and of an earlier task, beside those that a run trains on."""

import dataclasses
import os
import pathlib
from typing import Any

from keras_transfer import retention, training
from keras_transfer.adaptation import estimate_accuracy
from keras_transfer.data import image_folder, unlabelled_folder
from keras_transfer.data.scanning import find_images
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.runs import blocks

# Of the labelled images of the earlier task: they measure, and are not trained on.
_MEASURED_SHARE = 0.3


@dataclasses.dataclass(frozen=True)
class OtherDomains:
    """What `--target` and `--keep` name.

    Attributes:
        target: a `LabeledDataset` of images, or None.
        memory: the same of the earlier task.
        earlier: the `ImageSplits` of the earlier task if its folder has classes, or None.
    """

    target: Any = None
    memory: Any = None
    earlier: Any = None

    def augmented(self, augment):
        """The same with augmented images to train on."""
        found = {name: getattr(self, name) for name in ("target", "memory")}
        found = {name: one and augment(one) for name, one in found.items()}
        return dataclasses.replace(self, **found)

    def measure(self, before, model, splits, cache):
        """What the run found out about both, as JSON values.

        Args:
            before: the `BackboneBefore`.
            model: the trained `TransferModel`.
            splits: the `ImageSplits` of the new task.
            cache: a `FeatureCache`, or None.
        """
        found = {}
        if self.target is not None and splits.validation is not None and cache is not None:
            plain = getattr(self.target, "unaugmented", None) or self.target
            old = TransferModel(before.network, SoftmaxHead(len(splits.class_names)))
            training.solve_head(old, cache.extract(old, splits.train))
            found["target"] = estimate_accuracy(
                model, splits.validation, plain, before=old
            ).to_json()
        new = splits.test or splits.validation
        if self.earlier is not None and new is not None and cache is not None:
            old = TransferModel(before.network, SoftmaxHead(len(self.earlier.class_names)))
            training.solve_head(old, cache.extract(old, self.earlier.train))
            curve = retention.interpolation_curve(
                old, model, new, self.earlier.validation, cache=cache
            )
            found["keep"] = curve.to_json()
        return found


def read_domains(target, keep, image_size, batch_size, **reading):
    """The `OtherDomains` of two folders or None.

    Args:
        target: the folder of the target, of any depth.
        keep: the folder of the earlier task, with or without class folders.
        image_size: of the model.
        batch_size: images in a batch.
        **reading: `seed`, `color_mode`, `on_unreadable` and `value_range`.
    """
    found = {}
    if target is not None:
        found["target"] = unlabelled_folder(target, image_size, batch_size, **reading)
    if keep is not None and _has_classes(keep):
        earlier = image_folder(
            keep, image_size, batch_size=batch_size, validation_split=_MEASURED_SHARE, **reading
        )
        found |= {"earlier": earlier, "memory": earlier.train.unlabelled}
    elif keep is not None:
        found["memory"] = unlabelled_folder(keep, image_size, batch_size, **reading)
    return OtherDomains(**found)


def _has_classes(folder):
    """Whether all images of a folder are in subfolders of it, and there are several."""
    places = [pathlib.PurePath(os.path.relpath(path, folder)) for path in find_images(folder)]
    return len({place.parts[0] for place in places}) > 1 and all(
        len(place.parts) > 1 for place in places
    )


def domains_section(run):
    """The section of a page about both, or None."""
    found = run.course.get("domains") or {}
    shown = []
    if "target" in found:
        shown += [blocks.heading("Target"), blocks.text(found["target"]["conclusion"])]
    if "keep" in found:
        curve = found["keep"]
        rows = [("share of the new weights", "new task", "earlier task")]
        rows += [
            (f"{share:g}", f"{new:.1%}", f"{old:.1%}")
            for share, new, old in zip(curve["shares"], curve["new"], curve["old"], strict=True)
        ]
        figure = blocks.figure_of(
            "keep",
            lambda: retention.plot_interpolation(curve_of(curve)),
            "Accuracy on the new task over that on the earlier task",
        )
        note = (
            "The earlier task is measured by a linear classifier on the features before the "
            "training, fitted on 70% of its images, on the other 30%. "
            "`retention.interpolate` makes the models between both ends."
        )
        shown += [
            blocks.heading("New task and earlier task"),
            blocks.text(curve["conclusion"]),
            blocks.beside([blocks.plots(figure)], [blocks.table(rows, numbers=(1, 2))]),
            blocks.text(note, "soft"),
        ]
    return blocks.section("domains", "Target and earlier task", shown) if shown else None


def curve_of(found):
    """The `InterpolationCurve` that `to_json` described."""
    names = ("shares", "new", "old", "num_images")
    return retention.InterpolationCurve(*(tuple(found[name]) for name in names))
