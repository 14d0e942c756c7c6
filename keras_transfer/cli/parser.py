"""The commands and their arguments."""

import argparse

from keras_transfer.cli.arguments import (
    CommandParser,
    Parser,
    add_augmentation,
    add_backbone,
    add_data,
    add_findings,
    add_labels,
    add_run,
    add_unreadable,
    count,
    positive,
    probability,
    size_in_bytes,
)
from keras_transfer.cli.fit_arguments import FIT_EXAMPLES, add_fit
from keras_transfer.version import __version__

_EXAMPLES = """
examples:
  keras-transfer fit photos --backbone MobileNetV2 --image-size 160 --output run
  keras-transfer evaluate run more-photos
  keras-transfer predict run cat.jpg dog.jpg
  keras-transfer predict run new-photos --output predictions.csv
  keras-transfer export run
  keras-transfer demo
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
    parser = Parser(
        prog="keras-transfer",
        description="Transfer learning for Keras: from a folder of images to a model that "
        "TensorFlow Serving loads.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of errors")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    for add in (
        _add_fit, _add_evaluate, _add_predict, _add_export, _add_report, _add_audit, _add_rank,
        _add_probe, _add_recommend, _add_find_lr, _add_backbones, _add_cache_command, _add_demo,
    ):  # fmt: skip
        add(commands)
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
    add_fit(_add(commands, "fit", "train a model on a folder or a CSV file", FIT_EXAMPLES))


def _add_evaluate(commands):
    evaluate = _add(commands, "evaluate", "measure a trained model on labelled images")
    add_run(evaluate)
    evaluate.add_argument(
        "data",
        metavar="DATA",
        help="class folders, or a CSV file with the columns of the training; of splits, "
        "`test`, else `validation`",
    )
    add_labels(evaluate)
    evaluate.add_argument(
        "--masks", metavar="FOLDER", help="the folder of the masks, as in `fit`"
    )
    evaluate.add_argument(
        "--boxes", metavar="FILE", help="the file with the boxes, as in `fit` (default: DATA)"
    )
    add_unreadable(evaluate)
    evaluate.add_argument(
        "--batch-size", type=positive, default=32, help="default: %(default)s"
    )


def _add_predict(commands):
    predict = _add(commands, "predict", "predict the classes, labels, numbers, masks or boxes")
    add_run(predict)
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files or folders of them; @FILE or - (the standard input) for a list with "
        "a path in each line; of other runs: texts or text files, sounds, or a CSV file with "
        "the columns. A text may begin with @ if there is no such FILE",
    )
    predict.add_argument(
        "--output",
        metavar="FILE",
        help="a CSV file for all probabilities or numbers; of a run with masks, a folder for "
        "PNG files; of one with boxes, a COCO file if it ends in .json",
    )
    predict.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="mark images whose highest probability is not above this; of several labels, "
        "predict those from this on; with --output, and for labels, the default is the "
        "threshold on the page of the run",
    )
    predict.add_argument(
        "--top", type=positive, default=1, help="number of classes to print (default: 1)"
    )
    predict.add_argument("--json", action="store_true", help="print one JSON object per line")


def _add_export(commands):
    export = _add(commands, "export", "write a trained model for TensorFlow Serving")
    add_run(export)
    where = export.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="FOLDER", help="default: RUN/serving")
    where.add_argument("--file", metavar="FILE", help="a .tflite, .onnx or .keras file instead")


def _add_report(commands):
    report = _add(commands, "report", "write the page about a run again")
    add_run(report)
    report.add_argument("--output", metavar="FILE", help="default: RUN/report.html")


def _add_audit(commands):
    audit = _add(commands, "audit", "look for problems in the images", _AUDIT_EXAMPLES)
    add_data(audit)
    add_backbone(audit)
    add_findings(audit)
    audit.add_argument(
        "--new", metavar="FOLDER", help="images that a model will be used on, in any subfolders"
    )


def _add_rank(commands):
    rank = _add(commands, "rank", "find out which network to start from", _RANK_EXAMPLES)
    add_data(rank)
    rank.add_argument(
        "--backbones",
        nargs="+",
        required=True,
        metavar="NAME",
        help="networks: a name, or NAME,alpha=0.35,weights=FILE,classifier=FILE, where the "
        "classifier is the same network with its top, for LEEP and NCE",
    )
    rank.add_argument(
        "--random-twins",
        action="store_true",
        help="add each network with random weights, which shows the value of pretraining",
    )
    rank.add_argument(
        "--image-size",
        type=positive,
        default=160,
        metavar="PIXELS",
        help="height and width for all (default: %(default)s)",
    )
    add_findings(rank)


def _add_probe(commands):
    probe = _add(commands, "probe", "find out how much of a network is useful")
    add_data(probe)
    add_backbone(probe)
    add_findings(probe)


def _add_recommend(commands):
    recommend = _add(commands, "recommend", "choose what to train, with reasons")
    add_data(recommend)
    add_backbone(recommend)
    add_findings(recommend)
    add_augmentation(recommend)
    recommend.add_argument(
        "--settle",
        action="store_true",
        help="find out by experiment, in some minutes, whether transfer helps",
    )


def _add_find_lr(commands):
    find_lr = _add(commands, "find-lr", "run a learning-rate range test")
    add_data(find_lr)
    add_backbone(find_lr)
    add_findings(find_lr)
    find_lr.add_argument(
        "--unfreeze",
        type=count,
        default=0,
        metavar="STAGES",
        help="also train this number of last stages, each at 0.7 times the learning rate of "
        "the next (default: 0, the head alone)",
    )
    find_lr.add_argument("--batch-size", type=positive, help="default: 32")


def _add_backbones(commands):
    listing = _add(commands, "backbones", "list the networks of keras.applications")
    listing.add_argument(
        "name", nargs="?", metavar="NAME", help="only this network: where its weights come from"
    )


def _add_cache_command(commands):
    cache = _add(commands, "cache", "list the cached features, or remove them")
    cache.add_argument(
        "--directory", metavar="FOLDER", help="the cache (default: the user's cache folder)"
    )
    what = cache.add_mutually_exclusive_group()
    what.add_argument("--clear", action="store_true", help="remove all entries")
    what.add_argument("--remove", nargs="+", metavar="KEY", help="remove these entries")
    what.add_argument(
        "--limit",
        type=size_in_bytes,
        metavar="SIZE",
        help="remove the least recently used entries above this size, for example 5GB",
    )


def _add_demo(commands):
    demo = _add(commands, "demo", "show the value of transfer, offline, in two minutes")
    demo.add_argument(
        "--output", default="demo-output", help="folder for the export (default: %(default)s)"
    )
    demo.add_argument(
        "--quick", action="store_true", help="one seed and few data: a smoke test"
    )
