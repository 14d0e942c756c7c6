"""What depends on the device: a whole run by part, rates from memory, steps of fine-tuning."""

import pathlib
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import images, networks
from benchmarks.jobs import UnavailableError
from benchmarks.rates import alternate, predicting
from keras_transfer import distribution, features, freezing, runs
from keras_transfer.data.labeled_dataset import without_autotuning

_NUM_CLASSES, _BATCH = 10, 32
# A CPU would take an hour for these.
_FOR_GPUS = ("ResNet50-random",)


def device():
    """The name of the first GPU, else "CPU"."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")


def _suits(network):
    if device() == "CPU" and network in _FOR_GPUS:
        raise UnavailableError(f"{network} is measured on a GPU only")


def whole_run(data_set, network, image_size, limit=None):
    """Seconds of `keras-transfer fit`, by part, with the start and the end of the process."""
    one = networks.NETWORKS[network]
    width = [f"--alpha={one.arguments['alpha']}"] if one.arguments else []
    with images.opened(data_set, limit) as folder, tempfile.TemporaryDirectory() as aside:
        images.read_once(folder.path)
        output = pathlib.Path(aside) / "run"
        command = [
            sys.executable, "-m", "keras_transfer.cli", "fit", str(folder.path),
            f"--output={output}", f"--backbone={one.application}", *width,
            f"--image-size={image_size}", f"--weights={one.weights}",
        ]  # fmt: skip
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        total = time.perf_counter() - started
        run = runs.Run(output)
        parts = dict(run.course["seconds"])
        parts["report, start and end of the process"] = total - sum(parts.values())
        values = {"accuracy": run.metrics["validation"]["accuracy"], "seconds": total}
        rows = [{"row": "whole command", "values": values}]
        rows += [{"row": part, "values": {"seconds": took}} for part, took in parts.items()]
    return [{**row, "device": device()} for row in rows]


def from_memory(network, image_size, num_images, rounds):
    """Images per second from memory: the frozen part as functions, `predict` and `extract`.

    The functions are traced before; `extract` begins with an empty cache each time. XLA, which
    Keras uses on a GPU by itself, is left out: it would compile for minutes.
    """
    _suits(network)
    if device() == "CPU":
        num_images = min(num_images, 512)
    model = networks.transfer_model(network, image_size, _NUM_CLASSES)
    stem = model.stem()
    stem.jit_compile = False
    random = np.random.default_rng(0)
    shown = random.integers(0, 256, (num_images, image_size, image_size, 3), "uint8")
    dataset = tf.data.Dataset.from_tensor_slices(shown).batch(_BATCH)

    def through(function):
        def run():
            for batch in dataset.rebatch(min(512, num_images)):
                function(tf.cast(batch, "float32")).numpy()
            return {"images": num_images}

        run()
        return run

    def read():
        return {"images": sum(len(batch) for batch in dataset)}

    def extract():
        with tempfile.TemporaryDirectory() as directory:
            found = features.FeatureCache(directory).extract(model, dataset)
            return {"images": found.num_images}

    def infer(batch):
        return stem(batch, training=False)

    contestants = {
        "reading": read,
        "function": through(tf.function(infer, autograph=False)),
        "predict": predicting(stem, shown),
        "extract": extract,
    }
    return [{**row, "device": device()} for row in alternate(contestants, rounds)]


def full_steps(network, image_size, steps, rounds, xla=False):
    """Steps that train everything, by `TransferModel.fit` and by plain Keras."""
    _suits(network)
    if xla and device() == "CPU":
        raise UnavailableError("XLA is slow for convolutions on a CPU: measured on a GPU only")
    keras.config.set_dtype_policy(distribution.mixed_precision_policy())
    random = np.random.default_rng(0)
    batch = random.uniform(0, 255, (_BATCH, image_size, image_size, 3)).astype("float32")
    labels = random.integers(0, _NUM_CLASSES, _BATCH)
    # The end of a pass would wait for the thread of the autotuning, for up to a second.
    dataset = without_autotuning(tf.data.Dataset.from_tensors((batch, labels)).cache().repeat())
    own = networks.transfer_model(network, image_size, _NUM_CLASSES, freezing.FreezeNone())
    base, plain = networks.plain_model(network, image_size, _NUM_CLASSES)
    for layer in base.layers:  # both train the same weights
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    own.compile("adamw", jit_compile=xla)
    plain.compile("adamw", loss, metrics=["accuracy"], jit_compile=xla)
    contestants = {}
    for name, model in (("plain Keras", plain), ("TransferModel", own)):

        def run(model=model):
            model.fit(dataset, steps_per_epoch=steps, verbose=0)
            return {"steps": steps}

        run()
        contestants[name] = run
    return [{**row, "device": device()} for row in alternate(contestants, rounds)]
