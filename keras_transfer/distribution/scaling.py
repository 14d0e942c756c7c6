"""The learning rate for another batch size."""

import math

_RULES = {"linear": lambda ratio: ratio, "sqrt": math.sqrt}


def scaled_learning_rate(learning_rate, batch_size, base_batch_size=32, rule="sqrt"):
    """The rate for a batch size, from the rate that was right for another one.

    Nothing in the library scales a rate by itself: a batch is divided among the replicas, so
    that more replicas take the same steps, faster. Only who makes the batch larger changes the
    training, and may want another rate.

    Args:
        learning_rate: the rate for `base_batch_size`.
        batch_size: the global batch size, of all replicas together.
        base_batch_size: defaults to 32, that of the default plan.
        rule: "sqrt" (the default), for Adam and its kin, which divide by the gradient's size
            (Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms,
            NeurIPS 2022); "linear" for SGD (Goyal et al., Accurate, Large Minibatch SGD,
            2017).

    Returns:
        A float.

    Example:

    >>> scaled_learning_rate(1e-3, 128)
    0.002
    """
    if rule not in _RULES:
        raise ValueError(f"`rule` must be one of {sorted(_RULES)}. Received: rule={rule!r}")
    for name, value in {"batch_size": batch_size, "base_batch_size": base_batch_size}.items():
        if not value >= 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value!r}")
    return learning_rate * _RULES[rule](batch_size / base_batch_size)
