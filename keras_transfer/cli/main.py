"""The command line: arguments, exit codes and messages.

Only what parses arguments is imported here, so that `--help` answers at once; each command is a
module of its own, imported when it runs.
"""

import argparse
import importlib
import math
import os
import re
import sys
import warnings

from keras_transfer.messages import printable
from keras_transfer.version import __version__

_EXAMPLES = """
examples:
  keras-transfer fit photos --backbone MobileNetV2 --image-size 160 --output run
  keras-transfer evaluate run more-photos
  keras-transfer predict run cat.jpg dog.jpg
  keras-transfer export run
  keras-transfer demo
"""

_FIT_EXAMPLES = """
DATA holds a folder for each class, or `train`, `validation` and `test` folders that do.

examples:
  keras-transfer fit photos --output run
  keras-transfer fit photos --backbone EfficientNetV2B0 --image-size 224 --output run
  keras-transfer fit photos --backbone MobileNetV2 --alpha 0.35 --image-size 160 \\
      --weights mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5 --output run
"""

_LAUNCH_EXAMPLES = """
example:
  keras-transfer launch --workers 2 --restarts 3 -- fit photos --output run
"""

# What a person can mend is told in a line and ends with 1; argparse ends with 2 for arguments.
_FAILURE, _INTERRUPTED = 1, 130


def build_parser():
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="keras-transfer",
        description="Transfer learning for Keras: from a folder of pictures to a model that "
        "TensorFlow Serving loads.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code an error came from"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_fit(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_export(commands)
    _add_cache(commands)
    _add_launch(commands)
    _add(commands, "backbones", "list the networks that can be transferred")
    demo = _add(commands, "demo", "show what transfer is worth, offline, in three minutes")
    demo.add_argument(
        "--output", default="demo-output", help="folder for the export (default: %(default)s)"
    )
    demo.add_argument(
        "--quick", action="store_true", help="one seed and little data: only a smoke test"
    )
    return parser


def _add(commands, name, summary, epilog=None):
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_fit(commands):
    fit = _add(commands, "fit", "train a model on a folder of pictures", _FIT_EXAMPLES)
    fit.add_argument("data", metavar="DATA", help="the folder of pictures")
    fit.add_argument(
        "--output", required=True, metavar="RUN", help="a new folder for all results"
    )
    fit.add_argument(
        "--backbone",
        default="MobileNetV2",
        metavar="NAME",
        help="network (default: %(default)s)",
    )
    fit.add_argument(
        "--image-size",
        type=_positive,
        metavar="PIXELS",
        help="height and width (default: own)",
    )
    fit.add_argument(
        "--weights",
        default="imagenet",
        help="'imagenet', a file, or 'none' (default: imagenet)",
    )
    fit.add_argument("--alpha", type=float, help="width of a MobileNet")
    fit.add_argument("--batch-size", type=_positive, default=32, help="default: %(default)s")
    fit.add_argument(
        "--augmentation",
        choices=("none", "light", "standard", "strong"),
        default="standard",
        help="random changes of the training pictures (default: %(default)s)",
    )
    length = fit.add_mutually_exclusive_group()
    length.add_argument(
        "--plan", metavar="FILE", help="a plan.json; by default the data decide"
    )
    fit.add_argument(
        "--balance", action="store_true", help="weigh each class alike, whatever its size"
    )
    fit.add_argument(
        "--on-unreadable",
        choices=("raise", "skip"),
        default="raise",
        help="what to do about pictures that cannot be read (default: %(default)s)",
    )
    length.add_argument(
        "--time-budget",
        type=_seconds,
        metavar="TIME",
        help="how long the training may take, such as 90s, 5m or 2h (default: as long as "
        "accuracy asks for)",
    )
    fit.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "openvino"),
        default="auto",
        help="what runs the frozen part (default: %(default)s)",
    )
    cache = fit.add_mutually_exclusive_group()
    cache.add_argument(
        "--cache", metavar="FOLDER", help="where features are kept (default: the user's cache)"
    )
    cache.add_argument(
        "--no-cache",
        action="store_true",
        help="compute the frozen part again in every epoch",
    )
    fit.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    fit.add_argument(
        "--deterministic",
        action="store_true",
        help="the same numbers in every run on the same machine, which is slower on GPUs",
    )
    fit.add_argument(
        "--checkpoint-every",
        type=_positive,
        metavar="STEPS",
        help="save the state within an epoch as well (default: at the ends of epochs)",
    )
    fit.add_argument(
        "--distribution",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
        default="auto",
        help="what to train on; auto takes a TPU, the workers of TF_CONFIG or Slurm, all GPUs, "
        "or one device (default: %(default)s)",
    )


def _add_evaluate(commands):
    evaluate = _add(commands, "evaluate", "measure a trained model on a folder of pictures")
    evaluate.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    evaluate.add_argument(
        "data", metavar="DATA", help="class folders; of splits, `test` or else `validation`"
    )
    evaluate.add_argument("--on-unreadable", choices=("raise", "skip"), default="raise")
    evaluate.add_argument(
        "--batch-size", type=_positive, default=32, help="default: %(default)s"
    )


def _add_predict(commands):
    predict = _add(commands, "predict", "say what is in pictures")
    predict.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="files to look at")
    predict.add_argument(
        "--top", type=_positive, default=1, help="how many classes to name (default: 1)"
    )
    predict.add_argument("--json", action="store_true", help="print a JSON object a line")


def _add_export(commands):
    export = _add(commands, "export", "write a trained model for TensorFlow Serving")
    export.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    where = export.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="FOLDER", help="default: RUN/serving")
    where.add_argument("--file", metavar="FILE", help="a .tflite or .onnx file instead")


def _add_launch(commands):
    launch = _add(
        commands,
        "launch",
        "start workers on this machine that run a command together",
        _LAUNCH_EXAMPLES,
    )
    launch.add_argument(
        "--workers", type=_positive, required=True, metavar="N", help="how many processes"
    )
    launch.add_argument(
        "--restarts",
        type=_count,
        default=0,
        metavar="N",
        help="how often to start them all again after one has failed (default: %(default)s)",
    )
    launch.add_argument(
        "--logs",
        metavar="FOLDER",
        default="launch-logs",
        help="folder for what each worker prints (default: %(default)s)",
    )
    launch.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="-- fit ...", help="what they run"
    )


def _add_cache(commands):
    cache = _add(commands, "cache", "list the features that are kept on disk, or remove them")
    cache.add_argument(
        "--directory", metavar="FOLDER", help="the cache (default: the user's cache folder)"
    )
    what = cache.add_mutually_exclusive_group()
    what.add_argument("--clear", action="store_true", help="remove all")
    what.add_argument("--remove", nargs="+", metavar="KEY", help="remove these")
    what.add_argument(
        "--limit",
        type=_bytes,
        metavar="SIZE",
        help="remove what was not used for longest until the rest fits, such as 500MB or 5GB",
    )


def _seconds(text):
    return _number_with_unit(text, {"s": 1, "m": 60, "h": 3600}, "a time such as 90s, 5m or 2h")


def _bytes(text):
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    return int(_number_with_unit(text, units, "a size such as 500MB or 5GB"))


def _number_with_unit(text, units, expected):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text)
    size = found and {name.lower(): size for name, size in units.items()}.get(found[2].lower())
    if size is None or not 0 < float(found[1]) * size < math.inf:
        raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
    return float(found[1]) * size


def _count(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be 0 or a positive integer, not {text!r}")
    return int(text)


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return int(text)


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
        command = importlib.import_module(f"keras_transfer.cli.{options.command}")
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _tell_warning
            return command.run(options) or 0
    except KeyboardInterrupt:
        print("keras-transfer: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILURE
    except Exception as error:
        if options.traceback:
            raise
        print(f"keras-transfer: error: {_message(error)}", file=sys.stderr)
        return _FAILURE


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
