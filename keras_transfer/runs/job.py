"""What the arguments of `fit` decide before the training: the data, the model and the plan."""

import dataclasses
import functools
import json
import pathlib
import types
import typing

from keras_transfer.backbones import Backbone
from keras_transfer.data import augmentation as augmentations
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.sources import kind_of, read_source
from keras_transfer.plans import Plan, recommend
from keras_transfer.plans.chooser import check_unfreeze, with_changes
from keras_transfer.plans.domain_plan import with_objectives
from keras_transfer.runs.kinds import kind_named
from keras_transfer.runs.networks import NetworkChoice, dtype_policy
from keras_transfer.runs.other_domains import OtherDomains, read_domains
from keras_transfer.runs.run_settings import (
    absolute,
    check_asked,
    check_plan,
    check_ready,
    checked_changes,
    setting_of_hierarchy,
    settings_of_data,
    settings_of_network,
)
from keras_transfer.runs.tasks import task_of
from keras_transfer.training.fine_tuning import as_plan

_DROPOUT = 0.2
# The arguments of `fit` about what is read.
_READING = (
    "labels", "images", "targets", "task", "metadata", "group", "inputs", "text", "masks",
    "classes", "ignore_class", "boxes", "box_format",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Job:
    """What the arguments of `fit` decide before the data are read.

    Attributes:
        asked: a namespace of all arguments.
        kind: the `Kind` of the data.
        choice: the `NetworkChoice`.
        ready: the `Backbone`, if it does not depend on the data.
        size: height and width of images, or None.
        channels: of images, or None.
        reading: the arguments about what is read.
        batch_size: examples in a batch.
        augmentation: its name, or None.
        plan: as `as_plan` returns it.
        changes: what the user decides in the plan.
    """

    asked: types.SimpleNamespace
    kind: typing.Any
    choice: NetworkChoice
    ready: Backbone | None
    size: tuple | None
    channels: int | None
    reading: dict
    batch_size: int
    augmentation: str | None
    plan: Plan | str | None
    changes: dict

    @functools.cached_property
    def settings(self):
        """What makes another run, as JSON values: all but where it runs and what it prints."""
        asked, plan = self.asked, self.plan
        return {
            **settings_of_network(self.choice), "truncate_at": asked.truncate_at,
            "image_size": self.size and list(self.size), "channels": self.channels,
            "kind": self.kind.name, **settings_of_data(asked.data, self.reading),
            "value_range": asked.value_range, "exclude": absolute(asked.exclude),
            "hierarchy": setting_of_hierarchy(asked.hierarchy),
            "fold": asked.fold and list(asked.fold),
            "augmentation": self.augmentation or "none", "batch_size": self.batch_size,
            "precision": asked.precision, "balance": asked.balance,
            # As JSON gives it back.
            "plan": json.loads(json.dumps(plan.to_json())) if isinstance(plan, Plan) else plan,
            "time_budget": asked.time_budget, "changes": self.changes, "seed": asked.seed,
            **{
                name: absolute(place)
                for name, place in {"target": asked.target, "keep": asked.keep}.items()
                if place is not None
            },
        }  # fmt: skip


def job_of(asked, given, placement):
    """The `Job` of a call of `fit`; raises `ValueError` if its arguments do not go together.

    Args:
        asked: a namespace of all arguments.
        given: the names of those that are not their defaults.
        placement: the `tf.distribute.Strategy`.
    """
    plan = asked.plan
    if isinstance(plan, str) and plan != "auto":
        plan = pathlib.Path(plan)  # whatever its ending
    plan = as_plan(plan, asked.time_budget)
    changes = checked_changes(
        asked.unfreeze, asked.epochs, asked.learning_rate, asked.time_budget
    )
    reading = {name: getattr(asked, name) for name in _READING}
    kind = kind_named(kind_of(asked.data, reading))
    choice = kind.named(NetworkChoice(
        asked.backbone, asked.weights, asked.alpha, asked.vectors, asked.sequence_length
    ))  # fmt: skip
    check_asked(kind, choice, plan, given)
    with placement.scope(), dtype_policy(asked.precision, placement):
        ready = kind.ready_network(choice)
    if ready is not None:
        kind.check_network(ready)
        check_ready(kind, ready, given, asked.image_size, asked.inputs)
    size, channels = kind.image_shape(asked.data, choice, ready, asked.image_size)
    batch_size = asked.batch_size
    if batch_size is None:
        batch_size = 32 if asked.masks is None and asked.boxes is None else 8
    augmentation = asked.augmentation if kind.is_augmented else None
    return Job(
        asked, kind, choice, ready, size, channels, reading, batch_size, augmentation, plan,
        changes,
    )  # fmt: skip


def read_data(job):
    """The `ImageSplits`; raises `ValueError` if it lacks what the arguments need."""
    asked, reading = job.asked, {**job.reading, **job.kind.reading(job.ready, job.channels)}
    splits = asked.data if isinstance(asked.data, ImageSplits) else read_source(
        asked.data, job.size, job.kind.name, **reading, seed=asked.seed,
        batch_size=job.batch_size, on_unreadable=asked.on_unreadable, exclude=asked.exclude,
        value_range=asked.value_range, fold=asked.fold,
    )  # fmt: skip
    for what, is_asked in (
        ("A plan that probes choose (--plan auto)", job.plan == "auto"),
        ("A weight for each class (--balance)", asked.balance),
        ("A hierarchy of classes (--hierarchy)", asked.hierarchy is not None),
    ):
        if is_asked:
            splits.check_classes(what)
    if asked.fold is not None and not task_of(splits.task).is_folded:
        raise ValueError(
            "Cross-validation (--folds) is for classes, labels and numbers: leave it out. "
            f"Received: images with {splits.task}"
        )
    return splits


def built(job, splits, folder, placement, cache):
    """The `TransferModel`, the plan of its training, and the changes that are left to it."""
    asked = job.asked
    with placement.scope(), dtype_policy(asked.precision, placement):
        shape = (*(job.size or ()), job.channels)
        network = job.ready or job.kind.network(job.choice, splits, shape)
    job.kind.check_network(network)
    plan, changes, truncate_at = job.plan, job.changes, asked.truncate_at
    if plan == "auto":
        found = _auto_plan(folder, job.settings, splits, network, cache, changes)
        plan = with_objectives(found, asked.target is not None, asked.keep is not None)
        changes = {}
    elif plan is None and asked.time_budget is None:
        plan = job.kind.plan(job.choice, splits, job.batch_size)
    if isinstance(plan, Plan):
        truncate_at = truncate_at or plan.truncate_at
    with placement.scope(), dtype_policy(asked.precision, placement):
        head = job.kind.head(task_of(splits.task), splits, _DROPOUT, job.choice)
        model = job.kind.model(network, head, truncate_at, job.choice, splits)
        model.class_names = splits.class_names
        if asked.jit_compile != "auto":
            model.compile(jit_compile=asked.jit_compile)
    check_plan(plan, model, cache)
    check_unfreeze(changes.get("unfreeze"), len(model.backbone.stages))
    return model, plan, changes


def domains_of(job, splits):
    """The `OtherDomains` of a run that predicts classes of images."""
    asked = job.asked
    if asked.target is None and asked.keep is None:
        return OtherDomains()
    splits.check_classes("A target or an earlier task (--target, --keep)")
    return read_domains(
        asked.target, asked.keep, job.size, job.batch_size, seed=asked.seed,
        color_mode="grayscale" if job.channels == 1 else "rgb",
        on_unreadable=asked.on_unreadable, value_range=asked.value_range,
    )  # fmt: skip


def _auto_plan(folder, settings, splits, backbone, cache, changes):
    """The plan of the run that is resumed, of the folder's recommend.json, or a new one."""
    begun = folder.plan()
    if begun is not None:
        return begun
    if settings["truncate_at"]:
        backbone = backbone.truncated(settings["truncate_at"])
    plan = folder.recommended_plan(settings)
    if plan is None:
        train = augmented(splits.train, settings["augmentation"], settings["seed"])
        found = recommend(train, backbone, cache or False, settings["batch_size"])
        plan = found.plan.with_exact_head() if settings["truncate_at"] else found.plan
    if cache is None:
        plan = plan.without_exact_solution()
    kept = backbone.truncated(plan.truncate_at) if plan.truncate_at else backbone
    size = splits.num_images["train"], settings["batch_size"]
    return with_changes(plan, len(kept.stages), size, **changes)


def augmented(train, augmentation, seed, task=None):
    """A training set with an augmentation by name, as it suits a task."""
    if augmentation in (None, "none"):
        return train
    found = getattr(augmentations, augmentation)(seed=seed)
    return (found if task is None else task.augmentation(found))(train)
