"""The tables of the README: `python -m benchmarks.readme_table benchmarks/measured/X.json`."""

import statistics
import sys

from benchmarks import results, table

_HEADER = ("data", "network", "Keras guide", "default plan", "in 1/22 of the guide's time")
_ROWS = ("guide", "default", "at_guide_accuracy")
_STRATEGIES = ("recommended", "head", "last two stages", "everything", "from scratch")


def accuracy(content):
    """A line for each data set and network: accuracy and time of each recipe.

    Args:
        content: what a file of results holds.
    """
    lines = []
    for group, rows in _groups(content, "accuracy", _ROWS):
        guide = _median(rows["guide"], "seconds")
        lines.append([*group, *(_cell(rows[name], guide) for name in _ROWS)])
    return _table(_HEADER, lines)


def strategies(content):
    """A line for each data set and network: the accuracy of each strategy.

    Args:
        content: what a file of results holds.
    """
    lines = [
        [
            *group,
            *(table.percent(_median(rows[name], "final_accuracy")) for name in _STRATEGIES),
        ]
        for group, rows in _groups(content, "strategies", _STRATEGIES)
    ]
    return _table(("data", "network", *_STRATEGIES), lines)


def _groups(content, suite, names):
    """Data, network and rows of each group of a suite that has all of some rows."""
    for (found, group, _), rows in results.grouped(content["measurements"]).items():
        if found == suite and all(name in rows for name in names):
            group = dict(group)
            yield (group["data"], group["network"]), rows


def _table(header, lines):
    lines = [header, ["---"] * len(header), *sorted(lines, key=lambda line: line[1::-1])]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(rows, guide):
    seconds = _median(rows, "seconds")
    text = f"{table.percent(_median(rows, 'final_accuracy'))}"
    if "test_accuracy" in rows[0]["values"]:
        text += f" (test {table.percent(_median(rows, 'test_accuracy'))})"
    ratio = "" if seconds == guide else f" = 1/{guide / seconds:.1f}"
    return f"{text}, {table.seconds(seconds)}{ratio}"


def _median(rows, name):
    return statistics.median(row["values"][name] for row in rows)


if __name__ == "__main__":
    measured = results.read(sys.argv[1])
    for rows in (accuracy(measured), strategies(measured)):
        print(rows + "\n" if rows.count("\n") > 1 else "", end="")
