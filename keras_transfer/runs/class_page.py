"""What a page says and shows about a run that predicts one class for each image."""

import math

from keras_transfer.calibration import measure_calibration
from keras_transfer.calibration.measures import MOST_IN_A_MATRIX, confused_classes
from keras_transfer.freezing import FreezeAll
from keras_transfer.runs import blocks
from keras_transfer.runs.gallery_section import Gallery
from keras_transfer.runs.recorded_findings import probe_accuracy
from keras_transfer.runs.trust_section import trust
from keras_transfer.runs.verdict import too_few

# Rows of the table of classes that are not folded, and confusions in a list.
_MOST_OPEN, _MOST_CONFUSIONS = 15, 12


def verdict(run, measured):
    """The verdict on the accuracy, as in `verdict.verdict`."""
    low, high = measured["accuracy_interval"]
    parts = [
        f"always the largest class: {_largest_share(measured):.1%}",
        *_heads_alone(run),
        *_probe(run),
        *_weakest(measured),
    ]
    return {
        "share": f"{measured['accuracy']:.1%}",
        "words": f"(95% CI {low:.1%} to {high:.1%}) of {measured['images']} {run.measured} "
        f"{run.things} are classified correctly",
        "parts": parts,
        "cautions": [
            *too_few(run, measured["classes"], "class", "classes"),
            *_calibration(run),
        ],
    }


def sections(run, images):
    """The classes, the images and the calibration."""
    gallery = Gallery(run, images)
    return [_classes(run, gallery), run.kind.mistakes(run, gallery), trust(run)]


def _largest_share(measured):
    sizes = [sum(row) for row in measured["confusion"]]
    return max(sizes) / max(1, sum(sizes))


def _heads_alone(run):
    """The accuracy of a new head on the frozen network, if the first phase trained it."""
    phase = run.plan.phases[0]
    phases, accuracies = run.history.get("phase", []), run.history.get("val_accuracy", [])
    found = [
        accuracy
        for name, accuracy in zip(phases, accuracies, strict=False)
        if name == phase.name and isinstance(accuracy, float) and math.isfinite(accuracy)
    ]
    if found and isinstance(phase.freeze_policy, FreezeAll) and len(run.plan.phases) > 1:
        of = "" if run.measured == "validation" else f" of the validation {run.things}"
        yield f"without fine-tuning of the network: {max(found):.1%}{of}"


def _probe(run):
    accuracy = probe_accuracy(run)
    if accuracy is not None:
        yield f"a linear classifier on the network's features: {accuracy:.1%}, cross-validated"


def _weakest(measured):
    found = [
        (one["recall"], -one["images"], name)
        for name, one in measured["classes"].items()
        if one["images"]
    ]
    if len(found) > 1:
        recall, size, name = min(found)
        if recall == 1:
            return
        yield f"weakest class: {name} ({recall:.1%} of {-size})"


def _calibration(run):
    found = run.predictions.get(run.measured)
    if found is None:
        return
    measured = measure_calibration(found.outputs, found.labels, groups=found.groups)
    if measured.interval[0] > 0:
        text = (
            f"The probabilities are off: expected calibration error {measured.ece:.1%}, mean "
            f"confidence {measured.confidence:.1%}."
        )
        yield text, "warning"


def _classes(run, gallery):
    """Recall and precision of each class, the weakest first, and what is confused."""
    split = run.measured
    if split is None:
        return None
    measured, names = run.metrics[split], run.class_names
    labels = sorted(range(len(names)), key=lambda label: _recall(measured, names[label]))
    rows = [_class_row(measured, label, names[label], gallery) for label in labels]
    confusions = confused_classes(measured["confusion"])
    sizes = [sum(row) for row in measured["confusion"]]
    listed = [
        (
            f"{names[true]} as {names[predicted]}: {number} of {sizes[true]}",
            gallery.confusion_target(true, predicted),
        )
        for true, predicted, number in confusions[:_MOST_CONFUSIONS]
    ]
    found = [blocks.rates(rows[:_MOST_OPEN])]
    if len(rows) > _MOST_OPEN:
        rest = f"The other {len(rows) - _MOST_OPEN} classes, by recall"
        found.append(blocks.folded(rest, [blocks.rates(rows[_MOST_OPEN:])]))
    common = [blocks.heading("Most common confusions"), blocks.links(listed)] if listed else []
    if len(names) <= MOST_IN_A_MATRIX:
        note = (
            f"A row for each true class, a column for each predicted one, in {run.things}; "
            "shaded by the share of the row, blue if correct."
            + (" A number with a line leads to its images." if run.image_size else "")
        )
        cells = [blocks.heading("Confusion matrix"), _matrix(measured, names, gallery)]
        found.append(blocks.beside(cells, [*common, blocks.text(note, "soft")]))
    else:
        found += common
    found += _distance(run)
    return blocks.section("confusion", f"Classes ({split} set)", found)


def _distance(run):
    """How far mistakes are from the right class, if it is known what the classes are."""
    found = run.predictions.get(run.measured)
    distance = found and run.mistake_distance(found.outputs, found.labels, found.groups)
    if distance is None:
        return []
    table = blocks.table(distance.rows(), numbers=(1, 2, 3))
    return [blocks.heading("Distance of mistakes"), table, blocks.text(distance.conclusion)]


def _recall(measured, name):
    recall = measured["classes"][name]["recall"]
    return 2.0 if recall is None else recall  # without images at the end


def _class_row(measured, label, name, gallery):
    found = measured["classes"][name]
    return {
        "name": name,
        "target": gallery.sample_target(label),
        "images": found["images"],
        **{rate: _rate(found, rate) for rate in ("recall", "precision")},
    }


def _rate(found, name):
    value, interval = found[name], found.get(f"{name}_interval")
    if value is None or not interval:
        return None
    low, high = interval
    return {
        "text": f"{value:.1%}", "interval": f"{low:.1%} to {high:.1%}",
        "low": _percent(low), "value": _percent(value), "high": _percent(high),
    }  # fmt: skip


def _percent(share):
    return round(100 * share, 1)


def _matrix(measured, names, gallery):
    return blocks.matrix(
        list(names),
        [
            [
                {
                    "count": count,
                    "share": round(count / max(1, sum(row)), 3),
                    "is_correct": true == predicted,
                    "target": gallery.confusion_target(true, predicted),
                }
                for predicted, count in enumerate(row)
            ]
            for true, row in enumerate(measured["confusion"])
        ],
    )
