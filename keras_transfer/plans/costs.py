"""What the parts of a training cost on this machine."""

import dataclasses
import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph

# What follows was measured on two idle cores of 2 GHz with MobileNetV2 0.35.
# A head on its features as a whole; then, for each stage, what is traced before its first step.
_HEAD_SECONDS, _STAGE_SETUP = 3.5, 1.7
# Another engine converts the stem first, and then runs so many times faster than TensorFlow.
_ENGINE_SETUP, _ENGINE_SPEED = {"openvino": 2.5}, {"openvino": 4.0}
# Of reading an augmented picture. A further view is not decoded again.
_AUGMENTING_SHARE = 0.5
# Of a pass forward and back, the way forward.
_FORWARD_SHARE = 0.4
# A pass without gradients over the validation pictures, as a part of a training pass.
_VALIDATION_SHARE = 0.1
_MOST_STAGES = 3
_FEW, _MANY = 1, 16
_FROZEN_KIND = keras.layers.BatchNormalization


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take for one picture.

    Attributes:
        read: reading, decoding and augmenting.
        forward: a pass through the backbone in the engine that extracts features: through
            what comes before the last stages, then through each of these.
        step: the same forward and back, as these parts are trained.
        engine_setup: seconds to prepare the engine for a stem. Defaults to 0.
    """

    read: float
    forward: tuple
    step: tuple
    engine_setup: float = 0.0

    def extraction(self, num_stages, num_images, views):
        """Seconds to extract the features before the last `num_stages` stages.

        Of so many views of each picture, or for 0 of the pictures as they are.
        """
        frozen = sum(self.forward[: len(self.forward) - num_stages])
        read = self.read * (1 + _AUGMENTING_SHARE * (views - 1))
        return self.engine_setup + num_images * (read + max(views, 1) * frozen)

    def continuation(self, num_stages, num_images):
        """Seconds to compute the head's features from those before the last `num_stages`."""
        rest = self.forward[len(self.forward) - num_stages :]
        return self.engine_setup + num_images * sum(rest)

    def head(self):
        """Seconds to train the head alone on its features, whatever the network."""
        return _HEAD_SECONDS

    def tuning(self, num_stages, num_images, epochs):
        """Seconds to train the last `num_stages` stages on their features."""
        trained = self.step[len(self.step) - num_stages :]
        return _STAGE_SETUP * num_stages + epochs * num_images * sum(trained) * (
            1 + _VALIDATION_SHARE
        )


def measure_costs(model, train, engine="tensorflow"):
    """Measures the costs in two or three seconds.

    Each part runs once on one picture and on several; the difference leaves out what a call
    costs whatever it holds. These passes are not compiled, since to trace a network takes
    longer than to run it a few times; how much faster a graph is differs from network to
    network, and is measured on one part.

    Args:
        model: a `TransferModel`.
        train: a `tf.data.Dataset` of batches that start with pictures.
        engine: the name of the engine that will run the stem.

    Returns:
        `Costs`.
    """
    images, read = _read(train)
    parts = _parts(model.backbone)
    typical = parts[-2:][0]  # most plans train it
    step = []
    for part in parts:
        run = _there_and_back(part)
        step.append(_seconds_for_one(run, images))
        if part is typical:
            graph_seconds = _seconds_of(tf.function(run, autograph=False), images)
            gain = graph_seconds / (_MANY * step[-1])
        images = part(images, training=False)
    step = tuple(gain * seconds for seconds in step)
    share = _FORWARD_SHARE / _ENGINE_SPEED.get(engine, 1.0)
    forward = tuple(share * seconds for seconds in step)
    return Costs(read, forward, step, _ENGINE_SETUP.get(engine, 0.0))


def _read(train):
    """Some pictures, and the seconds that reading one takes once the reader is warm."""
    batches = (tf.nest.flatten(element)[0] for element in train)
    images = next(batches)
    started = time.perf_counter()
    read = sum(len(batch) for batch in itertools.islice(batches, 2))
    seconds = time.perf_counter() - started
    repeats = -(-_MANY // len(images))
    images = np.tile(images.numpy(), (repeats, 1, 1, 1))[:_MANY]
    return tf.constant(images, "float32"), seconds / read if read else 0.0


def _parts(backbone):
    """The backbone in pieces: what comes before the last stages, then each of these."""
    tensors = graph.boundaries(backbone)
    first = min(_MOST_STAGES, len(backbone.stages) - 1)
    ends = [tensors[stage.boundary] for stage in backbone.stages[-first - 1 :]]
    starts = [backbone.input, *ends]
    return [keras.Model(start, end) for start, end in zip(starts, ends, strict=False)]


def _there_and_back(part):
    """A function that runs a part forward and back."""
    # Whatever is frozen now; but BatchNormalization stays frozen in every plan.
    layers = [layer for layer in part.layers if not isinstance(layer, _FROZEN_KIND)]
    weights = [variable.value for layer in layers for variable in layer.weights]

    def run(images):
        with tf.GradientTape() as tape:
            tape.watch([images, *weights])
            output = part(images, training=False)
        return tape.gradient(output, [images, *weights])

    return run


def _seconds_for_one(run, images):
    """Seconds for each of several pictures, without those of the call itself."""
    few, many = (_seconds_of(run, images[:number]) for number in (_FEW, _MANY))
    return max(many - few, 0.1 * many) / (_MANY - _FEW)


def _seconds_of(function, images):
    """The shorter of two calls; a first one compiles what there is to compile."""
    function(images)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        function(images)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
