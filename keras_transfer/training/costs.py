"""What the parts of a training cost on this machine."""

import dataclasses
import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph

# What follows was measured on two idle cores of 2 GHz with MobileNetV2 0.35.
# Before the first step of a phase its graph is traced: for a head, and for each stage.
_HEAD_SETUP, _STAGE_SETUP = 2.0, 1.5
# Another engine converts the stem first, and then runs so many times faster than TensorFlow.
_ENGINE_SETUP, _ENGINE_SPEED = {"openvino": 2.5}, {"openvino": 4.0}
# A further view of a picture is augmented again, but not decoded.
_AUGMENTING_SHARE = 0.5
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
        """Seconds to extract the features before the last `num_stages` stages."""
        frozen = self.forward[: len(self.forward) - num_stages]
        readings = 1 + (views - 1) * _AUGMENTING_SHARE
        return self.engine_setup + num_images * (self.read * readings + views * sum(frozen))

    def continuation(self, num_stages, num_images):
        """Seconds to compute the head's features from those before the last `num_stages`."""
        rest = self.forward[len(self.forward) - num_stages :]
        return self.engine_setup + num_images * sum(rest)

    def tuning(self, num_stages, num_images, epochs):
        """Seconds to train the last `num_stages` stages on their features."""
        trained = self.step[len(self.step) - num_stages :]
        setup = _HEAD_SETUP + _STAGE_SETUP * num_stages
        return setup + epochs * num_images * sum(trained) * (1 + _VALIDATION_SHARE)


def measure_costs(model, train, engine="tensorflow"):
    """Measures the costs in two or three seconds.

    Each part runs once on one picture and on several; the difference leaves out what a call
    costs whatever it holds. These passes are not compiled, since to trace a network takes
    longer than to run it a few times; how much faster a graph is differs from network to
    network, and is measured on one part, forward and back.

    Args:
        model: a `TransferModel`.
        train: a `tf.data.Dataset` of batches that start with pictures.
        engine: the name of the engine that will run the stem.

    Returns:
        `Costs`.
    """
    images, read = _read(train)
    forward, step = [], []
    parts = _parts(model.backbone)
    typical = parts[-2:][0]  # most plans train it
    for part in parts:
        ahead, there_and_back = _passes(part)
        forward.append(_seconds_for_one(ahead, images))
        # On a busy machine the shorter pass may seem to take longer.
        step.append(max(_seconds_for_one(there_and_back, images), forward[-1]))
        if part is typical:
            graph_seconds = _seconds_of(tf.function(there_and_back, autograph=False), images)
            gain = graph_seconds / (_MANY * step[-1])
        images = part(images, training=False)
    speed = _ENGINE_SPEED.get(engine, 1.0)
    return Costs(
        read,
        tuple(gain * seconds / speed for seconds in forward),
        tuple(gain * seconds for seconds in step),
        _ENGINE_SETUP.get(engine, 0.0),
    )


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


def _passes(part):
    """Functions that run a part forward, and forward and back."""
    # Whatever is frozen now; but BatchNormalization stays frozen in every plan.
    layers = [layer for layer in part.layers if not isinstance(layer, _FROZEN_KIND)]
    weights = [variable.value for layer in layers for variable in layer.weights]

    def forward(images):
        return part(images, training=False)

    def forward_and_back(images):
        with tf.GradientTape() as tape:
            tape.watch([images, *weights])
            output = forward(images)
        return tape.gradient(output, [images, *weights])

    return forward, forward_and_back


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
