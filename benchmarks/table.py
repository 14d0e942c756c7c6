"""Results as Markdown: `python -m benchmarks.table results.json`."""

import collections
import statistics
import sys

from benchmarks import jobs
from keras_transfer._statistics.intervals import paired_interval
from keras_transfer._text import markdown_table

_STRATEGIES = ("recommended", "head", "last two stages", "everything", "from scratch")
_RECIPES = ("guide", "default", "at_guide_accuracy")
# What a row is compared with, by suite. Accuracies are compared image by image.
_AGAINST = {
    "accuracy": {"default": "guide", "at_guide_accuracy": "guide"},
    "strategies": {"recommended": _STRATEGIES[1:]},
    "dead_stages": {"cut": "whole"},
    "extraction": {
        "extract, tensorflow": "stem.predict, files",
        "extract, openvino": "stem.predict, files",
    },
    "gpu": {"extract": "predict", "TransferModel": "plain Keras"},
    "gpu_xla": {"TransferModel": "plain Keras"},
    "steps": {"AdamW again": "AdamW", "LearningRateMultiplier(AdamW)": "AdamW"},
}
# What a value, or its ratio, has to keep to.
_LIMITS = {
    ("audit", "copies", "precision"): (">=", 0.95),
    ("audit", "shift", "false_alarms"): ("<=", 3),  # of 20; more come by chance in 1.6%
    ("audit", "shift", "found_brighter"): (">=", 1),
    ("audit", "shift", "found_other_camera"): (">=", 1),
    ("extraction", "extract, openvino", "rate"): (">=", 3.0),
    ("gpu", "extract", "rate"): (">=", 0.8),
    ("gpu", "TransferModel", "milliseconds"): ("<=", 1.03),
    ("gpu_xla", "TransferModel", "milliseconds"): ("<=", 1.03),
    ("steps", "LearningRateMultiplier(AdamW)", "milliseconds"): ("<=", 1.03),
    ("memory", "TransferModel", "megabytes"): ("<=", 20),
    ("objectives", "class confusion", "accuracy"): (">=", 0.96),
    ("objectives", "distilled", "kept"): (">=", 0.85),
}
_LIMITS |= {
    ("objectives", shift, "ratio"): ("<=", 1 / 3)
    for shift in ("classes", "brightness", "certainty")
}
_LIMITS |= {
    ("objectives", change, "gain"): (">=", 0)
    for change in ("grey", "blurred", "drawn", "camera")
}
_LIMITS |= {
    ("audit", "copies", f"recall_{kind}"): (">=", 0.95)
    for kind in ("resized", "compressed", "mirrored", "cropped", "cropped_around")
}
_LIMITS |= {
    ("relations", "hymenoptera", "no_label"): (">=", 0.88),
    ("relations", "clothing", "gain_1"): (">=", 0.12),
    ("relations", "clothing", "gain_20"): (">=", 0.0),
    ("relations", "sign_digits", "gain_5"): (">=", 0.14),
    ("relations", "sign_digits", "gain_tuned_5"): (">=", 0.06),
    ("relations", "sign_digits", "seconds"): ("<=", 120),
    ("relations", "rank 8", "accuracy_loss"): ("<=", 0.02),
    ("relations", "rank 8", "share_of_weights"): ("<=", 0.12),
    ("relations", "rank 8", "share_of_bytes"): ("<=", 0.2),
}
# Follow from other values, or only say how much was measured.
_NOT_SHOWN = ("images", "pictures", "steps")


def number(value):
    """`0.123`, `12.3` or `1,234`: three digits, or the integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def written(name, value):
    """A value with its unit."""
    if name.endswith(("accuracy", "recall", "precision")) or name.startswith("recall_"):
        return f"{value:.1%}"
    unit = {"seconds": " s", "milliseconds": " ms", "model_megabytes": " MB"}.get(name, "")
    return f"{number(value)}{unit}"


def grouped(measurements):
    """The rows of all measurements by `(suite, group, quick)`, and there by name."""
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for measurement in measurements:
        job = measurement["job"]
        key = job["suite"], tuple(job["group"].items()), job["quick"]
        for row in measurement["rows"]:
            groups[key][row["row"]].append(row)
    return groups


def to_markdown(content):
    """The tables of a file of results, one for each suite and group."""
    parts = [
        f"{run['date']}: {run['processor']}, {run['cores']} cores, {run['system']}; Python "
        f"{run['python']}, "
        + ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        + f"; commit {run['commit']}."
        for run in content["runs"]
    ]
    for (suite, group, quick), rows in grouped(content["measurements"]).items():
        title = ", ".join(f"{key} {value}" for key, value in group)
        warning = " (quick: a smoke test, the figures mean nothing)" if quick else ""
        header = ("row", "value", "measured", "against", "ratio or difference", "limit", "n")
        lines = [line for name in rows for line in _lines(suite, name, rows)]
        parts.append(f"### {suite}: {title}{warning}\n\n{markdown_table([header, *lines])}")
    return "\n\n".join(parts) + "\n"


def _lines(suite, name, rows):
    for reason in dict.fromkeys(
        row[key] for row in rows[name] for key in ("skipped", "failed") if key in row
    ):
        yield name, reason, "", "", "", "", ""
    against = _AGAINST.get(suite, {}).get(name, ())
    against = (against,) if isinstance(against, str) else against
    keys = dict.fromkeys(key for row in rows[name] for key in row.get("values", {}))
    for key in keys:
        if key in _NOT_SHOWN:
            continue
        values = [row["values"][key] for row in rows[name] if key in row.get("values", {})]
        median = statistics.median(values)
        compared = [(one, *_compared(key, rows[name], rows.get(one, []))) for one in against]
        compared = [cells for cells in compared if cells[1]] or [("", "", median)]
        limit = _LIMITS.get((suite, name, key))
        for other, text, judged in compared:
            yield (
                name, key, written(key, median), other, text, _judged(limit, judged),
                str(len(values)),
            )  # fmt: skip


def _judged(limit, value):
    if limit is None:
        return ""
    relation, bound = limit
    is_met = value <= bound if relation == "<=" else value >= bound
    return f"{relation} {number(bound)}: {'met' if is_met else 'NOT MET'}"


def _compared(key, rows, others):
    """The median ratio within a round, as text and number; of accuracies the difference."""
    theirs = {
        (row["seed"], row["round"]): row for row in others if key in row.get("values", {})
    }
    pairs = [
        (row, theirs[row["seed"], row["round"]])
        for row in rows
        if key in row.get("values", {}) and (row["seed"], row["round"]) in theirs
    ]
    if not pairs:
        return "", None
    if key.endswith("accuracy"):
        found = hits_apart(rows, others) if key == "final_accuracy" else None
        if found is None:
            gains = [mine["values"][key] - other["values"][key] for mine, other in pairs]
            return f"{100 * statistics.median(gains):+.1f} points", statistics.median(gains)
        gain, low, high = (100 * value for value in found)
        return f"{gain:+.1f} points (95%: {low:+.1f} to {high:+.1f})", found[0]
    ratios = [mine["values"][key] / other["values"][key] for mine, other in pairs]
    ratio = statistics.median(ratios)
    return (f"1/{number(1 / ratio)}" if 0 < ratio < 0.1 else number(ratio)), ratio


def hits_apart(rows, others):
    """The difference of two accuracies on the same images, and its 95% interval.

    Each image counts with the mean over the rounds. None if nothing was measured side by side
    on the same images each time.
    """
    theirs = {(row["seed"], row["round"]): row.get("validation_hits") for row in others}
    pairs = [
        (row["validation_hits"], theirs[row["seed"], row["round"]])
        for row in rows
        if "validation_hits" in row and theirs.get((row["seed"], row["round"]))
    ]
    if not pairs or len({len(hits) for pair in pairs for hits in pair}) > 1:
        return None
    of_rounds = [[int(a) - int(b) for a, b in zip(*pair, strict=True)] for pair in pairs]
    gains = [statistics.fmean(gain) for gain in zip(*of_rounds, strict=True)]
    return statistics.fmean(gains), *paired_interval(gains)


def accuracy(content):
    """The table of the README: accuracy and time of each recipe on each data set."""
    header = ("data", "network", "Keras guide", "default plan", "in 1/22 of the guide's time")

    def cell(rows, guide):
        seconds, text = _median(rows, "seconds"), f"{_median(rows, 'final_accuracy'):.1%}"
        if "test_accuracy" in rows[0]["values"]:
            text += f" (test {_median(rows, 'test_accuracy'):.1%})"
        ratio = "" if seconds == guide else f" = 1/{guide / seconds:.1f}"
        return f"{text}, {number(seconds)} s{ratio}"

    return _by_group(
        content, "accuracy", header, _RECIPES,
        lambda rows: [cell(rows[name], _median(rows["guide"], "seconds")) for name in _RECIPES],
    )  # fmt: skip


def strategies(content):
    """The accuracy of each strategy on each data set."""
    return _by_group(
        content, "strategies", ("data", "network", *_STRATEGIES), _STRATEGIES,
        lambda rows: [f"{_median(rows[name], 'final_accuracy'):.1%}" for name in _STRATEGIES],
    )  # fmt: skip


def _by_group(content, suite, header, names, cells):
    """A line for each group of a suite that has all the named rows, by network and data."""
    lines = [
        (dict(group)["data"], dict(group)["network"], *cells(rows))
        for (found, group, _), rows in grouped(content["measurements"]).items()
        if found == suite and all(name in rows for name in names)
    ]
    return markdown_table([header, *sorted(lines, key=lambda line: line[1::-1])])


def _median(rows, name):
    return statistics.median(row["values"][name] for row in rows)


if __name__ == "__main__":
    print(to_markdown(jobs.read(sys.argv[1])))
