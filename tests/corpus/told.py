"""Runs the command line in this process and asserts that it ends as it should.

Either it does what it was asked, or it says in a line what is wrong; in both cases it writes
nowhere but where it was told to.
"""

import contextlib
import io
import os
import pathlib
import re
import sys
import tempfile
from unittest import mock

from keras_transfer.cli.main import main

_ERROR = re.compile(r"keras-transfer( [a-z]+)?: error: ")
# What may stand beside the error: warnings before it, and a list of files below it.
_BESIDE = re.compile(r"keras-transfer: (warning: |left out )|  |Repair or remove |usage: ")
_EVENTS = {
    "os.mkdir": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.remove": 1, "os.rmdir": 1, "os.chmod": 1, "os.utime": 1,
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watched = []


def _watch(event, arguments):
    """An audit hook, which stays for the life of the process."""
    if not _watched:
        return
    if event == "open" and arguments[2] & _WRITES:
        _watched[-1].append(arguments[0])
    elif event in _EVENTS:
        _watched[-1].extend(arguments[: _EVENTS[event]])


sys.addaudithook(_watch)


@contextlib.contextmanager
def writing_only_in(folder):
    """Asserts that Python writes in a folder, the cache and a temporary folder alone.

    What is written to temporary files must be gone at the end.
    """
    allowed = [str(pathlib.Path(folder).absolute()), os.devnull]
    allowed.append(os.environ["KERAS_TRANSFER_CACHE"])
    with tempfile.TemporaryDirectory() as temporary:
        with mock.patch.object(tempfile, "tempdir", temporary):
            _watched.append([])
            try:
                yield
            finally:
                written = _watched.pop()
        # TensorFlow's AutoGraph removes what it compiles when the process ends.
        assert all(name.startswith("__autograph") for name in os.listdir(temporary))
    paths = [os.fsdecode(path) for path in written if not isinstance(path, int)]
    # A path below a folder's descriptor is a bare name; that of the folder was looked at.
    paths = [os.path.abspath(path) for path in paths if os.path.dirname(path)]
    # A module that is imported for the first time leaves its compiled code beside it.
    paths = [path for path in paths if "__pycache__" not in path]
    outside = [path for path in paths if not _is_below(path, [*allowed, temporary])]
    assert not outside


def _is_below(path, folders):
    # Not resolved: a link that leads out of the folder is opened by its name, too.
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def contents(folder):
    """Every file below a folder with its bytes, and every folder."""
    return {
        path: path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(pathlib.Path(folder).rglob("*"))
    }


def run(arguments, folder):
    """Runs a command that writes in one folder only: `(exit code, stdout, stderr)`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        writing_only_in(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # of argparse
            code = end.code
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    assert "Traceback" not in texts[1]
    assert "most recent call last" not in texts[1]
    return code, *texts


def assert_told(arguments, folder, changes=False):
    """Runs a command that must fail: with 1 or 2, one line, and the folder as it was.

    Args:
        arguments: those of the command.
        folder: the only one that it might write in.
        changes: whether the folder may change all the same. Defaults to False.

    Returns:
        The line.
    """
    before = None if changes else contents(folder)
    code, _, err = run(arguments, folder)
    assert code in (1, 2), (code, err)
    lines = err.splitlines()
    told = [line for line in lines if _ERROR.match(line)]
    assert len(told) == 1, err
    if code == 1:
        assert all(_BESIDE.match(line) for line in lines if line != told[0]), err
    assert _ERROR.sub("", told[0]).strip(), "an error without a word"
    assert before is None or contents(folder) == before
    return told[0]


def assert_done(arguments, folder):
    """Runs a command that must succeed.

    Returns:
        What it printed.
    """
    code, out, err = run(arguments, folder)
    assert code == 0, err
    return out
