"""Runs tests in a condition, and writes down how each of them ended."""

import os
import pathlib
import sys

import pytest

from tests.distribution import conditions


def main(folder, devices, name, *tests):
    assert conditions.CONDITIONS[name].devices == int(devices)
    os.environ[conditions.VARIABLE] = name
    os.environ.pop("PYTEST_ADDOPTS", None)  # it may name plugins that are not wanted here
    report = pathlib.Path(folder) / "report.xml"
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={report}"]
    return pytest.main([*options, "--tb=short", "--durations=0", *tests])


if __name__ == "__main__":
    # Not by `sys.exit`: strategies of several workers may hang where Python ends.
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
