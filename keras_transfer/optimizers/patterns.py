"""Ordered patterns over variable paths."""

import difflib
import math
import numbers
import re
import reprlib


class PatternsOfModel(dict):
    """Multipliers by pattern that were made from the variables of a model."""


def validated(multipliers):
    """Returns `multipliers`, a mapping or a list of pairs, as a `dict` of pattern to float."""
    pairs = list(multipliers.items() if hasattr(multipliers, "items") else multipliers)
    if not pairs:
        raise ValueError(
            "`multipliers` must contain at least one (pattern, multiplier) pair, such as "
            f"('.*', 1.0). Received: multipliers={multipliers}"
        )
    valid = {}
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(
                "`multipliers` must be a mapping or a list of (pattern, multiplier) pairs. "
                f"Received: {pair!r} in multipliers={pairs}"
            )
        pattern, multiplier = pair
        if not isinstance(pattern, str):
            raise ValueError(
                "A pattern in `multipliers` must be a string, a regular expression for "
                f"`variable.path`. Received: pattern={pattern!r}"
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"A pattern in `multipliers` is not a valid regular expression: {error}. "
                f"Escape literal names with `re.escape`. Received: pattern={pattern!r}"
            ) from error
        if pattern in valid:
            raise ValueError(
                f"The pattern '{pattern}' is given twice in `multipliers`, which would "
                f"ignore the second. Received: multipliers={pairs}"
            )
        is_number = isinstance(multiplier, numbers.Real) and not isinstance(multiplier, bool)
        if not is_number or not math.isfinite(multiplier) or multiplier <= 0:
            raise ValueError(
                "A multiplier must be a positive, finite number. To freeze layers, use a "
                "freeze policy (`keras_transfer.freezing`) or `layer.trainable = False`, which "
                "also saves their gradients and their optimizer state. "
                f"Received: multiplier={multiplier!r} for the pattern {pattern!r}"
            )
        valid[pattern] = float(multiplier)
    return valid


def first_matches(patterns, paths):
    """Returns the first pattern that matches each full path, or `None`."""
    compiled = [(pattern, re.compile(pattern)) for pattern in patterns]
    return [
        next((pattern for pattern, regex in compiled if regex.fullmatch(path)), None)
        for path in paths
    ]


def check_covered(patterns, paths):
    """Raises a `ValueError` if no pattern matches a path."""
    uncovered = [
        path
        for path, pattern in zip(paths, first_matches(patterns, paths), strict=True)
        if pattern is None
    ]
    if uncovered:
        raise ValueError(
            f"No pattern matches the variable '{uncovered[0]}', so it has no learning rate "
            f"({len(uncovered)} of {len(paths)} variables have none). Closest patterns: "
            f"{closest(uncovered[0], patterns)}. Patterns must match the full path; a last "
            "pattern '.*' covers all other variables. "
            f"Received: patterns={reprlib.repr(list(patterns))}"
        )


def unmatched(patterns, paths):
    """Returns the patterns that match no path."""
    compiled = [(pattern, re.compile(pattern)) for pattern in patterns]
    return [pattern for pattern, regex in compiled if not any(map(regex.fullmatch, paths))]


def check_used(patterns, paths):
    """Raises a `ValueError` if a pattern is the first match of no path."""
    used = set(first_matches(patterns, paths))
    for position, pattern in enumerate(patterns):
        if pattern in used:
            continue
        regex = re.compile(pattern)
        matched = [path for path in paths if regex.fullmatch(path)]
        if matched:
            earlier = first_matches(list(patterns)[:position], matched[:1])[0]
            raise ValueError(
                f"The pattern '{pattern}' is never used: the first match wins, and earlier "
                f"patterns match all its variables ('{matched[0]}' by '{earlier}'). Put it "
                f"first. Received: patterns={reprlib.repr(list(patterns))}"
            )
        raise ValueError(
            f"The pattern '{pattern}' matches none of the {len(paths)} variables. Closest "
            f"paths: {closest(pattern, paths)}. If it is for currently frozen layers, call "
            "`optimizer.check(model.variables)` first, which includes frozen variables. "
            f"Received: patterns={reprlib.repr(list(patterns))}"
        )


def closest(name, candidates):
    """Returns up to three candidates that resemble a name."""
    return difflib.get_close_matches(name, list(candidates), n=3, cutoff=0.3)
