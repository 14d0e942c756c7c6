"""What a measurement was made on."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess

_PACKAGES = ("keras-transfer", "keras", "tensorflow", "openvino", "numpy", "pillow")


def describe():
    """The machine, the versions and the date, as a dict for JSON."""
    return {
        "date": now(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": _memory_gigabytes(),
        "system": platform.platform(),
        "load_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
        "commit": _commit(),
    }


def now():
    """The time, to the second and with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _memory_gigabytes():
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(pages * size / 2**30, 1)


def _commit():
    """The commit, with "-dirty" after it where files were changed; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    root = pathlib.Path(__file__).parents[1]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
