"""Builds and compiles a model in one call."""

import keras
import tensorflow as tf

from keras_transfer import optimizers
from keras_transfer.backbones import Backbone
from keras_transfer.distribution import get_strategy
from keras_transfer.freezing import FreezePolicy
from keras_transfer.heads import Head
from keras_transfer.models.transfer_model import TransferModel


def build(
    backbone: Backbone | keras.Model | str,
    heads: Head | dict[str, Head],
    freeze_policy: FreezePolicy | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adamw",
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
    layerwise_decay: float | None = None,
    strategy: str | tf.distribute.Strategy | None = None,
) -> TransferModel:
    """Builds and compiles a `TransferModel` in one call.

    Args:
        backbone: see `TransferModel`.
        heads: see `TransferModel`.
        freeze_policy: see `TransferModel`.
        optimizer: name of a Keras optimizer, or an instance. Defaults to `"adamw"`.
        learning_rate: base learning rate, a float or a schedule. Defaults to None, the default
            of the optimizer.
        layerwise_decay: factor in (0, 1] by which the learning rate falls from each stage to
            the one before it, see `optimizers.layerwise_decay`. Defaults to None, one rate for
            all layers.
        strategy: a name for `distribution.get_strategy`, such as `"auto"`, or a
            `tf.distribute.Strategy`. Defaults to None, the current strategy.

    Returns:
        The compiled model.

    Example:

    >>> model = models.build(
    ...     backbone, heads=heads.SoftmaxHead(10), freeze_policy=freezing.UnfreezeLast(2),
    ...     learning_rate=1e-3, layerwise_decay=0.75,
    ... )
    >>> model.compiled
    True
    """
    with get_strategy("one_device" if strategy is None else strategy).scope():
        model = TransferModel(backbone, heads, freeze_policy)
        if learning_rate is not None:
            plain = keras.optimizers.get(optimizer)
            config = {**plain.get_config(), "learning_rate": learning_rate}
            optimizer = type(plain).from_config(config)
        if layerwise_decay is not None:
            multipliers = optimizers.layerwise_decay(model, decay=layerwise_decay)
            optimizer = optimizers.LearningRateMultiplier(optimizer, multipliers)
        model.compile(optimizer=optimizer)
    return model
