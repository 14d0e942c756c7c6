"""The README's table: `python -m benchmarks.readme_table benchmarks/measured/accuracy.json`."""

import statistics
import sys

from benchmarks import results, table

_HEADER = ("data", "network", "Keras guide", "default plan", "in 1/22 of the guide's time")
_ROWS = ("guide", "default", "at_guide_accuracy")


def to_markdown(content):
    """A line for each data set and network: accuracy and time of each recipe.

    Args:
        content: what a file of results holds.
    """
    lines = []
    for (suite, group, _), rows in results.grouped(content["measurements"]).items():
        if suite == "accuracy" and all(name in rows for name in _ROWS):
            group = dict(group)
            guide = _median(rows["guide"], "seconds")
            cells = [_cell(rows[name], guide) for name in _ROWS]
            lines.append([group["data"], group["network"], *cells])
    lines = [_HEADER, ["---"] * len(_HEADER), *sorted(lines, key=lambda line: line[1::-1])]
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
    print(to_markdown(results.read(sys.argv[1])))
