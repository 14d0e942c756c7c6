"""An audit as a picture."""

import numpy as np

from keras_transfer._figures import new_figure, save_figure, short_name
from keras_transfer.auditing.thumbnails import in_mode, opened

_BLUE, _ORANGE, _GREEN, _RED = "#4c72b0", "#dd8452", "#55a868", "#c44e52"
_COLOURS = {"train": _BLUE, "validation": _ORANGE, "test": _GREEN}
_COLUMNS, _TILE, _GAP, _CAPTION = 5, 96, 12, 30
_MOST_CLASSES = 25


def plot_audit(audit, path):
    """Draws class counts and shortcuts, and what there is of shifts, groups, copies and errors.

    Args:
        audit: an `Audit`.
        path: the PNG file to write.
    """
    shown = min(len(audit.classes["train"].counts), _MOST_CLASSES)
    drawn = [_plot_counts, _plot_shortcuts]
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
    save_figure(figure, path)


def _plot_counts(panel, audit):
    counts = audit.classes["train"].counts
    names = sorted(counts, key=counts.get, reverse=True)[:_MOST_CLASSES]
    height = 0.8 / len(audit.classes)
    for place, (split, counted) in enumerate(audit.classes.items()):
        values = [counted.counts[name] for name in names]
        panel.barh(
            np.arange(len(names)) + (place - (len(audit.classes) - 1) / 2) * height,
            values, height, color=_COLOURS[split], label=split,
        )  # fmt: skip
    panel.set_yticks(range(len(names)), map(short_name, names))
    panel.invert_yaxis()
    panel.set(xlabel="pictures")
    rest = len(counts) - len(names)
    panel.set_title("classes" + (f" (the largest {len(names)})" if rest else ""), loc="left")
    # Above the panel: bars of even classes leave no room within.
    panel.legend(
        frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1
    )


def _plot_shortcuts(panel, audit):
    found = audit.confounds
    rows = [("whole picture", found.whole, found.whole_interval, _BLUE)]
    for one in found.shortcuts:
        colour = _RED if one in found.large else _ORANGE if one.above_chance else "0.6"
        rows.append((one.name, one.accuracy, one.interval, colour))
    for place, (_, accuracy, (low, high), colour) in enumerate(rows):
        panel.plot([low, high], [place, place], color=colour)
        panel.plot(accuracy, place, "o", color=colour)
    panel.axvline(found.chance, color="0.4", linestyle=":", label="largest class")
    panel.set_yticks(range(len(rows)), [name for name, *_ in rows])
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set(xlim=(0, 1.02), xlabel="accuracy on pictures not fitted on")
    panel.set_title("what tells the classes apart", loc="left")
    panel.legend(frameon=False, loc="lower right")


def _plot_shifts(panel, audit):
    panel.set_title("shift against train (red: alarm)", loc="left")
    rows = [
        (f"{name}: {of}", shift)
        for name, pair in audit.shifts.items()
        for of, shift in zip(("what is on them", "how they look"), pair, strict=True)
    ]
    for place, (_, shift) in enumerate(rows):
        panel.plot(shift.auc, place, "o", color=_RED if shift.alarm else _BLUE)
    panel.axvline(0.5, color="0.4", linestyle=":")
    panel.set_yticks(range(len(rows)), [name for name, _ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    lowest = min(0.35, *(shift.auc - 0.05 for _, shift in rows))
    panel.set(xlim=(lowest, 1.02), xlabel="AUC of telling the sets apart (0.5: not at all)")


def _plot_groups(panel, audit):
    panel.set_title("accuracy by group (red: below the rest)", loc="left")
    groups = audit.groups[:_MOST_CLASSES]
    for place, group in enumerate(groups):
        colour = _RED if group.below else _BLUE
        panel.plot(group.interval, [place, place], color=colour)
        panel.plot(group.accuracy, place, "o", color=colour)
    panel.set_yticks(range(len(groups)), [short_name(group.group) for group in groups])
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.set(xlim=(0, 1.02), xlabel="accuracy on pictures not fitted on")


def _plot_copies(panel, audit):
    pairs = audit.duplicates.pairs
    panel.set_title(f"copies: {len(pairs)} {'pairs' if pairs[1:] else 'pair'}", loc="left")
    columns = [
        ((pair.first, pair.second), f"{pair.evidence}\n{_places(pair)}")
        for pair in pairs[:_COLUMNS]
    ]
    _montage(panel, audit, columns)


def _plot_errors(panel, audit):
    errors = audit.labels.errors
    panel.set_title(f"labels likely to be wrong: {len(errors)}", loc="left")
    tiles = [
        (error.index, f"{_brief(error.given)}\n{_brief(error.suggested)}?")
        for error in errors[: 2 * _COLUMNS]
    ]
    half = (len(tiles) + 1) // 2 if len(tiles) > _COLUMNS else len(tiles)
    columns = [((index,), text) for index, text in tiles[:half]]
    second = [((index,), text) for index, text in tiles[half:]]
    _montage(panel, audit, columns, second)


def _montage(panel, audit, columns, below=()):
    """Pictures in columns with a caption under each, and more of them below."""
    rows = [columns, *([below] if below else [])]
    tall = max(len(indices) for indices, _ in columns) * (_TILE + _GAP) + _CAPTION
    height, width = tall * len(rows), _COLUMNS * (_TILE + _GAP)
    canvas = np.full((height, width, 3), 255, "uint8")
    for row, shown in enumerate(rows):
        for column, (indices, text) in enumerate(shown):
            top, left = row * tall, column * (_TILE + _GAP)
            for index in indices:
                canvas[top : top + _TILE, left : left + _TILE] = _tile(audit.pictures[index])
                top += _TILE + _GAP
            middle = left + _TILE / 2
            panel.text(middle, top - _GAP / 2, text, ha="center", va="top", fontsize=7)
    panel.imshow(canvas)
    panel.axis("off")


def _tile(picture):
    """A picture as large as fits into a square, on white."""
    from PIL import Image

    image = in_mode(opened(picture), "RGB")
    image.thumbnail((_TILE, _TILE), Image.Resampling.BILINEAR)
    tile = Image.new("RGB", (_TILE, _TILE), "white")
    tile.paste(image, ((_TILE - image.width) // 2, (_TILE - image.height) // 2))
    return np.asarray(tile)


def _places(pair):
    splits = [{"validation": "valid."}.get(split, split) for split in pair.splits]
    return splits[0] if splits[0] == splits[1] else f"{splits[0]}, {splits[1]}"


def _brief(name):
    name = short_name(name)
    return name if len(name) <= 12 else f"{name[:11]}…"
