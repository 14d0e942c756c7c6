"""The arguments of the commands that look before a training."""

from keras_transfer.cli.argument_types import count, positive
from keras_transfer.cli.fit_arguments import add_backbone, add_cache, add_unreadable

_RUN = "a folder for the results, which may be that of a later `fit`"


def add_rank_arguments(rank):
    """Adds the arguments of `rank` to a parser."""
    rank.add_argument("data", metavar="DATA", help="the folder of pictures")
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
        help="add each network with random weights, which shows what pretraining is worth",
    )
    rank.add_argument(
        "--image-size",
        type=positive,
        metavar="PIXELS",
        help="height and width for all (default: 160)",
    )
    _add_common(rank)


def add_recommend_arguments(recommend):
    """Adds the arguments of `recommend` to a parser."""
    add_backbone_and_data(recommend)
    recommend.add_argument(
        "--settle",
        action="store_true",
        help="find out by experiment, in some minutes, whether transfer helps",
    )


def add_find_lr_arguments(find_lr):
    """Adds the arguments of `find-lr` to a parser."""
    add_backbone_and_data(find_lr)
    find_lr.add_argument(
        "--unfreeze",
        type=count,
        default=0,
        metavar="STAGES",
        help="train so many of the last stages too, each at 0.7 times the rate of the next "
        "(default: the head alone)",
    )
    find_lr.add_argument("--batch-size", type=positive, default=32, help="default: %(default)s")


def add_backbone_and_data(command):
    """Adds the pictures, one backbone, and where results go."""
    command.add_argument("data", metavar="DATA", help="the folder of pictures")
    add_backbone(command)
    _add_common(command)


def add_audit_arguments(audit):
    """Adds the arguments of `audit` to a parser."""
    add_backbone_and_data(audit)
    audit.add_argument(
        "--new", metavar="FOLDER", help="pictures that a model is to be used on, in any folders"
    )
    audit.add_argument(
        "--metadata",
        metavar="FILE",
        help="a CSV file with a column 'path' and others; see --group",
    )
    audit.add_argument(
        "--group",
        metavar="COLUMN",
        help="its column with the group of each picture, such as a hospital or a camera",
    )


def _add_common(command):
    command.add_argument("--output", required=True, metavar="RUN", help=_RUN)
    add_unreadable(command)
    add_cache(command, can_do_without=False)
