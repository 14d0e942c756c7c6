"""The learning rate of each variable, as text."""

import keras

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier

_HEADER = ("variable", "pattern", "multiplier", "rate")


def rate_table(model: keras.Model) -> str:
    """Returns a table of the learning rates of the trainable variables of a compiled model.

    Look at it before a long run: it shows a pattern that covers too much or too little. A rate
    is the current base rate times the multiplier. It does not include factors of the optimizer
    itself, such as Adam's denominator or `Muon`'s `adam_lr_ratio`.

    Args:
        model: a compiled `keras.Model` with any optimizer.

    Returns:
        A string with one line for each trainable variable, in the order of the model, and a
        last line with the number of frozen variables.

    Raises:
        ValueError: if the model is not compiled.

    Example:
        >>> model.compile()
        >>> print(optimizers.rate_table(model))
        variable            pattern  multiplier  rate
        head_output/kernel  -        1           0.001
        head_output/bias    -        1           0.001
        2 variables are trained, ... are not.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            f"The model has no optimizer; call `model.compile()` first. Received: model={model}"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    trained = model.trainable_variables
    rows = [_HEADER, *(_row(optimizer, variable) for variable in trained)]
    frozen = len(model.weights) - len(trained)
    return f"{_aligned(rows)}\n{len(trained)} variables are trained, {frozen} are not."


def _row(optimizer, variable):
    pattern, multiplier = "-", 1.0
    if isinstance(optimizer, LearningRateMultiplier):
        pattern = optimizer.pattern_for(variable)
        multiplier = optimizer.multipliers[pattern]
    elif hasattr(optimizer, "optimizers"):
        # Keras' `MultiOptimizer` has a rate for each group only.
        optimizer = optimizer._optimizer_map(variable)
        pattern = optimizer.name
    # Through a tensor, since a mirrored variable is not a number.
    rate = float(keras.ops.convert_to_tensor(optimizer.learning_rate)) * multiplier
    return variable.path, pattern, f"{multiplier:.4g}", f"{rate:.4g}"


def _aligned(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
