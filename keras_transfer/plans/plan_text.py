"""A plan in words."""

import math


def describe(plan, model, num_images, steps):
    """The plan as text: what each phase trains, for how long, at which rate, and why.

    Args:
        plan: a `Plan`.
        model: the `TransferModel` to be trained.
        num_images: the number of training pictures.
        steps: the number of steps in an epoch.
    """
    head_size = _size(model.trainable_variables) - _size(model.backbone.trainable_variables)
    lines = [
        f"{num_images} pictures, {steps} steps an epoch, {plan.epochs} epochs in "
        f"{len(plan.phases)} phases:"
    ]
    for phase in plan.phases:
        trained = set(phase.freeze_policy.trainable_layers(model.backbone))
        layers = [layer for layer in model.backbone.layers if layer.name in trained]
        weights = [w for layer in layers for w in layer.weights if "moving_" not in w.name]
        decay = f", x {phase.layerwise_decay} a stage" if phase.layerwise_decay else ""
        lines.append(
            f"  {phase.name}: {phase.freeze_policy!r}, {phase.epochs} epochs at "
            f"{phase.learning_rate:g}{decay}, {head_size + _size(weights):,} parameters"
        )
    return "\n".join([*lines, *(f"- {reason}" for reason in plan.reasons)])


def _size(variables):
    return sum(math.prod(variable.shape) for variable in variables)
