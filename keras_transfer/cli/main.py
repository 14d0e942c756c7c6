"""The command line: arguments, exit codes and messages.

Only what parses arguments is imported here, so that `--help` answers at once; each command is a
module of its own, imported when it runs.
"""

import importlib
import os
import sys
import warnings

from keras_transfer._text import printable
from keras_transfer.cli.exit_codes import FAILURE, INTERRUPTED
from keras_transfer.cli.parser import build_parser


def main(arguments=None):
    """Runs a command.

    Args:
        arguments: a list of strings. Defaults to those of the process.

    Returns:
        The exit code: 0, or 1 after an error that was told in a message, or 130 after Ctrl-C.
        Wrong arguments end the process with 2.
    """
    options = build_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold anything
    try:
        if options.command != "launch":  # which only starts processes
            _import_tensorflow()
        module = options.command.replace("-", "_")
        command = importlib.import_module(f"keras_transfer.cli.{module}")
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _tell_warning
            return command.run(options) or 0
    except KeyboardInterrupt:
        print("keras-transfer: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        if options.traceback:
            raise
        print(f"keras-transfer: error: {_message(error)}", file=sys.stderr)
        return FAILURE


def _message(error):
    if type(error).__module__.startswith("tensorflow"):
        # Where in the graph it happened, line by line, and at last what did.
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if not line.lstrip().startswith("[[{{node")]
        return told[-1].strip() if told else type(error).__name__
    return printable(str(error)) or type(error).__name__


def _import_tensorflow():
    """Imports TensorFlow without the lines that it logs before it can be told not to."""
    import tempfile

    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        sys.stderr.flush()
        os.dup2(log.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        except Exception:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _tell_warning(message, category, filename, lineno, file=None, line=None):
    """Prints what a person can act on; deprecations in libraries are not."""
    if issubclass(category, UserWarning):
        print(f"keras-transfer: warning: {printable(str(message))}", file=sys.stderr)
