"""The pictures that excite channels most."""

from keras_transfer._figures import new_figure, save_figure
from keras_transfer.explanations.shown_pictures import as_relief, as_shown, clear

_SIDE = 1.1


def plot_exciting(exciting, path):
    """Draws two rows for each channel: what it can see of its pictures, and what excites it.

    Args:
        exciting: what `most_exciting` returns: a sequence of `ExcitingPictures`.
        path: the PNG file to write.

    Raises:
        ValueError: if there is nothing to draw.
    """
    rows = []
    for found in exciting:
        crops = [found.cropped(number) for number in range(len(found.indices))]
        rows.append((f"channel {found.channel}", [as_shown(picture) for picture, _ in crops]))
        rows.append(("projection", [as_relief(projection) for _, projection in crops]))
    _draw(rows, path, f"what excites channels of {exciting[0].stage} most" if rows else "")


def plot_exciting_change(before, after, path):
    """Draws two rows for each channel: its most exciting pictures before and after a training.

    Args:
        before: what `most_exciting` returned for the network before.
        after: the same for the same channels after.
        path: the PNG file to write.

    Raises:
        ValueError: if the channels differ, or there is nothing to draw.
    """
    names = [[(found.stage, found.channel) for found in side] for side in (before, after)]
    if names[0] != names[1]:
        raise ValueError(
            "`before` and `after` must hold the same channels of the same stage. "
            f"Received: {names[0]} and {names[1]}"
        )
    rows = []
    for pair in zip(before, after, strict=True):
        for moment, found in zip(("before", "after"), pair, strict=True):
            crops = [found.cropped(number)[0] for number in range(len(found.indices))]
            rows.append(
                (f"channel {found.channel}\n{moment}", [as_shown(crop) for crop in crops])
            )
    _draw(rows, path, f"what excites channels of {before[0].stage} most" if rows else "")


def _draw(rows, path, title):
    """Rows of `(label, pictures)`, a panel for each picture."""
    columns = max((len(pictures) for _, pictures in rows), default=0)
    if not columns:
        raise ValueError("There is nothing to draw. Received: no exciting pictures")
    figure, panels = new_figure(
        len(rows), columns, (_SIDE * columns + 0.5, _SIDE * len(rows) + 0.4)
    )
    figure.suptitle(title, fontsize=9)
    for panel in panels:
        clear(panel)
    for number, (label, pictures) in enumerate(rows):
        row = panels[number * columns : (number + 1) * columns]
        row[0].set_ylabel(label, fontsize=8)
        for panel, picture in zip(row, pictures, strict=False):
            panel.imshow(picture)
    save_figure(figure, path)
