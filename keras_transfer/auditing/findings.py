"""What the parts of an audit come to, each as a sentence."""

import os

from keras_transfer.auditing.finding import Finding

# A shift beyond chance that a classifier hardly sees is worth a look, not an alarm.
_SMALL_AUC = 0.65
# Files in a sentence.
_MOST_NAMED = 3


def all_findings(audit):
    """The findings of an audit, alarms first.

    Args:
        audit: an `Audit`.
    """
    found = [
        *unreadable(audit.unreadable),
        classes(audit.classes["train"]),
        duplicates(audit.duplicates),
        labels(audit.labels),
        *(shift(name, *pair) for name, pair in audit.shifts.items()),
        *(too_few(name, count) for name, count in _untested(audit)),
        shortcuts(audit.confounds),
        *groups(audit.groups, len(audit.labels.correct)),
    ]
    order = ("alarm", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def unreadable(files):
    """Files that were left out."""
    if not files:
        return []
    names = ", ".join(f"'{os.path.basename(path)}'" for path, _ in files[:_MOST_NAMED])
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    sentence = f"Files that cannot be read and were left out: {names}{more}."
    return [Finding("unreadable", "warning", sentence, {"files": len(files)})]


def classes(counted):
    """How even the classes are."""
    numbers = {"ratio": counted.to_json()["ratio"], "majority": counted.majority}
    numbers["effective_classes"] = counted.effective_classes
    severity = "warning" if counted.is_strong else "note"
    return Finding("classes", severity, counted.sentence, numbers)


def duplicates(found):
    """Copies, and where they lie."""
    across, contradicting = len(found.across_splits), len(found.contradictions)
    copies = sum(len(cluster) - 1 for cluster in found.clusters)
    numbers = {"copies": copies, "across_splits": across, "contradicting": contradicting}
    if not found.pairs:
        sentence = f"None of {found.num_pictures} pictures is a copy of another one."
        return Finding("duplicates", "note", sentence, numbers)
    sentence = f"Copies among {found.num_pictures} pictures: {copies}."
    if across:
        sentence += (
            f" Pairs in different splits: {across}; a score on these is too good. Keep the "
            "copies of a picture in one split."
        )
    if contradicting:
        sentence += (
            f" Pairs with different labels: {contradicting}; one of the labels is wrong."
        )
    severity = "alarm" if across or contradicting else "warning"
    return Finding("duplicates", severity, sentence, numbers)


def labels(found):
    """Labels that are likely to be wrong."""
    numbers = {"errors": len(found.errors), "judged": found.num_judged, "share": found.share}
    numbers["accuracy"] = found.accuracy
    severity = "warning" if found.errors else "note"
    return Finding("labels", severity, found.sentence, numbers)


def shift(name, of_features, of_looks):
    """How a set differs from the pictures to train on."""
    numbers = {
        "auc": of_features.auc, "p_value": _p_value(of_features),
        "looks_auc": of_looks.auc, "looks_p_value": _p_value(of_looks),
    }  # fmt: skip
    told = (
        f"AUC {of_features.auc:.2f} by what is on them (p = {numbers['p_value']:.2g}), "
        f"{of_looks.auc:.2f} by light, colour and sharpness (p = "
        f"{numbers['looks_p_value']:.2g})"
    )
    raised = [part for part in (of_features, of_looks) if part.alarm]
    if not raised:
        sentence = f"The {name} pictures do not differ from train beyond chance: {told}."
        return Finding("shift", "note", sentence, numbers)
    what = {
        (True, True): "in what is on them and in how they were taken",
        (True, False): "in what is on them",
        (False, True): "in how they were taken: light, colour or sharpness",
    }[of_features.alarm, of_looks.alarm]
    sentence = f"The {name} pictures differ from train {what}: {told}."
    if of_features.alarm:
        sentence += " Another mix of classes is such a difference, too."
    large = max(part.auc for part in raised) >= _SMALL_AUC
    return Finding("shift", "alarm" if large else "warning", sentence, numbers)


def too_few(name, count):
    """A set whose shift cannot be told."""
    sentence = f"Too few pictures to tell whether {name} ({count}) differs from train."
    return Finding("shift", "note", sentence, {"pictures": count})


def shortcuts(found):
    """What tells the classes apart though it should not."""
    numbers = {"whole": found.whole, "chance": found.chance}
    numbers |= {one.name: one.accuracy for one in found.shortcuts}
    severity = "alarm" if found.large else "warning" if found.found else "note"
    return Finding("shortcuts", severity, found.sentence, numbers)


def groups(found, num_pictures):
    """Groups whose pictures are told worse than the rest."""
    if not found:
        return []
    below = [group for group in found if group.below]
    numbers = {group.group: group.accuracy for group in found}
    without = num_pictures - sum(group.num_pictures for group in found)
    rest = f" Pictures without a group: {without} of {num_pictures}." if without else ""
    if not below:
        sentence = f"None of {len(found)} groups is below the rest beyond chance.{rest}"
        return [Finding("groups", "note", sentence, numbers)]
    named = ", ".join(
        f"'{group.group}' {group.accuracy:.0%} of {group.num_pictures}" for group in below
    )
    sentence = f"Below the rest beyond chance: {named}.{rest}"
    return [Finding("groups", "warning", sentence, numbers)]


def _untested(audit):
    return [
        (name, count)
        for name, count in audit.sizes.items()
        if name != "train" and name not in audit.shifts
    ]


def _p_value(found):
    """The smaller one, corrected for two tests."""
    return min(1.0, 2 * min(found.auc_p_value, found.discrepancy_p_value))
