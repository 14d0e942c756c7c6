"""The figure of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from keras_transfer._figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    RULE,
    new_figure,
    plot_intervals,
    set_title,
    short_name,
)
from keras_transfer.auditing.auditor import Audit
from keras_transfer.data.scanning import in_mode
from keras_transfer.data.thumbnails import open_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
_COLUMNS, _TILE, _GAP, _CAPTION = 8, 96, 12, 30
MOST_ROWS = 25


def plot_audit(audit: Audit) -> Figure:
    """Draws the sizes of the classes and the shortcuts, and shifts, groups, copies and errors.

    Args:
        audit: an `Audit`.

    Returns:
        A `matplotlib.figure.Figure`, with panels for what was found.

    Example:
        >>> found = auditing.audit(splits, backbone=backbone)
        >>> auditing.plot_audit(found).savefig("audit.png")
    """
    shown = min(len(audit.classes["train"].counts), MOST_ROWS)
    drawn = [draw_sizes, draw_shortcuts]
    drawn += [draw_shifts] if audit.shifts else []
    drawn += [draw_groups] if audit.groups else []
    drawn += [_plot_copies] if audit.duplicates.pairs else []
    drawn += [_plot_errors] if audit.labels.errors else []
    num_rows = (len(drawn) + 1) // 2
    figure, panels = new_figure(num_rows, 2, (12, 3.5 * num_rows + 0.12 * shown))
    for panel, draw in zip(panels, drawn, strict=False):
        draw(panel, audit)
    for panel in panels[len(drawn) :]:
        panel.set_visible(False)
    return figure


def draw_sizes(panel, audit):
    """The number of images in each class of each set."""
    counts = audit.classes["train"].counts
    names = sorted(counts, key=counts.get, reverse=True)[:MOST_ROWS]
    height = 0.8 / len(audit.classes)
    for place, (split, sizes) in enumerate(audit.classes.items()):
        values = [sizes.counts[name] for name in names]
        panel.barh(
            np.arange(len(names)) + (place - (len(audit.classes) - 1) / 2) * height,
            values, height, color=_COLOURS[split], label=split,
        )  # fmt: skip
    panel.set_yticks(range(len(names)), map(short_name, names))
    panel.invert_yaxis()
    panel.set(xlabel="images")
    rest = f" (the largest {len(names)} of {len(counts)})" if len(counts) > len(names) else ""
    set_title(panel, f"Images in each class{rest}", columns=3)


def draw_shortcuts(panel, audit):
    """The accuracy of each shortcut feature, beside that of whole images."""
    found = audit.confounds
    rows = [("whole image", found.whole, found.whole_interval, BLUE, "whole image")]
    for one in found.shortcuts:
        meaning = (GREY, "not above chance")
        if one in found.large:
            meaning = (RED, "alarm")
        elif one.above_chance:
            meaning = (ORANGE, "above chance")
        rows.append((one.name, one.accuracy, one.interval, *meaning))
    plot_intervals(panel, rows)
    panel.axvline(found.chance, color=RULE, linestyle=":", label="largest class")
    panel.set(xlim=(0, 1.02), xlabel="cross-validated accuracy, 95% CI")
    panel.xaxis.set_major_formatter("{x:.0%}")
    set_title(panel, "Shortcut features: class without the subject")


def draw_shifts(panel, audit):
    """The AUC of a classifier between each set and the training set."""
    rows = [
        (
            f"{name}: {kind}", shift.auc, None,
            *((RED, "significant") if shift.alarm else (BLUE, "not significant")),
        )
        for name, pair in audit.shifts.items()
        for kind, shift in zip(("content", "appearance"), pair, strict=True)
    ]  # fmt: skip
    plot_intervals(panel, rows)
    panel.axvline(0.5, color=RULE, linestyle=":", label="no shift")
    lowest = min(0.35, *(auc - 0.05 for _, auc, *_ in rows))
    panel.set(xlim=(lowest, 1.02), xlabel="AUC of a classifier between the sets")
    set_title(panel, "Shift against the training set")


def draw_groups(panel, audit):
    """The accuracy in each group."""
    rows = [
        (
            short_name(one.group), one.accuracy, one.interval,
            *((RED, "below the rest") if one.below else (BLUE, "not below the rest")),
        )
        for one in audit.groups[:MOST_ROWS]
    ]  # fmt: skip
    plot_intervals(panel, rows)
    panel.set(xlim=(0, 1.02), xlabel="cross-validated accuracy, 95% CI")
    panel.xaxis.set_major_formatter("{x:.0%}")
    set_title(panel, "Accuracy by group")


def _plot_copies(panel, audit):
    pairs = audit.duplicates.pairs
    rest = f" (the first {_COLUMNS} pairs)" if len(pairs) > _COLUMNS else ""
    set_title(panel, f"Copies: {audit.duplicates.num_copies}{rest}")
    texts = [f"{pair.evidence}\n{', '.join(dict.fromkeys(pair.splits))}" for pair in pairs]
    _montage(panel, audit, [(pair.first, pair.second) for pair in pairs], texts)


def _plot_errors(panel, audit):
    errors = audit.labels.errors
    set_title(panel, f"Labels that are likely wrong, with a suggestion: {len(errors)}")
    texts = [f"{short_name(one.given, 12)}\n{short_name(one.suggested, 12)}?" for one in errors]
    _montage(panel, audit, [(one.index,) for one in errors], texts)


def _montage(panel, audit, columns, texts):
    """The first columns of images below each other, with a caption each."""
    tall = max(map(len, columns)) * (_TILE + _GAP) + _CAPTION
    canvas = np.full((tall, _COLUMNS * (_TILE + _GAP), 3), 255, "uint8")
    for number, (indices, text) in enumerate(zip(columns[:_COLUMNS], texts, strict=False)):
        top, left = 0, number * (_TILE + _GAP)
        for index in indices:
            canvas[top : top + _TILE, left : left + _TILE] = _tile(audit.images[index])
            top += _TILE + _GAP
        middle = left + _TILE / 2
        panel.text(middle, top - _GAP / 2, text, ha="center", va="top", fontsize=7)
    panel.imshow(canvas)
    panel.axis("off")


def _tile(image):
    """An image as large as fits into a square, on white."""
    image = in_mode(open_image(image, _TILE), "RGB")
    return np.asarray(ImageOps.pad(image, (_TILE, _TILE), Image.Resampling.BILINEAR, "white"))
