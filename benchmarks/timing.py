"""Several things timed side by side, in turn."""

import gc
import time

from benchmarks.child import UnavailableError


def alternate(contestants, rounds):
    """Times each contestant once a round, so that all see the same weather.

    Args:
        contestants: a dict from a name to a function without arguments, which returns None
            or what it got done, see `values_of`; or to an `UnavailableError`.
        rounds: how often.

    Returns:
        A list of rows, see `child.main`, with `round`.
    """
    rows = [
        {"row": name, "skipped": str(contestant)}
        for name, contestant in contestants.items()
        if isinstance(contestant, UnavailableError)
    ]
    for number in range(rounds):
        rows += one_round(contestants, number)
    return in_order(rows, contestants)


def one_round(contestants, number):
    """The rows of one round, which starts with the contestant after that of the round before.

    Whoever comes after a heavy one finds the caches and the clock rate that it left behind.
    """
    present = {
        name: contestant
        for name, contestant in contestants.items()
        if not isinstance(contestant, UnavailableError)
    }
    rows = []
    for name in rotated(list(present), number):
        values = values_of(*timed(present[name]))
        rows.append({"row": name, "round": number, "values": values})
    return rows


def timed(function):
    """Calls a function; returns `(seconds, what it returned)`."""
    gc.collect()
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def rotated(names, number):
    """The names, starting with the one at `number`."""
    start = number % len(names) if names else 0
    return names[start:] + names[:start]


def values_of(seconds, done=None):
    """The seconds, and what follows from what was done in them.

    Args:
        seconds: how long it took.
        done: a dict with `pictures` or `steps`, or None.
    """
    values = {"seconds": seconds, **(done or {})}
    if "pictures" in values:
        values["rate"] = values["pictures"] / seconds
    if "steps" in values:
        values["milliseconds"] = 1000 * seconds / values["steps"]
    return values


def in_order(rows, names):
    """The rows by the order of `names`, and by round."""
    places = {name: place for place, name in enumerate(names)}
    return sorted(rows, key=lambda row: (places[row["row"]], row.get("round", 0)))
