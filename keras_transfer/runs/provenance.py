"""Where a model comes from: when, how, with what and on which machine it was trained."""

import datetime
import os
import pathlib
import platform
import shlex
import statistics
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.data.image_splits import common_folder
from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.signatures import Signatures
from keras_transfer.version import __version__

# Calls before the measurement, and measured ones.
_WARM_UP, _MEASURED = 3, 15


def provenance_of(model, path, splits):
    """What `report.html` says about the origin of a model, as JSON values.

    Args:
        model: the trained `TransferModel`.
        path: its file.
        splits: the `ImageSplits` that it was trained on.

    Returns:
        A dict.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "date": now.isoformat(timespec="seconds"),
        "command": _command(),
        "versions": {
            "Python": platform.python_version(),
            "TensorFlow": tf.__version__,
            "Keras": keras.__version__,
            "keras_transfer": __version__,
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "accelerators": _accelerators(),
        },
        "num_images": dict(splits.num_images),
        "images_in": folder_of(splits),
        "source": model.backbone.source.to_json(),
        "parameters": model.count_params(),
        "bytes": pathlib.Path(path).stat().st_size,
        "latency_ms": round(1000 * _latency(model), 2),
    }


def folder_of(splits):
    """The folder that all image files lie in, as a string; None if there is none."""
    return common_folder(path for found in splits.paths.values() for path in found) or None


def _command():
    """The line that was typed, or the function that a program called."""
    program = pathlib.Path(sys.argv[0] if sys.argv else "")
    places = ("keras_transfer",), ("keras_transfer", "cli")
    is_module = program.name == "__main__.py" and (
        program.parts[-2:-1] in places or program.parts[-3:-1] in places
    )
    if program.stem == "keras-transfer" or is_module:
        return shlex.join(["keras-transfer", *sys.argv[1:]])
    return "keras_transfer.runs.fit, called from Python"


def _processor():
    """The name of the processor, which `platform` does not know on Linux."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _accelerators():
    devices = [
        device for device in tf.config.get_visible_devices() if device.device_type != "CPU"
    ]
    return [
        str(tf.config.experimental.get_device_details(device).get("device_name", device.name))
        for device in devices
        if device.device_type in ("GPU", "TPU")
    ]


def _latency(model):
    """The median of the seconds for one image, or one text."""
    signatures = Signatures(model)
    inputs = signatures.decoded(example_inputs(None, signatures))
    one = signatures.packed({name: rows[:1] for name, rows in inputs.items()})
    seconds = []
    for _ in range(_WARM_UP + _MEASURED):
        started = time.perf_counter()
        np.asarray(model.predict_step(one))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARM_UP:])
