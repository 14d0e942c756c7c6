"""What the parts of an audit mean: findings with a severity, and a report in Markdown.

The sizes of the classes are the one part without a module of its own.
"""

import dataclasses
import os

import numpy as np

from keras_transfer._text import markdown_table, some_of
from keras_transfer.data.image_splits import STRONG_IMBALANCE

SEVERITIES = ("alarm", "warning", "note")
# A significant shift with a lower AUC is a warning, not an alarm.
_SMALL_AUC = 0.65
# Files in a sentence, and rows of a table.
_MOST_NAMED, _MOST_ROWS = 3, 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    Attributes:
        kind: "classes", "duplicates", "labels", "shift", "shortcuts", "groups" or "unreadable".
        severity: "note", "warning", or "alarm" if it makes a score or a model misleading.
        conclusion: what was found, in words.
    """

    kind: str
    severity: str
    conclusion: str


@dataclasses.dataclass(frozen=True)
class ClassSizes:
    """The number of images in each class.

    Attributes:
        counts: dict from class to number of images.
    """

    counts: dict

    @property
    def ratio(self):
        """The largest over the smallest size; infinite if a class has no image."""
        smallest = min(self.counts.values())
        return max(self.counts.values()) / smallest if smallest else np.inf

    @property
    def effective_classes(self):
        """The number of equally large classes with the same entropy (Hill, Ecology 1973)."""
        from scipy.stats import entropy

        return float(np.exp(entropy(list(self.counts.values()))))

    @property
    def severity(self):
        """The severity of the finding: a warning from a ratio of 10 on."""
        return "warning" if self.ratio >= STRONG_IMBALANCE else "note"

    @property
    def conclusion(self):
        """The range of the sizes, and the accuracy of always predicting one class."""
        largest = max(self.counts, key=self.counts.get)
        smallest = min(self.counts, key=self.counts.get)
        share = self.counts[largest] / sum(self.counts.values())
        if self.counts[largest] == self.counts[smallest]:
            return (
                f"{len(self.counts)} classes of {self.counts[largest]} images each; always "
                f"predicting one class has an accuracy of {share:.0%}."
            )
        return (
            f"{len(self.counts)} classes of {self.counts[smallest]} ('{smallest}') to "
            f"{self.counts[largest]} ('{largest}') images; effective number of classes: "
            f"{self.effective_classes:.1f}; always predicting '{largest}' has an accuracy of "
            f"{share:.0%}."
        )

    def to_json(self):
        """The figures as a dict."""
        return {
            "counts": self.counts,
            "ratio": self.ratio if np.isfinite(self.ratio) else None,
            "effective_classes": self.effective_classes,
        }


def class_sizes(labels, class_names):
    """`ClassSizes` of integer labels, indices into the names of the classes."""
    counts = np.bincount(labels, minlength=len(class_names))
    return ClassSizes(dict(zip(class_names, counts.tolist(), strict=True)))


def all_findings(audit):
    """The findings of an `Audit`, alarms first."""
    classes = audit.classes["train"]
    parts = {
        "duplicates": audit.duplicates,
        "labels": audit.labels,
        "shortcuts": audit.confounds,
    }
    found = [Finding("classes", classes.severity, f"Training set: {classes.conclusion}")]
    found += [Finding(kind, part.severity, part.conclusion) for kind, part in parts.items()]
    found += [*_shifts(audit), *_groups(audit), *_unreadable(audit)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def markdown(audit):
    """An `Audit` as Markdown: the findings, then tables with the main details."""
    sizes = ", ".join(f"{count} {name}" for name, count in audit.sizes.items())
    parts = [f"# Audit\n\nImages: {sizes}.", markdown_table(audit.rows())]
    for title, header, rows in _tables(audit):
        if rows:
            more = len(rows) - _MOST_ROWS
            rest = f"\n\nAnd {more} more." if more > 0 else ""
            table = markdown_table([header, *rows[:_MOST_ROWS]])
            parts.append(f"## {title}\n\n{table}{rest}")
    return "\n\n".join(parts) + "\n"


def _shifts(audit):
    for name, count in audit.sizes.items():
        if name in audit.shifts:
            yield _shift(name, *audit.shifts[name])
        elif name != "train":
            text = f"Too few images to test for a shift from train to {name} (n = {count})."
            yield Finding("shift", "note", text)


def _shift(name, content, appearance):
    figures = (
        f"AUC {content.auc:.2f} for content (p = {content.p_value:.2g}), {appearance.auc:.2f} "
        f"for brightness, colour and sharpness (p = {appearance.p_value:.2g})"
    )
    raised = {"content": content, "appearance": appearance}
    raised = {kind: shift for kind, shift in raised.items() if shift.alarm}
    if not raised:
        text = f"No significant shift from train to {name}: {figures}."
        return Finding("shift", "note", text)
    text = f"Shift of {' and '.join(raised)} from train to {name}: {figures}."
    if content.alarm:
        text += " Another mix of classes is a shift of content, too."
    is_large = max(shift.auc for shift in raised.values()) >= _SMALL_AUC
    return Finding("shift", "alarm" if is_large else "warning", text)


def _groups(audit):
    if not audit.groups:
        return
    total = len(audit.labels.correct)
    without = total - sum(group.num_images for group in audit.groups)
    rest = f" Images without a group: {without} of {total}." if without else ""
    below = [
        f"'{group.group}' {group.accuracy:.0%} (n = {group.num_images})"
        for group in audit.groups
        if group.below
    ]
    if below:
        text = f"Significantly less accurate than the rest: {', '.join(below)}.{rest}"
        yield Finding("groups", "warning", text)
    else:
        text = (
            f"None of {len(audit.groups)} groups is significantly less accurate than the rest."
        )
        yield Finding("groups", "note", f"{text}{rest}")


def _unreadable(audit):
    if audit.unreadable:
        files = (f"'{os.path.basename(path)}'" for path, _ in audit.unreadable)
        text = f"Files that cannot be read were left out: {some_of(files, _MOST_NAMED)}."
        yield Finding("unreadable", "warning", text)


def _tables(audit):
    """Title, header and rows of each table of details."""
    found, names = audit.confounds, audit.names
    yield "Copies", ("evidence", "correlation", "splits", "image", "copy"), [
        (
            pair.evidence, f"{pair.correlation:.2f}",
            " and ".join(dict.fromkeys(pair.splits)), names[pair.first], names[pair.second],
        )
        for pair in audit.duplicates.pairs
    ]  # fmt: skip
    header = ("image", "label", "prediction", "probability of the label", "of the prediction")
    yield "Labels that are likely wrong", header, [
        (
            names[error.index], error.given, error.suggested,
            f"{error.given_probability:.2f}", f"{error.suggested_probability:.2f}",
        )
        for error in audit.labels.errors
    ]  # fmt: skip
    # The p-values stand in the findings, corrected for the number of tests.
    header = ("set", "of", "AUC", "squared discrepancy", "alarm")
    yield "Shift against train", header, [
        (
            name, kind, f"{shift.auc:.2f}", f"{shift.discrepancy:.4f}",
            "yes" if shift.alarm else "no",
        )
        for name, pair in audit.shifts.items()
        for kind, shift in zip(("content", "appearance"), pair, strict=True)
    ]  # fmt: skip
    header = ("feature", "accuracy", "95% CI", "p", "share of the whole image's")
    yield "Shortcut features", header, [
        ("whole image", f"{found.whole:.1%}", _interval(found.whole_interval), "", ""),
        *(
            (
                one.name, f"{one.accuracy:.1%}", _interval(one.interval), f"{one.p_value:.2g}",
                f"{one.share:.0%}",
            )
            for one in found.shortcuts
        ),
        ("largest class", f"{found.chance:.1%}", "", "", ""),
    ]  # fmt: skip
    header = ("group", "images", "accuracy", "95% CI", "p", "below the rest")
    yield "Groups", header, [
        (
            group.group, str(group.num_images), f"{group.accuracy:.1%}",
            _interval(group.interval), f"{group.p_value:.2g}", "yes" if group.below else "no",
        )
        for group in audit.groups
    ]  # fmt: skip
    yield "Files that cannot be read", ("file", "reason"), audit.unreadable


def _interval(interval):
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
