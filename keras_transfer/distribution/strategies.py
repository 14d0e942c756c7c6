"""Which `tf.distribute` strategy to run on."""

import logging

import tensorflow as tf

_logger = logging.getLogger("keras_transfer")


def get_strategy(strategy="auto"):
    """The `tf.distribute` strategy for this machine.

    Args:
        strategy: `"auto"` mirrors over the GPUs where there are several, and takes the one
            device otherwise; `"mirrored"` and `"one_device"` ask for one of the two. A
            `tf.distribute.Strategy` is returned as it is.

    Returns:
        A `tf.distribute.Strategy`. What `"auto"` chose is logged in one sentence.

    Raises:
        ValueError: for another name.
    """
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    gpus = tf.config.list_logical_devices("GPU")
    if strategy == "auto":
        strategy = "mirrored" if len(gpus) > 1 else "one_device"
        _logger.info("Running on %s: %d GPUs found.", strategy.replace("_", " "), len(gpus))
    if strategy == "one_device":
        return tf.distribute.get_strategy()
    if strategy == "mirrored":
        return tf.distribute.MirroredStrategy()
    raise ValueError(
        "`strategy` must be 'auto', 'one_device', 'mirrored' or a `tf.distribute.Strategy`. "
        f"Received: strategy={strategy!r}"
    )
