"""Builds and compiles a model in one call."""

import keras

from keras_transfer import optimizers
from keras_transfer.distribution import get_strategy
from keras_transfer.models.transfer_model import TransferModel


def build(
    backbone,
    heads,
    freeze_policy=None,
    optimizer="adamw",
    learning_rate=None,
    layerwise_decay=None,
    strategy=None,
):
    """Builds and compiles a `TransferModel`.

    Args:
        backbone: see `TransferModel`.
        heads: see `TransferModel`.
        freeze_policy: see `TransferModel`.
        optimizer: the name of a Keras optimizer, or an instance. Defaults to `"adamw"`.
        learning_rate: the base learning rate, a float or a schedule. Defaults to the
            optimizer's own.
        layerwise_decay: the factor in (0, 1] by which the learning rate falls from each stage
            to the one before it, see `optimizers.layerwise_decay`. Defaults to None, one rate
            for all.
        strategy: `"auto"`, another name that `distribution.get_strategy` takes, or a
            `tf.distribute.Strategy`. Defaults to None, the strategy whose scope this is
            called in.

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
        if learning_rate is not None or layerwise_decay is not None:
            optimizer = keras.optimizers.get(optimizer)
        if learning_rate is not None:
            config = {**optimizer.get_config(), "learning_rate": learning_rate}
            optimizer = type(optimizer).from_config(config)
        if layerwise_decay is not None:
            multipliers = optimizers.layerwise_decay(model, decay=layerwise_decay)
            optimizer = optimizers.LearningRateMultiplier(optimizer, multipliers)
        model.compile(optimizer=optimizer)
    return model
