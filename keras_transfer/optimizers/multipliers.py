"""Multipliers by stage: layers near the input learn more slowly than the head."""

import re

import keras

from keras_transfer.optimizers.patterns import PatternsOfModel, first_matches


def layerwise_decay(model: keras.Model, decay: float = 0.75) -> dict[str, float]:
    """Returns multipliers that fall by a factor from each stage to the one before it.

    The head has multiplier 1, the last stage of the backbone `decay`, the one before it
    `decay**2`, and so on to the first stage. Stages without weights do not count. All layers
    outside the stages belong to the head.

    Args:
        model: a `TransferModel`, or any model with `backbone.stages`.
        decay: factor above 0 and at most 1, usually 0.65 to 0.9; smaller for fewer stages.
            Defaults to 0.75.

    Returns:
        Dict from pattern to multiplier: a pattern for each layer, from the first stage to the
        last, and finally '.*' for the head.

    Raises:
        ValueError: if `decay` is out of range or `model` has no stages.

    Example:
        >>> multipliers = optimizers.layerwise_decay(model, decay=0.75)
        >>> model.compile(optimizer=optimizers.LearningRateMultiplier("adamw", multipliers))

    Reference:
        [Bao et al., 2021](https://arxiv.org/abs/2106.08254), whose code gives layer `i` of `n`
        the multiplier `decay**(n + 1 - i)` and the head, layer `n + 1`, 1; the idea is
        [Clark et al., 2020](https://arxiv.org/abs/2003.10555)'s.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"The decay must be above 0 and at most 1. Received: {decay}")
    stages = _stage_patterns(model)
    multipliers = PatternsOfModel(
        (pattern, decay ** (len(stages) - position))
        for position, patterns in enumerate(stages)
        for pattern in patterns
    )
    if None in first_matches(multipliers, [variable.path for variable in model.weights]):
        multipliers[".*"] = 1.0
    return multipliers


def _stage_patterns(model):
    """Returns, for each stage that has weights, one pattern for each of its layers."""
    stages = getattr(getattr(model, "backbone", None), "stages", None)
    if stages is None:
        raise ValueError(
            "The model has no `backbone.stages`, which group the layers. Use a "
            "keras_transfer.models.TransferModel, or pass your own list of (pattern, "
            "multiplier) pairs to LearningRateMultiplier. "
            f"Received: model={model}"
        )
    patterns, seen = [], set()
    # The operations of a stage that are no layers have no weights.
    layers = {layer.name: layer for layer in model.layers}
    for stage in stages:
        weights = [
            (name, weight)
            for name in stage.layers
            if name in layers
            for weight in _learned_weights(layers[name])
            if weight.path not in seen
        ]
        seen.update(weight.path for _, weight in weights)
        if weights:
            patterns.append(list(dict.fromkeys(_pattern(*pair) for pair in weights)))
    return patterns


def _learned_weights(layer):
    """Returns the weights of a layer that train, now or once the layer is unfrozen."""
    # A frozen layer does not show which weights it would train. The statistics of a
    # preprocessing layer never train and need no pattern.
    frozen = any(not sublayer.trainable for sublayer in layer._flatten_layers())
    return layer.weights if frozen else layer.trainable_weights


def _pattern(layer_name, weight):
    # A weight that another layer created keeps its own path.
    if weight.path.startswith(f"{layer_name}/"):
        return f"{re.escape(layer_name)}/.*"
    return re.escape(weight.path)
