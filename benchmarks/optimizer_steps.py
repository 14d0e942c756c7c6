"""A training step with a learning rate for each stage, beside one with a single rate."""

import re

import keras
import numpy as np

from benchmarks import child, library_models, timing
from keras_transfer import freezing, optimizers

_CLASSES, _DECAY, _LEARNING_RATE = 10, 0.7, 1e-4
_WARM_UP_STEPS = 2


def measure(network, image_size, batch_size, steps, rounds):
    """Times steps of equal models, everything unfrozen but BatchNormalization.

    "AdamW again" is AdamW once more: what lies between the two is noise.
    """
    keras.utils.set_random_seed(0)
    images, labels = batch(batch_size, image_size)
    contestants = {}
    for name, make_optimizer in _OPTIMIZERS.items():
        model = library_models.transfer_model(
            network, image_size, _CLASSES, freezing.FreezeNone()
        )
        try:
            model.compile(make_optimizer(model))
        except child.UnavailableError as reason:
            contestants[name] = reason
            continue
        contestants[name] = _steps_of(model, images, labels, steps)
    return timing.alternate(contestants, rounds)


def batch(size, image_size):
    """A made-up batch of pictures and labels."""
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (size, image_size, image_size, 3)).astype("float32")
    return images, generator.integers(0, _CLASSES, size)


def _steps_of(model, images, labels, steps):
    def run():
        for _ in range(steps):
            model.train_on_batch(images, labels)
        return {"steps": steps}

    for _ in range(_WARM_UP_STEPS):
        model.train_on_batch(images, labels)
    return run


def _adamw(rate=1.0):
    return keras.optimizers.AdamW(rate * _LEARNING_RATE)


def _multiplied(model):
    multipliers = optimizers.layerwise_decay(model, decay=_DECAY)
    return optimizers.LearningRateMultiplier(_adamw(), multipliers)


def _multi_optimizer(model):
    """Keras' own way: an AdamW for each rate."""
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        raise child.UnavailableError(
            f"Keras {keras.__version__} has no MultiOptimizer, 3.15 has"
        )
    of_rate, of_path = {}, {}
    multiplier = _multiplied(model)
    for variable in model.trainable_variables:
        rate = multiplier.multiplier_for(variable)
        of_path[re.escape(variable.path)] = of_rate.setdefault(rate, _adamw(rate))
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(_adamw(), of_path))


_OPTIMIZERS = {
    "AdamW": lambda model: _adamw(),
    "AdamW again": lambda model: _adamw(),
    "LearningRateMultiplier(AdamW)": _multiplied,
    "MultiOptimizer(AdamW)": _multi_optimizer,
}


if __name__ == "__main__":
    child.main(measure)
