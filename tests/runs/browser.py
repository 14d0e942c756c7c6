"""A page in headless Chromium."""

import json
import shutil
import subprocess

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=2000",
)  # fmt: skip
_IN_THE_FILE = ("data:", "file:", "about:", "blob:")
# What the browser asks for of its own accord.
_BROWSER = "not an origin"


def find_browser():
    """The path of Chromium, or a skip that says what is missing."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    pytest.skip("no Chromium on this machine to open the page in")


def opened(page, folder, width=1400):
    """Opens a page.

    Args:
        page: the path of an HTML file.
        folder: for the browser's profile and log.
        width: of the window in pixels.

    Returns:
        The document as HTML, the messages on the console, and the addresses that were asked
        for and are not in the file.
    """
    log = folder / f"net-{width}.json"
    command = [
        find_browser(), *_FLAGS, f"--user-data-dir={folder / f'profile-{width}'}",
        f"--log-net-log={log}", f"--window-size={width},2000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, messages, _requested(log)


def _requested(log):
    text = log.read_text(encoding="utf-8")
    # The log's end is missing where the browser was quick to leave.
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip(", \n") + "]}")
    found = {
        event["params"]["url"]
        for event in events["events"]
        if {"url", "method", "initiator"} <= event.get("params", {}).keys()
        and event["params"]["initiator"] != _BROWSER
    }
    return {url for url in found if not url.startswith(_IN_THE_FILE)}
