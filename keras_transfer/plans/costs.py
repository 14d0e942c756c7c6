"""How long the parts of a training take on this machine."""

import dataclasses
import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import with_own_gradients
from keras_transfer.backbones import graph
from keras_transfer.models.checks import check_model

# Measured on two idle cores of 2 GHz with MobileNetV2 0.35: seconds to train a head on its
# features, and to trace one stage before its first step.
_HEAD_SECONDS, _STAGE_SETUP = 1.5, 1.7
# Seconds to prepare the stem, and the speed relative to TensorFlow's.
_ENGINE_SETUP, _ENGINE_SPEED = {"openvino": 0.7}, {"openvino": 4.0}
# The share of augmentation in reading an image; a further view is not decoded again.
_AUGMENTING_SHARE = 0.3
# The share of the forward pass in a training step.
_FORWARD_SHARE = 0.4
# The time of validation, relative to that of a training epoch.
_VALIDATION_SHARE = 0.1
_MOST_STAGES = 3
_FEW, _MANY = 1, 16
_FROZEN_KIND = keras.layers.BatchNormalization


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take per image.

    Attributes:
        read: reading, decoding and augmenting.
        forward: a tuple: the forward pass, in the engine that extracts features, through the
            part before the last stages and then through each of these.
        step: a tuple: forward and backward pass through the same parts.
        engine_setup: seconds to prepare the engine for a stem. Defaults to 0.
    """

    read: float
    forward: tuple
    step: tuple
    engine_setup: float = 0.0

    def total(self, num_stages, num_images, epochs, views):
        """Seconds of a plan that trains the head, and then the last stages.

        Args:
            num_stages: how many of the last stages are trained.
            num_images: the number of training images.
            epochs: of the last stages.
            views: how many draws of the augmentation are cached, 0 for images without it.
        """
        if views:  # the head is trained on the images without augmentation
            features = self._extraction(0, num_images, 0)
        else:
            rest = self.forward[len(self.forward) - num_stages :]
            features = self.engine_setup + num_images * sum(rest)
        trained = self.step[len(self.step) - num_stages :]
        tuning = epochs * num_images * sum(trained) * (1 + _VALIDATION_SHARE)
        features += self._extraction(num_stages, num_images, views)
        return features + _HEAD_SECONDS + _STAGE_SETUP * num_stages + tuning

    def _extraction(self, num_stages, num_images, views):
        frozen = sum(self.forward[: len(self.forward) - num_stages])
        read = self.read * (1 + _AUGMENTING_SHARE * (views - 1))
        return self.engine_setup + num_images * (read + max(views, 1) * frozen)


def measure_costs(
    model: keras.Model, train: tf.data.Dataset, engine: str = "tensorflow"
) -> Costs:
    """Measures the costs in two or three seconds.

    Each part runs once on one image and once on several; the difference excludes the constant
    cost of a call. The parts run eagerly, since tracing a network takes longer than running it
    a few times. How much faster a graph is depends on the network: it is measured on one part.

    Args:
        model: a `TransferModel`.
        train: a `tf.data.Dataset` of batches that start with images.
        engine: the name of the engine that will run the stem. Defaults to "tensorflow".

    Returns:
        `Costs`.

    Example:

    >>> costs = plans.measure_costs(model, train)
    >>> plan = plans.choose_plan(3000, 10, costs=costs, time_budget=120)
    """
    check_model(model)
    inputs = model.backbone.inputs
    if inputs[1:] or "float" not in inputs[0].dtype:
        raise ValueError(
            "A time budget needs a network of images or of sounds, whose parts it measures: "
            f"leave it out. Received: the inputs {[one.name for one in inputs]}"
        )
    images, read = _read(train)
    parts = _parts(model.backbone)
    typical = parts[-2:][0]  # most plans train it
    seconds = []
    for part in parts:
        run = _there_and_back(part)
        seconds.append(_seconds_for_one(run, images))
        if part is typical:
            traced = tf.function(with_own_gradients(run), autograph=False)
            graph_seconds = _seconds_of(traced, images)
            gain = graph_seconds / (_MANY * seconds[-1])
        images = part(images, training=False)
    step = tuple(gain * one for one in seconds)
    share = _FORWARD_SHARE / _ENGINE_SPEED.get(engine, 1.0)
    forward = tuple(share * one for one in step)
    return Costs(read, forward, step, _ENGINE_SETUP.get(engine, 0.0))


def _read(train):
    """Some images, and the seconds to read one once the pipeline is warm."""
    batches = (tf.nest.flatten(element)[0] for element in train)
    images = next(batches)
    started = time.perf_counter()
    read = sum(len(batch) for batch in itertools.islice(batches, 2))
    seconds = time.perf_counter() - started
    repeats = -(-_MANY // len(images))
    images = np.concatenate([images.numpy()] * repeats)[:_MANY]
    return tf.constant(images, "float32"), seconds / read if read else 0.0


def _parts(backbone):
    """The part of the backbone before the last stages, then each of these."""
    tensors = graph.boundaries(backbone)
    first = min(_MOST_STAGES, len(backbone.stages) - 1)
    ends = [tensors[stage.boundary] for stage in backbone.stages[-first - 1 :]]
    starts = [backbone.input, *ends]
    return [keras.Model(start, end) for start, end in zip(starts, ends, strict=False)]


def _there_and_back(part):
    """A function that runs the forward and backward pass of a part."""
    # BatchNormalization stays frozen in every plan.
    layers = [layer for layer in part.layers if not isinstance(layer, _FROZEN_KIND)]
    weights = [variable.value for layer in layers for variable in layer.weights]

    def run(images):
        with tf.GradientTape() as tape:
            tape.watch([images, *weights])
            output = part(images, training=False)
        return tape.gradient(output, [images, *weights])

    return run


def _seconds_for_one(run, images):
    """Seconds per image, without the constant cost of a call."""
    few, many = (_seconds_of(run, images[:number]) for number in (_FEW, _MANY))
    return max(many - few, 0.1 * many) / (_MANY - _FEW)


def _seconds_of(function, images):
    """The shorter of two calls after a first one, which compiles."""
    function(images)
    tf.test.experimental.sync_devices()
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        function(images)
        tf.test.experimental.sync_devices()  # a GPU computes after the call has returned
        seconds.append(time.perf_counter() - started)
    return min(seconds)
