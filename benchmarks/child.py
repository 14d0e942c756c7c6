"""The other end of `jobs.run`: what a measuring module does when it is run."""

import json
import sys


class UnavailableError(Exception):
    """What was to be measured is not there; the message says what and why."""


def main(measure):
    """Calls `measure` with the JSON of the command line and prints its rows as JSON.

    Args:
        measure: a function that returns a list of rows, dicts with `row`, the name of what
            was measured, and `values`, a dict of numbers.
    """
    arguments = json.loads(sys.argv[1])
    try:
        rows = measure(**arguments)
    except UnavailableError as reason:
        rows = [{"row": arguments.get("row", measure.__module__), "skipped": str(reason)}]
    print(json.dumps(rows))
