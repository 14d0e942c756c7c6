"""Results as Markdown: `python -m benchmarks.table results.json`."""

import dataclasses
import sys

from benchmarks import acceptance, means, results, summary

_MEAN_HEADER = ("network", "what", "against", "mean", "limit", "met", "data sets")
_HEADER = ("what", "measured", "against", "ratio", "limit", "met", "repeated")


@dataclasses.dataclass(frozen=True)
class _Unit:
    """How a value is called and written."""

    title: str
    write: object


def number(value):
    """`0.123`, `12.3` or `1,234`: three digits, or the integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value):
    """`12.3 s`, or `1,234 s`."""
    return f"{number(value)} s"


def percent(value):
    """`88.9%`."""
    return f"{value:.1%}"


_UNITS = {
    "seconds": _Unit("time", seconds),
    "final_accuracy": _Unit("validation accuracy of the result", percent),
    "last_accuracy": _Unit("validation accuracy, last epoch", percent),
    "test_accuracy": _Unit("test accuracy of the result", percent),
    "rate": _Unit("pictures a second", number),
    "milliseconds": _Unit("", lambda value: f"{number(value)} ms"),
    "model_megabytes": _Unit("size of the weights", lambda value: f"{number(value)} MB"),
    "megabytes": _Unit("sent by each replica in a step", lambda value: f"{number(value)} MB"),
    "efficiency": _Unit("of the rate of as many replicas alone", percent),
    "peak": _Unit("peak memory", lambda value: f"{number(value)} MB"),
    "kills_extraction": _Unit("kills in extraction", number),
    "kills_training": _Unit("kills in training", number),
    "kills_write": _Unit("kills that left half a file", number),
    "files": _Unit("files compared", number),
    "differing": _Unit("files that differ", number),
    "other_weights": _Unit("trainings that end with other weights", number),
    "exports": _Unit("exports", number),
    "weight_difference": _Unit("largest relative difference of weights", number),
    "killed_at": _Unit("killed at", seconds),
    "worker": _Unit("the worker that was killed", number),
    "was_killed": _Unit("workers killed", number),
    "left_over": _Unit("files left half written", number),
    "missing": _Unit("missing of the run's results", number),
    "recall_resized": _Unit("found of the resized", percent),
    "recall_compressed": _Unit("found of the compressed", percent),
    "recall_mirrored": _Unit("found of the mirrored", percent),
    "recall_cropped": _Unit("found of those cropped by 5%", percent),
    "recall_cropped_around": _Unit("found of those cropped by 5% at each side", percent),
    "pairs_before": _Unit("pairs told before any was planted", number),
    "precision": _Unit("planted among what was told", percent),
    "recall": _Unit("found of the planted", percent),
    "first": _Unit("planted among as many told first", percent),
    "score_accuracy": _Unit("accuracy of the probe", percent),
    "score_logme": _Unit("LogME", number),
    "score_h_score": _Unit("H-score", number),
    "tau": _Unit("Kendall's tau with the accuracies reached", number),
    "probe_accuracy": _Unit("accuracy of the probe", percent),
    "false_alarms": _Unit("alarms where nothing differs", number),
    "random_splits": _Unit("random divisions", number),
    "found_brighter": _Unit("1.3 times as light is told", number),
    "features_brighter": _Unit("it is told by the features alone", number),
    "found_other_camera": _Unit("another camera is told", number),
    "features_other_camera": _Unit("it is told by the features alone, too", number),
}
_ACCURACY = ("seconds", "final_accuracy", "last_accuracy", "test_accuracy")
_SHOWN = {
    "accuracy": _ACCURACY,
    "strategies": _ACCURACY,
    "ranking": (
        "final_accuracy", "test_accuracy", "score_accuracy", "score_logme", "score_h_score",
        "tau",
    ),
    "dead_stages": ("final_accuracy", "test_accuracy", "seconds", "rate", "model_megabytes"),
    "head": ("seconds",),
    "extraction": ("rate",),
    "steps": ("milliseconds", "rate", "seconds"),
    "memory": ("seconds", "milliseconds", "peak"),
    "views": _ACCURACY,
    "workers": (
        "seconds", "final_accuracy", "weight_difference", "was_killed", "killed_at", "exports",
        "left_over",
    ),
    "replicas": ("milliseconds", "megabytes", "efficiency"),
    "audit": (
        "recall_resized", "recall_compressed", "recall_mirrored", "recall_cropped",
        "recall_cropped_around", "precision", "pairs_before", "seconds", "recall", "first",
        "probe_accuracy", "false_alarms", "random_splits", "found_brighter",
        "features_brighter", "found_other_camera", "features_other_camera",
    ),
    "kills": (
        "kills_extraction", "kills_training", "kills_write", "files", "differing",
        "other_weights", "missing", "left_over",
    ),
}  # fmt: skip
# What the milliseconds of a suite are for.
_EACH = {
    "steps": "time of a step",
    "replicas": "time of a step",
    "memory": "time for each picture",
}


def to_markdown(content):
    """The tables of a file of results, one for each suite and group."""
    parts = [_about(run) for run in content["runs"]]
    groups = results.grouped(content["measurements"])
    for (suite, group, quick), rows in groups.items():
        title = ", ".join(f"{key} {value}" for key, value in group)
        warning = " (quick: a smoke test, the figures mean nothing)" if quick else ""
        parts.append(f"### {suite}: {title}{warning}\n\n{_table(suite, group, rows)}")
    lines = list(map(_mean_line, means.of_groups(groups)))
    if lines:
        parts.append(f"### accuracy: means over data sets\n\n{_as_table(_MEAN_HEADER, lines)}")
    return "\n\n".join(parts) + "\n"


def _about(run):
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return (
        f"{run['date']}: {run['processor']}, {run['cores']} cores, "
        f"{run['memory_gigabytes']} GB, {run['system']}; Python {run['python']}, {versions}; "
        f"commit {run['commit']}."
    )


def _table(suite, group, rows):
    lines = []
    for name, found in rows.items():
        for reason in _reasons(found):
            lines.append([name, reason, *[""] * (len(_HEADER) - 2)])
        for value in _shown(suite, found):
            lines += _value_lines(suite, group, name, value, rows)
    return _as_table(_HEADER, lines)


def _mean_line(mean):
    comparison = mean.comparison
    write = _writer_of(comparison)
    return [
        mean.network,
        f"{comparison.row}: {_UNITS[comparison.value].title}",
        comparison.against,
        write(mean.mean),
        *_limit_cells(comparison.mean_limit, [mean.mean], write),
        str(len(mean.values)),
    ]


def _as_table(header, lines):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _reasons(rows):
    """Why some of the rows have no values, without repetitions."""
    texts = [
        f"{key}: {row[key]}" for row in rows for key in ("skipped", "failed") if key in row
    ]
    return dict.fromkeys(texts)


def _shown(suite, rows):
    present = [value for value in _SHOWN[suite] if summary.values_of(rows, value)]
    # The seconds of a round say less than what follows from them.
    has_more = suite == "steps" and len(present) > 1
    return [value for value in present if not (has_more and value == "seconds")]


def _value_lines(suite, group, name, value, rows):
    """A line for each comparison of a value, or one without any."""
    values = summary.values_of(rows[name], value)
    title = _UNITS[value].title or _EACH[suite]
    measured = spread_text(summary.spread(values), _UNITS[value].write)
    compared = [
        comparison_cells(comparison, group, rows[name], rows.get(comparison.against, []))
        for comparison in acceptance.comparisons_of(suite, name, value)
    ]
    compared = [cells for cells in compared if cells] or [["", "", "", ""]]
    return [[f"{name}: {title}", measured, *cells, str(len(values))] for cells in compared]


def comparison_cells(comparison, group, rows, against):
    """Against what, the ratio or difference, its limit, and whether the median keeps to it.

    Returns:
        Four strings, or None where nothing was measured side by side. For a limit to the value
        itself the first two are empty, and each repetition has to keep to it; for accuracies
        on the same pictures the upper end of the interval has to.
    """
    if comparison.kind == "paired":
        return _paired_cells(comparison, group, summary.hits_apart(rows, against))
    values = comparison.of(rows, against)
    spread = summary.spread(values)
    if spread is None:
        return None
    write = _writer_of(comparison)
    if comparison.against is None:
        cells, judged = ["", ""], values
    else:
        cells, judged = [comparison.against, spread_text(spread, write)], [spread.median]
    return [*cells, *_limit_cells(comparison.limit_in(group), judged, write)]


def _paired_cells(comparison, group, found):
    if found is None:
        return None
    difference, *ends = (points(value).removesuffix(" points") for value in found)
    text = f"{difference} points (95%: {' to '.join(ends)})"
    limit, met = _limit_cells(comparison.limit_in(group), found[2:], points)
    return [comparison.against, text, limit and f"upper end {limit}", met]


def _limit_cells(limit, values, write):
    """The limit, and whether all of some values keep to it; empty where there is none."""
    if limit is None:
        return ["", ""]
    met = "yes" if all(map(limit.is_met, values)) else "NO"
    return [f"{limit.relation} {write(limit.bound)}", met]


def _writer_of(comparison):
    """A function that writes the comparison's ratio, difference or value."""
    return _WRITE_COMPARED[comparison.kind](comparison.value)


def spread_text(spread, write):
    """The median, with the quartiles where there are enough repetitions."""
    if spread.quartiles is None:
        return write(spread.median)
    return f"{write(spread.median)} ({' to '.join(map(write, spread.quartiles))})"


def ratio(value):
    """`1.04`; below a tenth `1/26`, as one says it."""
    return f"1/{number(1 / value)}" if 0 < value < 0.1 else number(value)


def _difference_of(value):
    if value.endswith("accuracy"):
        return points
    return lambda difference: f"{difference:+,.0f}"


_WRITE_COMPARED = {
    "ratio": lambda value: ratio,
    "difference": _difference_of,
    "value": lambda value: _UNITS[value].write,
}


def points(value):
    """`+5.3 points`: a difference of two accuracies."""
    return f"{100 * value:+.1f} points"


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(to_markdown(results.read(sys.argv[1])))
