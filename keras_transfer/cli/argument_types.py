"""What arguments of the command line are made of."""

import argparse
import math
import re


def seconds(text):
    """The seconds of a time such as 90s, 5m or 2h."""
    return _number_with_unit(text, {"s": 1, "m": 60, "h": 3600}, "a time such as 90s, 5m or 2h")


def size_in_bytes(text):
    """The bytes of a size such as 500MB or 5GB."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    return int(_number_with_unit(text, units, "a size such as 500MB or 5GB"))


def _number_with_unit(text, units, expected):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text)
    size = found and {name.lower(): size for name, size in units.items()}.get(found[2].lower())
    if size is None or not 0 < float(found[1]) * size < math.inf:
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    return float(found[1]) * size


def count(text):
    """An integer that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be 0 or a positive integer, not {text!r}")
    return int(text)


def positive(text):
    """A positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return int(text)
