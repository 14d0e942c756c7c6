"""What learning rate each variable has, as text."""

import keras

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier

_HEADER = ("variable", "pattern", "multiplier", "rate")


def rate_table(model):
    """Returns a table of the learning rate of each trained variable of a compiled model.

    Look at it before a long run: a pattern that covers too much or too little shows here. A
    rate is the base rate of this moment times the multiplier; what an optimizer makes of a
    rate by itself, such as Adam's denominator or `Muon`'s `adam_lr_ratio`, is left out.

    Args:
        model: A compiled `keras.Model` with any optimizer.

    Returns:
        A string with one line for each trained variable, in the model's order, and a last line
        with what is frozen.

    Raises:
        ValueError: When the model is not compiled.

    Example:

    ```python
    print(rate_table(model))
    ```
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
        # Keras' `MultiOptimizer` has no rate of its own, its groups have.
        optimizer = optimizer._optimizer_map(variable)
        pattern = optimizer.name
    # Through a tensor, for a mirrored variable is no number by itself.
    rate = float(keras.ops.convert_to_tensor(optimizer.learning_rate)) * multiplier
    return variable.path, pattern, f"{multiplier:.4g}", f"{rate:.4g}"


def _aligned(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
