"""Transfer learning for Keras 3 and TensorFlow.

Take a network that has already learned to see, say what stays as it is, attach a head for the
new task, give every layer its own learning rate, train it with `model.fit`, and hand it to
TensorFlow Serving.
"""

import os
import sys

from keras_transfer.version import __version__

__all__ = [
    "__version__",
    "adaptation",
    "auditing",
    "backbones",
    "calibration",
    "callbacks",
    "data",
    "distribution",
    "explanations",
    "features",
    "freezing",
    "heads",
    "models",
    "optimizers",
    "plans",
    "pretraining",
    "relations",
    "retention",
    "runs",
    "serving",
    "training",
    "transferability",
]


def _is_command_line():
    """Whether this process is `keras-transfer` or `python -m keras_transfer`."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    if program != "-m":
        return program in ("keras-transfer", "keras-transfer.exe")
    # `python -m` is still looking for its module, whose name only the original line has.
    return sys.orig_argv[1] == "-m" and sys.orig_argv[2] in (
        "keras_transfer",
        "keras_transfer.cli",
    )


# `keras.saving.load_model` finds our classes only if they are registered, so importing the
# package imports them all. The command line must answer `--help` without TensorFlow: there
# they are imported when they are first used.
if not _is_command_line():
    from keras_transfer import (
        adaptation,
        auditing,
        backbones,
        calibration,
        callbacks,
        data,
        distribution,
        explanations,
        features,
        freezing,
        heads,
        models,
        optimizers,
        plans,
        pretraining,
        relations,
        retention,
        runs,
        serving,
        training,
        transferability,
    )
