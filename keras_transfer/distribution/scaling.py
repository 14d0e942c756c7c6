"""The learning rate for another batch size."""

import math

_RULES = {"linear": lambda ratio: ratio, "sqrt": math.sqrt}


def scaled_learning_rate(
    learning_rate: float, batch_size: int, base_batch_size: int = 32, rule: str = "sqrt"
) -> float:
    """The learning rate for a batch size, from a good one for another batch size.

    The library does not scale learning rates by itself: a batch is divided among the replicas,
    so more replicas take the same steps, faster. A larger batch changes the training, and may
    need another learning rate.

    Args:
        learning_rate: the learning rate for `base_batch_size`.
        batch_size: the global batch size, of all replicas together.
        base_batch_size: defaults to 32, that of the default plan.
        rule: "sqrt" (the default) for Adam and similar optimizers; "linear" for SGD.

    Returns:
        The learning rate, a float.

    Example:

    >>> distribution.scaled_learning_rate(1e-3, 128)
    0.002

    Reference: Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms,
    NeurIPS 2022, for "sqrt"; Goyal et al., Accurate, Large Minibatch SGD, 2017, for "linear".
    """
    if rule not in _RULES:
        raise ValueError(f"`rule` must be one of {sorted(_RULES)}. Received: rule={rule!r}")
    for name, value in {"batch_size": batch_size, "base_batch_size": base_batch_size}.items():
        if not value >= 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value!r}")
    return learning_rate * _RULES[rule](batch_size / base_batch_size)
