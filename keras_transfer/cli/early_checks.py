"""Checks of names and paths that need no TensorFlow: a typing error is answered at once."""

import os

from keras_transfer._applications import APPLICATIONS, hint


def check(options):
    """Checks what the arguments name.

    Raises:
        FileNotFoundError: if a file or folder does not exist.
        ValueError: if there is no network of a name.
    """
    for name in (getattr(options, "backbone", None), *getattr(options, "backbones", ())):
        if name is not None:
            _check_backbone(name.split(",")[0])
    for name in ("data", "new", "metadata", "exclude"):
        path = getattr(options, name, None)
        if path is not None and not os.path.exists(path):
            raise FileNotFoundError(f"No such folder or file: '{path}'")
    run = getattr(options, "run", None)
    if run is not None and not os.path.isfile(os.path.join(run, "run.json")):
        raise FileNotFoundError(
            f"'{run}' is not a run folder: it has no 'run.json'. Make one with "
            f"`keras-transfer fit DATA --output {run}`."
        )
    for name, words in (("weights", ("imagenet", "none")), ("plan", ("auto",))):
        path = getattr(options, name, None)
        if path is not None and path.lower() not in words and not os.path.exists(path):
            raise FileNotFoundError(
                f"--{name}: '{path}' is no file, and not {' or '.join(map(repr, words))}."
            )


def _check_backbone(name):
    if name not in APPLICATIONS:
        raise ValueError(
            f"There is no network '{name}'. {hint(name)}`keras-transfer backbones` lists them "
            "all."
        )
