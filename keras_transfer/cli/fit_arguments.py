"""The arguments of `keras-transfer fit`."""

from keras_transfer.cli.argument_types import positive, seconds


def add_fit_arguments(fit):
    """Adds them to a parser."""
    fit.add_argument("data", metavar="DATA", help="the folder of pictures")
    fit.add_argument(
        "--output", required=True, metavar="RUN", help="a new folder for all results"
    )
    add_backbone(fit)
    _add_truncation(fit)
    _add_pictures(fit)
    _add_training(fit)
    add_cache(fit)
    _add_course(fit)


def add_backbone(command):
    """Adds what says which network is taken."""
    command.add_argument(
        "--backbone",
        default="MobileNetV2",
        metavar="NAME",
        help="network (default: %(default)s)",
    )
    command.add_argument(
        "--image-size",
        type=positive,
        metavar="PIXELS",
        help="height and width (default: own)",
    )
    command.add_argument(
        "--weights",
        default="imagenet",
        help="'imagenet', a file, or 'none' (default: imagenet)",
    )
    command.add_argument("--alpha", type=float, help="width of a MobileNet")


def _add_truncation(fit):
    fit.add_argument(
        "--truncate-at",
        metavar="BOUNDARY",
        help="leave out the layers after this one, such as what `probe` names",
    )


def _add_pictures(fit):
    fit.add_argument("--batch-size", type=positive, default=32, help="default: %(default)s")
    fit.add_argument(
        "--augmentation",
        choices=("none", "light", "standard", "strong"),
        default="standard",
        help="random changes of the training pictures (default: %(default)s)",
    )
    fit.add_argument(
        "--balance", action="store_true", help="weigh each class alike, whatever its size"
    )
    add_unreadable(fit)


def add_unreadable(command):
    """Adds what happens to damaged pictures."""
    command.add_argument(
        "--on-unreadable",
        choices=("raise", "skip"),
        default="raise",
        help="what to do about pictures that cannot be read (default: %(default)s)",
    )


def _add_training(fit):
    length = fit.add_mutually_exclusive_group()
    length.add_argument(
        "--plan",
        metavar="FILE",
        help="a plan.json, or 'auto' for what `recommend` says; by default the number of "
        "pictures decides",
    )
    length.add_argument(
        "--time-budget",
        type=seconds,
        metavar="TIME",
        help="how long the training may take, such as 90s, 5m or 2h (default: as long as "
        "accuracy asks for)",
    )


def add_cache(command, can_do_without=True):
    """Adds what computes features, and where they are kept."""
    command.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "openvino"),
        default="auto",
        help="what runs the frozen part (default: %(default)s)",
    )
    cache = command.add_mutually_exclusive_group()
    cache.add_argument(
        "--cache", metavar="FOLDER", help="where features are kept (default: the user's cache)"
    )
    if not can_do_without:
        command.set_defaults(no_cache=False)
        return
    cache.add_argument(
        "--no-cache",
        action="store_true",
        help="compute the frozen part again in every epoch",
    )


def _add_course(fit):
    fit.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    fit.add_argument(
        "--deterministic",
        action="store_true",
        help="the same numbers in every run on the same machine, which is slower on GPUs",
    )
    fit.add_argument(
        "--checkpoint-every",
        type=positive,
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
