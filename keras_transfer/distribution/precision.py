"""In which precision to compute."""

import tensorflow as tf

# bfloat16 came with Ampere; tensor cores for float16 with Volta.
_BFLOAT16_FROM, _FLOAT16_FROM = (8, 0), (7, 0)


def mixed_precision_policy(strategy=None):
    """The name of the Keras dtype policy that is fastest where a strategy runs.

    Pass it to `keras.mixed_precision.set_global_policy` before the backbone is built. Weights
    stay float32 in each. With "mixed_float16" Keras scales the loss, so that small gradients
    do not become zero; bfloat16 has the range of float32 and does without.

    Args:
        strategy: a `tf.distribute.Strategy`. Defaults to None, the current one.

    Returns:
        "mixed_bfloat16" on a TPU and on GPUs of compute capability 8.0 and above,
        "mixed_float16" on GPUs of 7.0 and above, "float32" elsewhere; with GPUs of several
        kinds, what all can do.
    """
    strategy = tf.distribute.get_strategy() if strategy is None else strategy
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "mixed_bfloat16"
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") or (0, 0)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    least = min(capabilities, default=(0, 0))
    if least >= _BFLOAT16_FROM:
        return "mixed_bfloat16"
    return "mixed_float16" if least >= _FLOAT16_FROM else "float32"
