"""Medians, quartiles and ratios of rows that were measured side by side."""

import dataclasses
import statistics

from keras_transfer._statistics.intervals import paired_interval

# Below so many, quartiles say nothing.
_ENOUGH_FOR_QUARTILES = 4


@dataclasses.dataclass(frozen=True)
class Spread:
    """What several repetitions gave.

    Attributes:
        median: the median.
        number: how many there were.
        quartiles: the lower and the upper one, or None for fewer than four.
    """

    median: float
    number: int
    quartiles: tuple | None = None


def spread(values):
    """The `Spread` of a list of numbers; None of an empty one."""
    if not values:
        return None
    quartiles = None
    if len(values) >= _ENOUGH_FOR_QUARTILES:
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        quartiles = (lower, upper)
    return Spread(statistics.median(values), len(values), quartiles)


def values_of(rows, value):
    """The numbers under the name `value`, of the rows that have it."""
    return [row["values"][value] for row in rows if value in row.get("values", {})]


def pairs(rows, against, value):
    """The numbers of rows and of those of the same seed and round they are compared with."""
    theirs = {
        _round(row): row["values"][value] for row in against if value in row.get("values", {})
    }
    return [
        (row["values"][value], theirs[_round(row)])
        for row in rows
        if value in row.get("values", {}) and _round(row) in theirs
    ]


def ratios(rows, against, value):
    """The ratios of `pairs`."""
    return [mine / theirs for mine, theirs in pairs(rows, against, value)]


def differences(rows, against, value):
    """The differences of `pairs`."""
    return [mine - theirs for mine, theirs in pairs(rows, against, value)]


def hits_apart(rows, against):
    """How much more pictures are recognised than by what was measured side by side.

    Returns:
        `(difference, low, high)`: of the accuracies, and 95% of it over pictures that are drawn
        anew; each picture counts with the mean over the rounds. None where nothing was measured
        side by side on the same pictures, all of them each time.
    """
    theirs = {_round(row): row.get("validation_hits") for row in against}
    pairs = [
        (row["validation_hits"], theirs[_round(row)])
        for row in rows
        if "validation_hits" in row and theirs.get(_round(row))
    ]
    if not pairs or len({len(hits) for pair in pairs for hits in pair}) > 1:
        return None
    of_rounds = [[int(a) - int(b) for a, b in zip(*pair, strict=True)] for pair in pairs]
    gains = [statistics.fmean(gain) for gain in zip(*of_rounds, strict=True)]
    return statistics.fmean(gains), *paired_interval(gains)


def _round(row):
    return row["seed"], row["round"]
