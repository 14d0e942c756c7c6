"""What the parts of a training cost on this machine."""

import dataclasses
import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph

# Before the first step of a phase its graph is traced: for a head, and for each stage.
_HEAD_SETUP, _STAGE_SETUP = 2.0, 3.0
# Another engine converts the stem first, and then runs so many times faster than TensorFlow.
_ENGINE_SETUP, _ENGINE_SPEED = {"openvino": 3.0}, {"openvino": 4.0}
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
        return self.engine_setup + num_images * views * (self.read + sum(frozen))

    def tuning(self, num_stages, num_images, epochs):
        """Seconds to train the last `num_stages` stages on their features."""
        trained = self.step[len(self.step) - num_stages :]
        setup = _HEAD_SETUP + _STAGE_SETUP * num_stages
        return setup + epochs * num_images * sum(trained) * (1 + _VALIDATION_SHARE)


def measure_costs(model, train, engine="tensorflow"):
    """Measures the costs in about a second.

    Each part runs once on one picture and on several; the difference leaves out what a call
    costs whatever it holds.

    Args:
        model: a `TransferModel`.
        train: a `tf.data.Dataset` of batches that start with pictures.
        engine: the name of the engine that will run the stem.

    Returns:
        `Costs`.
    """
    images, read = _read(train)
    forward, step = [], []
    for part in _parts(model.backbone):
        passes = {size: _time_passes(part, images[:size]) for size in (_FEW, len(images))}
        more = max(len(images) - _FEW, 1)
        ahead, back = (
            max(long - short, 0.1 * long) / more
            for short, long in zip(passes[_FEW], passes[len(images)], strict=True)
        )
        forward.append(ahead / _ENGINE_SPEED.get(engine, 1.0))
        step.append(ahead + back)
        images = part(images, training=False)
    return Costs(read, tuple(forward), tuple(step), _ENGINE_SETUP.get(engine, 0.0))


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


def _time_passes(part, images):
    """Seconds of a pass forward and of one back, each the shorter of two."""
    # Whatever is frozen now; but BatchNormalization stays frozen in every plan.
    layers = [layer for layer in part.layers if not isinstance(layer, _FROZEN_KIND)]
    weights = [variable.value for layer in layers for variable in layer.weights]
    ahead, back = [], []
    for _ in range(2):
        started = time.perf_counter()
        with tf.GradientTape() as tape:
            tape.watch([images, *weights])
            output = part(images, training=False)
        ahead.append(time.perf_counter() - started)
        started = time.perf_counter()
        tape.gradient(output, [images, *weights])
        back.append(time.perf_counter() - started)
    return min(ahead), min(back)
