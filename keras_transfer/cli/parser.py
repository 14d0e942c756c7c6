"""The arguments of all commands."""

import argparse

from keras_transfer.cli.argument_types import count, positive, size_in_bytes
from keras_transfer.cli.fit_arguments import add_fit_arguments
from keras_transfer.cli.selection_arguments import (
    add_audit_arguments,
    add_backbone_and_data,
    add_find_lr_arguments,
    add_rank_arguments,
    add_recommend_arguments,
)
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

_RANK_EXAMPLES = """
example:
  keras-transfer rank photos --backbones MobileNetV2 EfficientNetV2B0 ResNet50 --output run
"""

_AUDIT_EXAMPLES = """
examples:
  keras-transfer audit photos --output run
  keras-transfer audit photos --new phone --output run
  keras-transfer audit photos --metadata photos/metadata.csv --group camera --output run
"""


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
    _add_report(commands)
    _add_cache(commands)
    _add_launch(commands)
    rank = _add(commands, "rank", "say which network to start from", _RANK_EXAMPLES)
    add_rank_arguments(rank)
    probe = _add(commands, "probe", "say after which stage to cut a network")
    add_backbone_and_data(probe)
    find_lr = _add(commands, "find-lr", "say which learning rates train a model")
    add_find_lr_arguments(find_lr)
    recommend = _add(commands, "recommend", "choose what to train, and say why")
    add_recommend_arguments(recommend)
    audit = _add(commands, "audit", "say what is wrong with pictures", _AUDIT_EXAMPLES)
    add_audit_arguments(audit)
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
    add_fit_arguments(fit)


def _add_evaluate(commands):
    evaluate = _add(commands, "evaluate", "measure a trained model on a folder of pictures")
    evaluate.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    evaluate.add_argument(
        "data", metavar="DATA", help="class folders; of splits, `test` or else `validation`"
    )
    evaluate.add_argument("--on-unreadable", choices=("raise", "skip"), default="raise")
    evaluate.add_argument(
        "--batch-size", type=positive, default=32, help="default: %(default)s"
    )


def _add_predict(commands):
    predict = _add(commands, "predict", "say what is in pictures")
    predict.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="files to look at")
    predict.add_argument(
        "--top", type=positive, default=1, help="how many classes to name (default: 1)"
    )
    predict.add_argument("--json", action="store_true", help="print a JSON object a line")


def _add_export(commands):
    export = _add(commands, "export", "write a trained model for TensorFlow Serving")
    export.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    where = export.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="FOLDER", help="default: RUN/serving")
    where.add_argument("--file", metavar="FILE", help="a .tflite or .onnx file instead")


def _add_report(commands):
    report = _add(commands, "report", "write the page about a run again")
    report.add_argument("run", metavar="RUN", help="the folder that `fit` wrote")
    report.add_argument("--output", metavar="FILE", help="default: RUN/report.html")


def _add_launch(commands):
    launch = _add(
        commands,
        "launch",
        "start workers on this machine that run a command together",
        _LAUNCH_EXAMPLES,
    )
    launch.add_argument(
        "--workers", type=positive, required=True, metavar="N", help="how many processes"
    )
    launch.add_argument(
        "--restarts",
        type=count,
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
        type=size_in_bytes,
        metavar="SIZE",
        help="remove what was not used for longest until the rest fits, such as 500MB or 5GB",
    )
