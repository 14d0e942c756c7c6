"""The choice of the precision."""

import tensorflow as tf

# Compute capabilities: bfloat16 since Ampere, tensor cores for float16 since Volta.
_BFLOAT16_FROM, _FLOAT16_FROM = (8, 0), (7, 0)


def mixed_precision_policy(strategy: tf.distribute.Strategy | None = None) -> str:
    """The name of the fastest Keras dtype policy for the devices of a strategy.

    Pass it to `keras.mixed_precision.set_global_policy` before the backbone is built. The
    weights stay float32. With "mixed_float16" Keras scales the loss against underflow of
    gradients; bfloat16 has the range of float32 and needs no scaling.

    Args:
        strategy: a `tf.distribute.Strategy`. Defaults to None, the current one.

    Returns:
        "mixed_bfloat16" on a TPU and on GPUs of compute capability 8.0 and above,
        "mixed_float16" on GPUs of 7.0 and above, else "float32"; with GPUs of several kinds,
        what all of them support.

    Example:

    >>> distribution.mixed_precision_policy()  # on a CPU
    'float32'
    """
    strategy = tf.distribute.get_strategy() if strategy is None else strategy
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "mixed_bfloat16"
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") or (0, 0)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    least = min(capabilities, default=(0, 0))
    if least >= _BFLOAT16_FROM:
        return "mixed_bfloat16"
    return "mixed_float16" if least >= _FLOAT16_FROM else "float32"
