"""An audit as text."""

from keras_transfer._text import markdown_table

_MOST_ROWS = 20


def markdown(audit):
    """An audit as Markdown: the findings, then the details that a person reads.

    Args:
        audit: an `Audit`.
    """
    sizes = ", ".join(f"{count} {name}" for name, count in audit.sizes.items())
    findings = [(one.severity, one.kind, one.sentence) for one in audit.findings]
    parts = [
        f"# Audit\n\nPictures: {sizes}.",
        markdown_table([("severity", "about", "finding"), *findings]),
        _section(
            "Copies", ("evidence", "correlation", "splits", "one", "other"), _copies(audit)
        ),
        _section(
            "Labels that are likely to be wrong",
            ("picture", "has", "looks like", "given", "other"),
            _errors(audit),
        ),
        _section(
            "Shift against train",
            ("set", "of", "AUC", "p", "squared discrepancy", "p", "drifted", "alarm"),
            _shifts(audit),
        ),
        _section(
            "What else tells the classes apart",
            ("what", "accuracy", "95% interval", "p", "of the whole picture's"),
            _shortcuts(audit),
        ),
        _section(
            "Groups",
            ("group", "pictures", "accuracy", "95% interval", "p", "below the rest"),
            _groups(audit),
        ),
        _section("Files that cannot be read", ("file", "reason"), audit.unreadable),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _copies(audit):
    for pair in audit.duplicates.pairs:
        splits = " and ".join(dict.fromkeys(pair.splits))
        names = (audit.names[pair.first], audit.names[pair.second])
        yield pair.evidence, f"{pair.correlation:.2f}", splits, *names


def _errors(audit):
    for error in audit.labels.errors:
        probabilities = (error.given_probability, error.suggested_probability)
        names = (audit.names[error.index], error.given, error.suggested)
        yield *names, *(f"{probability:.2f}" for probability in probabilities)


def _shifts(audit):
    for name, pair in audit.shifts.items():
        for of, shift in zip(("what is on them", "how they look"), pair, strict=True):
            yield (
                name, of, f"{shift.auc:.2f}", f"{shift.auc_p_value:.3f}",
                f"{shift.discrepancy:.4f}", f"{shift.discrepancy_p_value:.3f}",
                f"{shift.num_drifted} of {shift.num_features}", "yes" if shift.alarm else "no",
            )  # fmt: skip


def _shortcuts(audit):
    found = audit.confounds
    yield "whole picture", f"{found.whole:.1%}", _interval(found.whole_interval), "", ""
    for one in found.shortcuts:
        told = f"{one.p_value:.2g}", f"{one.share:.0%}"
        yield one.name, f"{one.accuracy:.1%}", _interval(one.interval), *told
    yield "largest class", f"{found.chance:.1%}", "", "", ""


def _groups(audit):
    for group in audit.groups:
        yield (
            group.group, str(group.num_pictures), f"{group.accuracy:.1%}",
            _interval(group.interval), f"{group.p_value:.2g}", "yes" if group.below else "no",
        )  # fmt: skip


def _interval(interval):
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def _section(title, header, rows):
    rows = list(rows)
    if not rows:
        return ""
    more = len(rows) - _MOST_ROWS
    rest = f"\n\nAnd {more} more." if more > 0 else ""
    return f"## {title}\n\n{markdown_table([header, *rows[:_MOST_ROWS]])}{rest}"
