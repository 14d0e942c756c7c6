"""The command line: arguments, exit codes and messages.

At the top only the parser is imported, so that `--help` answers at once: each command is a
module, imported when it runs.
"""

import contextlib
import gc
import os
import sys
import warnings

from keras_transfer import _progress
from keras_transfer._preemption import Preempted, Preemption
from keras_transfer._text import printable
from keras_transfer.cli import early_checks
from keras_transfer.cli.parser import build_parser

FAILURE, INTERRUPTED = 1, 130
# Keras imports these if they can be, for wrappers that no command uses: half a second.
_WRAPPED_BY_KERAS = ("matplotlib", "pandas", "sklearn")
# Commands that compute features, which stay in the cache.
_CACHING = ("audit", "find-lr", "probe", "rank", "recommend")
# In an error of TensorFlow.
_ABOUT_THE_GRAPH, _OUT_OF_MEMORY = ("[[{{node", "[Op:", "Hint:"), ("oom when", "out of memory")


def main(arguments=None):
    """Runs a command.

    Args:
        arguments: a list of strings. Defaults to those of the process.

    Returns:
        The exit code: 0; 1 after an error, which is printed; or 130 after Ctrl-C. Wrong
        arguments end the process with 2, and SIGTERM during `fit` with 75.
    """
    options = build_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold anything
    preemption = Preemption()
    try:
        with preemption.watched() if options.command == "fit" else contextlib.nullcontext():
            with preemption.deferred():  # an import is no place for an exception
                early_checks.check(options)
                run = _imported(options.command)
                from keras_transfer._graph_rewriting import graphs_as_traced
            with graphs_as_traced(), warnings.catch_warnings(), _progress.shown():
                warnings.simplefilter("default")
                warnings.showwarning = _print_warning
                code = run(options) or 0
                sys.stdout.flush()
                return code
    except Preempted:
        print(
            "keras-transfer: stopped by SIGTERM. The state is saved; the same command resumes.",
            file=sys.stderr,
        )
        raise
    except KeyboardInterrupt:
        print(f"keras-transfer: interrupted{_way_on(options)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        if options.traceback:
            raise
        print(f"keras-transfer: error: {_message(error)}", file=sys.stderr)
        return getattr(error, "exit_code", FAILURE)


def _way_on(options):
    """What the same command does after Ctrl-C."""
    if options.command == "fit":
        return ". The same command goes on from the last state that was saved, if there is one."
    if options.command in _CACHING:
        return ". The same command continues with the features that are already cached."
    return ""


def main_process():
    """Runs a command, and ends the process with its exit code."""
    # The traces of a network make many objects that stay; Python would look through them for
    # garbage again and again.
    gc.set_threshold(100_000, 20, 50)
    code = main()
    sys.stderr.flush()
    if "TF_CONFIG" in os.environ:  # workers wait for each other at exit
        raise SystemExit(code)
    # Python takes a second to unload TensorFlow.
    os._exit(code)


def _imported(command):
    with _objects_kept() if "tensorflow" not in sys.modules else contextlib.nullcontext():
        _import_tensorflow()
        return _run_of(command)


def _run_of(command):
    """The function of a command; its module imports TensorFlow."""
    match command:
        case "audit":
            from keras_transfer.cli.audit import run
        case "backbones":
            from keras_transfer.cli.backbones import run
        case "cache":
            from keras_transfer.cli.cache import run
        case "demo":
            from keras_transfer.cli.demo import run
        case "evaluate":
            from keras_transfer.cli.run_commands import evaluate as run
        case "export":
            from keras_transfer.cli.run_commands import export as run
        case "find-lr":
            from keras_transfer.cli.find_lr import run
        case "fit":
            from keras_transfer.cli.fit import run
        case "predict":
            from keras_transfer.cli.predict import run
        case "probe":
            from keras_transfer.cli.probe import run
        case "rank":
            from keras_transfer.cli.rank import run
        case "recommend":
            from keras_transfer.cli.recommend import run
        case "report":
            from keras_transfer.cli.run_commands import report as run
    return run


def _message(error):
    if type(error).__module__.startswith("tensorflow"):
        # The lines give the place in the graph; the last one says what happened.
        lines = [line.strip() for line in str(error).splitlines()]
        kept = [line for line in lines if line and not line.startswith(_ABOUT_THE_GRAPH)]
        what = printable(kept[-1].split("}} ")[-1]) if kept else type(error).__name__
        if any(words in what.lower() for words in _OUT_OF_MEMORY):
            return (
                "The memory of the device is full: use a smaller --batch-size or --image-size, "
                f"and end other programs on the device. Received: {what}"
            )
        return f"{what} Leave out --deterministic." if "determinis" in what else what
    if isinstance(error, OSError) and error.strerror and error.filename:
        return printable(f"{error.strerror}: '{error.filename}'")  # without [Errno 2]
    return printable(str(error)) or type(error).__name__


@contextlib.contextmanager
def _hidden(names):
    """Modules that cannot be imported here, as if they were not installed."""
    hidden = dict.fromkeys(set(names) - set(sys.modules))
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _objects_kept():
    """Keeps the objects that are made here from Python's garbage collector.

    TensorFlow and Keras make a million objects that live as long as the process. Looking
    through them again and again takes a fifth of the time of an import or a trace.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _import_tensorflow():
    """Imports TensorFlow without the lines that it logs while it is imported."""
    import tempfile

    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        sys.stderr.flush()
        os.dup2(log.fileno(), 2)
        try:
            with _hidden(_WRAPPED_BY_KERAS):
                import keras  # noqa: F401
            import tensorflow

            # It advises against new traces, which a new model needs.
            tensorflow.get_logger().setLevel("ERROR")
        except Exception:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _print_warning(message, category, filename, lineno, file=None, line=None):
    """Prints the warnings that the user can act on, and no deprecations in libraries."""
    if issubclass(category, UserWarning):
        print(f"keras-transfer: warning: {printable(str(message))}", file=sys.stderr)
