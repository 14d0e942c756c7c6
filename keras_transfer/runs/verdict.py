"""What a reader must know first: how good the model is, and what to be cautious about."""

import math

from keras_transfer.calibration import measure_calibration
from keras_transfer.freezing import FreezeAll
from keras_transfer.runs.recorded_findings import (
    conclusions,
    copies,
    listed,
    own_findings,
    probe_accuracy,
)

# Images of a class: with fewer its recall says little.
_FEW = 10


def verdict(run):
    """The verdict as a dict: `share`, `words` after it, a list of `parts`, and `cautions`.

    Cautions are pairs of a sentence and its tone.
    """
    split = run.measured
    if split is None:
        note = ("No validation or test images: the accuracy is not known.", "alarm")
        return {"share": None, "words": "", "parts": [], "cautions": [note]}
    measured = run.metrics[split]
    low, high = measured["accuracy_interval"]
    parts = [
        f"always the largest class: {_largest_share(measured):.1%}",
        *_heads_alone(run),
        *_probe(run),
        *_weakest(measured),
    ]
    return {
        "share": f"{measured['accuracy']:.1%}",
        "words": f"(95% CI {low:.1%} to {high:.1%}) of {measured['images']} {split} images are "
        "classified correctly",
        "parts": parts,
        "cautions": [_chosen(run, split), *_leaks(run), *_few(measured), *_calibration(run)],
    }


def kept_epoch(metrics):
    """The epoch whose weights were kept, from 1; older runs called it the best."""
    return metrics.get("kept_epoch", metrics.get("best_epoch"))


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
        of = "" if run.measured == "validation" else " of the validation images"
        yield f"a new head on the frozen network: {max(found):.1%}{of}"


def _probe(run):
    accuracy = probe_accuracy(run)
    if accuracy is not None:
        yield f"a linear probe, cross-validated on the training images: {accuracy:.1%}"


def _weakest(measured):
    found = [
        (one["recall"], -one["images"], name)
        for name, one in measured["classes"].items()
        if one["images"]
    ]
    if len(found) > 1:
        recall, size, name = min(found)
        yield f"weakest class: {name} ({recall:.1%} of {-size})"


def _chosen(run, split):
    """What was chosen on the images that the accuracy was measured on."""
    if split == "test":
        return "Nothing was chosen on the test images.", "good"
    temperature = run.course.get("temperature")
    chosen = "The epoch and the temperature were" if temperature else "The epoch was"
    text = (
        f"{chosen} chosen on these images, so the accuracy is optimistic: a `test` folder "
        "gives an unbiased estimate."
    )
    return text, "warning"


def _leaks(run):
    pairs = copies(run)
    if pairs is None:
        text = (
            "The images were not checked for copies in two splits: `keras-transfer audit` "
            "finds them."
        )
        yield text, "soft"
        return
    across = sum(len(set(listed(pair.get("splits")))) > 1 for pair in pairs)
    wrong = sum(len(set(listed(pair.get("labels"))) - {None}) > 1 for pair in pairs)
    if across:
        which = "pair of copies lies" if across == 1 else "pairs of copies lie"
        yield f"{across} {which} in two splits: the accuracy is too high.", "alarm"
    else:
        yield "No copies in two splits.", "good"
    if wrong:
        which = "pair of copies has" if wrong == 1 else "pairs of copies have"
        yield f"{wrong} {which} different labels.", "warning"
    for finding in conclusions(own_findings(run, "audit")):
        is_other = finding["kind"] not in ("duplicates", "labels")
        if finding["severity"] == "alarm" and is_other:
            # Its figures stand once, among the findings.
            yield finding["conclusion"].partition(":")[0].rstrip(".") + ".", "alarm"


def _few(measured):
    few = [name for name, one in measured["classes"].items() if one["images"] < _FEW]
    if few:
        named = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        which = "class has" if len(few) == 1 else "classes have"
        yield f"{len(few)} {which} fewer than {_FEW} images here: {named}.", "warning"


def _calibration(run):
    found = run.predictions.get(run.measured)
    if found is None:
        return
    measured = measure_calibration(found.probabilities, found.labels)
    if measured.interval[0] > 0:
        text = (
            f"The probabilities are off: expected calibration error {measured.ece:.1%}, mean "
            f"confidence {measured.confidence:.1%}."
        )
        yield text, "warning"
