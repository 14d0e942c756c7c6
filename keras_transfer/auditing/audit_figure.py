"""The figure of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from keras_transfer._figures import new_figure, short_name
from keras_transfer.auditing.auditor import Audit
from keras_transfer.data.scanning import in_mode
from keras_transfer.data.thumbnails import open_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#4c72b0", "#dd8452", "#55a868", "#c44e52", "0.6"
_COLOURS = {"train": _BLUE, "validation": _ORANGE, "test": _GREEN}
_COLUMNS, _TILE, _GAP, _CAPTION = 8, 96, 12, 30
_MOST_ROWS = 25


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
    shown = min(len(audit.classes["train"].counts), _MOST_ROWS)
    drawn = [_plot_sizes, _plot_shortcuts]
    drawn += [_plot_shifts] if audit.shifts else []
    drawn += [_plot_groups] if audit.groups else []
    drawn += [_plot_copies] if audit.duplicates.pairs else []
    drawn += [_plot_errors] if audit.labels.errors else []
    num_rows = (len(drawn) + 1) // 2
    figure, panels = new_figure(num_rows, 2, (12, 3.5 * num_rows + 0.12 * shown))
    for panel, draw in zip(panels, drawn, strict=False):
        draw(panel, audit)
    for panel in panels[len(drawn) :]:
        panel.set_visible(False)
    return figure


def _plot_sizes(panel, audit):
    counts = audit.classes["train"].counts
    names = sorted(counts, key=counts.get, reverse=True)[:_MOST_ROWS]
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
    rest = len(counts) - len(names)
    panel.set_title("classes" + (f" (the largest {len(names)})" if rest else ""), loc="left")
    # Above the panel: bars of equal length leave no room in it.
    panel.legend(
        frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1
    )


def _plot_shortcuts(panel, audit):
    found = audit.confounds
    rows = [("whole image", found.whole, found.whole_interval, _BLUE)]
    for one in found.shortcuts:
        colour = _RED if one in found.large else _ORANGE if one.above_chance else _GREY
        rows.append((one.name, one.accuracy, one.interval, colour))
    _plot_intervals(panel, rows)
    panel.axvline(found.chance, color="0.4", linestyle=":", label="largest class")
    panel.set(xlim=(0, 1.02), xlabel="cross-validated accuracy")
    panel.set_title("shortcut features (red: alarm)", loc="left")
    panel.legend(frameon=False, loc="lower right")


def _plot_shifts(panel, audit):
    rows = [
        (f"{name}: {kind}", shift.auc, (shift.auc,) * 2, _RED if shift.alarm else _BLUE)
        for name, pair in audit.shifts.items()
        for kind, shift in zip(("content", "appearance"), pair, strict=True)
    ]
    _plot_intervals(panel, rows)
    panel.axvline(0.5, color="0.4", linestyle=":")
    lowest = min(0.35, *(auc - 0.05 for _, auc, *_ in rows))
    panel.set(xlim=(lowest, 1.02), xlabel="AUC of a classifier between the sets")
    panel.set_title("shift against train (red: alarm)", loc="left")


def _plot_groups(panel, audit):
    rows = [
        (short_name(one.group), one.accuracy, one.interval, _RED if one.below else _BLUE)
        for one in audit.groups[:_MOST_ROWS]
    ]
    _plot_intervals(panel, rows)
    panel.set(xlim=(0, 1.02), xlabel="cross-validated accuracy")
    panel.set_title("accuracy by group (red: below the rest)", loc="left")


def _plot_intervals(panel, rows):
    """Points with intervals, from `(name, value, interval, colour)`, the first one on top."""
    for place, (_, value, interval, colour) in enumerate(rows):
        panel.plot(interval, [place, place], color=colour)
        panel.plot(value, place, "o", color=colour)
    panel.set_yticks(range(len(rows)), [name for name, *_ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)


def _plot_copies(panel, audit):
    pairs = audit.duplicates.pairs
    rest = f" (the first {_COLUMNS} pairs)" if len(pairs) > _COLUMNS else ""
    panel.set_title(f"copies: {audit.duplicates.num_copies}{rest}", loc="left")
    texts = [f"{pair.evidence}\n{', '.join(dict.fromkeys(pair.splits))}" for pair in pairs]
    _montage(panel, audit, [(pair.first, pair.second) for pair in pairs], texts)


def _plot_errors(panel, audit):
    errors = audit.labels.errors
    panel.set_title(f"labels that are likely wrong: {len(errors)}", loc="left")
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
