"""The section with the images that a model predicts worst, for labels and for numbers."""

from keras_transfer.runs import blocks

_MOST, _TRIED = 18, 40


def worst_gallery(run, images, order, lines, note):
    """The section; None without predictions for image files.

    Args:
        run: a `Run`.
        images: its `RunImages`.
        order: the indices of the images of the measured split, the worst first.
        lines: a function from an index to the lines of its caption.
        note: what the order is, a sentence.
    """
    found = run.predictions.get(run.measured)
    if found is None or not found.paths or run.image_size is None:
        return None
    entries = []
    for index in order[:_TRIED].tolist():
        image = images.open(found.paths[index], blocks.SIDE)
        if image is not None and len(entries) < _MOST:
            name = images.name_of(found.paths[index])
            entries.append(
                {
                    "pictures": [(blocks.thumbnail(image), name)], "lines": lines(index),
                    "name": name, "mark": None,
                }
            )  # fmt: skip
    if not entries:
        note = (
            "The images are not shown: they are no longer at their paths, or these lie "
            "outside the folder that the run names."
        )
    shown = [blocks.text(note, "soft"), blocks.gallery(entries)]
    return blocks.section("gallery", f"Largest errors ({found.split} set)", shown)
