"""What a page says and shows about a run that predicts several labels for each image."""

import numpy as np

from keras_transfer._statistics.groups import unit_numbers
from keras_transfer.calibration import measure_calibration, plot_reliability
from keras_transfer.runs import blocks
from keras_transfer.runs.run_figures import label_figure
from keras_transfer.runs.verdict import too_few
from keras_transfer.runs.worst_gallery import worst_gallery

# Rows of the table of labels that are not folded.
_MOST_OPEN = 15
_TINY = 1e-7


def verdict(run, measured):
    """The verdict on the labels, as in `verdict.verdict`."""
    found, split = measured["mean_average_precision"], run.measured
    count = f"{run.task.counted(run.class_names)}, {measured['images']} {split} {run.things}"
    interval = _interval(measured, "mean_average_precision")
    threshold = f"at the threshold of {measured['threshold']:.2f}"
    parts = [
        f"random probabilities: {measured['chance']:.1%}",
        f"macro AUC: {_share(measured['macro_auc'])} {_interval(measured, 'macro_auc')}",
        f"micro F1 {threshold}: {_share(measured['micro_f1'])} "
        f"{_interval(measured, 'micro_f1')}; always the most frequent label: "
        f"{_share(measured['always'])}",
        f"macro F1 {threshold}: {_share(measured['macro_f1'])} "
        f"{_interval(measured, 'macro_f1')}",
        *_weakest(measured),
    ]
    return {
        "share": None if found is None else f"{found:.1%}",
        "words": f"{interval} is the mean average precision over {count}",
        "parts": parts,
        "cautions": list(too_few(run, measured["labels"], "label", "labels")),
    }


def sections(run, images):
    """The labels, the images with the largest errors and the calibration."""
    return [_labels(run), _gallery(run, images), _calibration(run)]


def rows_of(measured):
    """A row for each label, the weakest first, and a header."""
    found = [("label", "examples", "average precision", "AUC", "precision", "recall", "F1")]
    for name, one in _by_precision(measured):
        shares = (one[key] for key in ("auc", "precision", "recall", "f1"))
        precision = _share(one["average_precision"]) + _span(one["average_precision_interval"])
        found.append((name, str(one["images"]), precision, *map(_share, shares)))
    return found


def _by_precision(measured):
    def key(pair):
        precision = pair[1]["average_precision"]
        return 2.0 if precision is None else precision

    return sorted(measured["labels"].items(), key=key)


def _weakest(measured):
    name, one = _by_precision(measured)[0]
    if one["average_precision"] is not None and len(measured["labels"]) > 1:
        yield (
            f"weakest label: {name} (average precision {one['average_precision']:.1%}, "
            f"{one['images']} images)"
        )


def _labels(run):
    split = run.measured
    if split is None:
        return None
    measured = run.metrics[split]
    head, *rows = rows_of(measured)
    numbers = range(1, len(head))
    threshold = measured["threshold"]
    note = (
        "Average precision and AUC judge the order of the images at all thresholds; precision, "
        f"recall and F1 the labels with a probability of at least {threshold:.2f}, the "
        "threshold with the highest macro F1 on the validation set. Intervals: 95%, by "
        "resampling the images."
    )
    figure = blocks.figure_of(
        "labels", lambda: label_figure(measured), "Average precision by label, with chance"
    )
    table = blocks.table([head, *rows[:_MOST_OPEN]], numbers)
    found = [table, blocks.text(note, "soft"), blocks.plots(figure)]
    if rest := rows[_MOST_OPEN:]:
        words = f"The other {len(rest)} labels, by average precision"
        found.insert(1, blocks.folded(words, [blocks.table([head, *rest], numbers)]))
    return blocks.section("labels", f"Labels ({split} set)", found)


def _gallery(run, images):
    found = run.predictions.get(run.measured)
    if found is None:
        return None
    shares = np.clip(np.asarray(found.outputs, "float64"), _TINY, 1 - _TINY)
    of_truth = np.where(found.labels > 0, shares, 1 - shares)
    names, threshold = np.array(run.class_names, object), run.label_threshold

    def lines(index):
        present, named = found.labels[index] > 0, found.outputs[index] >= threshold
        missed = [f"{n} {p:.0%}" for n, p in _pairs(present & ~named, index)]
        wrong = [f"{n} {p:.0%}" for n, p in _pairs(named & ~present, index)]
        return [
            "labels: " + (", ".join(names[present]) or "none"),
            *(["missed: " + ", ".join(missed)] if missed else []),
            *(["wrong: " + ", ".join(wrong)] if wrong else []),
        ]

    def _pairs(chosen, index):
        return zip(names[chosen], found.outputs[index][chosen], strict=True)

    order = np.argsort(np.log(of_truth).sum(axis=1), kind="stable")
    exact = int(((found.outputs >= threshold) == (found.labels > 0)).all(axis=1).sum())
    note = (
        f"At the threshold of {threshold:.2f} the model gives {exact} of {len(found.labels)} "
        f"{run.things} exactly their labels. Below: the {run.things} with the lowest "
        "likelihood of their labels, the labels that they have, and which of them the model "
        "missed or added."
    )
    return worst_gallery(run, images, order, lines, note)


def _calibration(run):
    found = run.predictions.get(run.measured)
    if found is None:
        return None
    shares = np.asarray(found.outputs, "float64").ravel()
    both = np.stack([1 - shares, shares], axis=1)
    # The decisions about an image are no independent ones, nor are those of a group.
    units = unit_numbers(found.groups, len(found.labels))
    groups = np.repeat(units, found.labels.shape[1])
    labels = (found.labels > 0).astype(int).ravel()
    measured = measure_calibration(both, labels, groups=groups)
    figure = blocks.figure_of(
        "trust", lambda: plot_reliability(measured), "Accuracy by confidence of all decisions"
    )
    note = (
        f"The figure takes each {run.kind.thing} and label as one decision, yes or no, whose "
        f"confidence is at least 50%. Expected calibration error: {measured.ece:.1%}."
    )
    return blocks.section(
        "trust",
        f"Calibration ({found.split} set)",
        [blocks.plots(figure), blocks.text(_temperatures(run)), blocks.text(note, "soft")],
    )


def _temperatures(run):
    found = run.course.get("temperatures")
    if found is None:
        return (
            "The probabilities are not calibrated: no label has enough validation "
            f"{run.things} to fit its temperature."
        )
    pairs = [
        f"{name} {one:.2f}"
        for name, one in zip(run.class_names, found, strict=True)
        if one != 1
    ]
    others = len(found) - len(pairs)
    left = f" The other {others} have too few {run.things} for one." if others else ""
    return (
        "Calibrated by a temperature for each label, fitted on the validation set: "
        f"{', '.join(pairs)}.{left} `predict`, `model.keras` and the export use them."
    )


def _share(value):
    return "-" if value is None else f"{value:.1%}"


def _span(interval):
    return "" if interval is None else " ({:.0%} to {:.0%})".format(*interval)


def _interval(measured, name):
    found = measured["intervals"][name]
    return "" if found is None else "(95% CI {:.1%} to {:.1%})".format(*found)
