"""The section of a page with the texts that the model was most wrong about."""

import numpy as np

from keras_transfer.runs import blocks

_MOST_SHOWN, _MOST_CHARACTERS = 20, 300


def worst_texts(run, thing):
    """The mistakes with the lowest probability of the true class; None without any.

    The predictions of a run that is not on images hold in the place of paths what stands for
    each `thing`: the text, the cells of the row, the path of the sound.
    """
    found = run.predictions.get(run.measured)
    if found is None or not found.paths:
        return None
    true = found.outputs[np.arange(len(found.labels)), found.labels]
    order = [index for index in np.argsort(true, kind="stable") if not found.correct[index]]
    if not order:
        return None
    rows = [(thing, "true class", "predicted", "its probability")]
    for index in order[:_MOST_SHOWN]:
        text, best = found.paths[index], int(found.outputs[index].argmax())
        shown = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
        names = run.class_names
        share = f"{found.outputs[index, best]:.0%}"
        rows.append((shown, names[found.labels[index]], names[best], share))
    note = f"The {len(rows) - 1} with the lowest probability of the true class."
    parts = [blocks.text(note, "soft"), blocks.table(rows, numbers=(3,))]
    return blocks.section("mistakes", "Worst mistakes", parts)
