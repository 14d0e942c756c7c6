"""The panels of the figures of all commands, drawn from their JSON files."""

import dataclasses
import functools
import types

from keras_transfer._figures import panel_figure
from keras_transfer.auditing import audit_figure
from keras_transfer.auditing.findings import ClassSizes
from keras_transfer.auditing.groups import GroupAccuracy
from keras_transfer.auditing.shifts import DomainShift
from keras_transfer.auditing.shortcuts import Confounds, Shortcut
from keras_transfer.plans import recommender
from keras_transfer.plans.likeness import Likeness
from keras_transfer.training.learning_rate_range import LearningRateRange, draw_learning_rates
from keras_transfer.transferability import figures
from keras_transfer.transferability.rankings import CandidateScore, Ranking

# Rows of a panel, and steps of a sweep.
_MOST_ROWS, _MOST_STEPS = 40, 10_000
# Inches.
_WIDTH, _HEIGHT, _ROW_HEIGHT = 4.0, 1.4, 0.26


def panels_of(command, content):
    """The panels that a page shows of what a command found.

    Args:
        command: one of `runs.folder.FINDINGS`.
        content: the contents of its JSON file, a dict.

    Returns:
        A list of `(description, draw)`, as `blocks.figure_of` takes them.

    Raises:
        Exception: of many kinds, also by `draw`, for contents of a wrong kind.
    """
    readers = {
        "audit": _audit, "rank": _rank, "probe": _probe, "recommend": _recommend,
        "find-lr": _sweep,
    }  # fmt: skip
    return [
        (description, functools.partial(panel_figure, draw, found, size=(_WIDTH, height)))
        for description, draw, found, height in readers[command](content)
    ]


def _read(result, values):
    """A dataclass from what its `to_json` gave."""
    names = [field.name for field in dataclasses.fields(result)]
    return result(**{name: values[name] for name in names if name in values})


def _audit(content):
    if not {"classes", "shortcuts", "shifts", "groups"} <= content.keys():
        return  # of another version
    confounds = content["shortcuts"]
    shortcuts = tuple(_read(Shortcut, one) for one in confounds["shortcuts"][:_MOST_ROWS])
    audit = types.SimpleNamespace(
        classes={name: ClassSizes(one["counts"]) for name, one in content["classes"].items()},
        confounds=_read(Confounds, {**confounds, "shortcuts": shortcuts}),
        shifts={
            name: tuple(_read(DomainShift, pair[kind]) for kind in ("content", "appearance"))
            for name, pair in content["shifts"].items()
        },
        groups=tuple(_read(GroupAccuracy, one) for one in content["groups"]),
    )
    rows = min(max(len(one.counts) for one in audit.classes.values()), audit_figure.MOST_ROWS)
    draw = audit_figure
    yield "Images in each class", draw.draw_sizes, audit, _tall(rows)
    yield "Accuracy of shortcut features", draw.draw_shortcuts, audit, _tall(1 + len(shortcuts))
    if audit.shifts:
        rows = 2 * len(audit.shifts)
        yield "Shift against the training set", draw.draw_shifts, audit, _tall(rows)
    if audit.groups:
        rows = min(len(audit.groups), audit_figure.MOST_ROWS)
        yield "Accuracy by group", draw.draw_groups, audit, _tall(rows)


def _rank(content):
    if "candidates" not in content:
        return
    scores = tuple(_read(CandidateScore, one) for one in content["candidates"][:_MOST_ROWS])
    ranking = Ranking(scores, content["num_images"], content["seconds"], content["chance"])
    yield "Expected accuracy", figures.draw_accuracies, ranking, _tall(len(scores))
    yield "Accuracy and speed", figures.draw_speeds, ranking, 3.2


def _probe(content):
    if "stages" not in content:
        return
    probes = types.SimpleNamespace(
        stages=[types.SimpleNamespace(**one) for one in content["stages"][:_MOST_ROWS]],
        freeze_point=content["freeze_point"],
        dead_stages=content["dead_stages"],
    )
    yield "Accuracy on the features of each stage", figures.draw_probes, probes, 3.4
    if len(probes.stages) > 1:
        yield "Similarity of neighbouring stages", figures.draw_similarities, probes, 3.4


def _recommend(content):
    if "likeness" not in content:
        return
    found = types.SimpleNamespace(
        likeness=_read(Likeness, content["likeness"]), strategy=content["strategy"]
    )
    yield "Linear probe with and without pretraining", recommender.draw_gain, found, 2.4
    yield "What to train, by size and skill", recommender.draw_place, found, 3.0


def _sweep(content):
    if "rates" not in content:
        return
    lists = {name: content[name][:_MOST_STEPS] for name in ("rates", "losses", "smoothed")}
    found = _read(LearningRateRange, {**content, **lists})
    yield "Loss by learning rate", draw_learning_rates, found, 3.2


def _tall(rows):
    return _HEIGHT + _ROW_HEIGHT * rows
