"""A temperature as a part of a model's weights."""

import math

from keras_transfer.heads import SoftmaxHead
from keras_transfer.models.head_outputs import output_layer


def apply_temperature(model, temperature):
    """Divides a model's logits by a temperature, for good.

    The kernel and the bias of the head's last layer are divided, so the logits are too, and
    whatever comes of the model, `predict`, a saved file or an export, has the new
    probabilities without a further layer. The class that is predicted stays the same. A
    training that goes on starts from these weights.

    Args:
        model: a `TransferModel` with one `SoftmaxHead`, alone or in a dict; it is changed.
        temperature: a positive number; with 1 nothing changes.

    Raises:
        ValueError: for another head or several, or a temperature that is not positive.

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 9.
    """
    layer = softmax_layer(model)
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"`temperature` must be positive. Received: temperature={temperature!r}"
        )
    for variable in layer.weights:
        variable.assign(variable / temperature)


def softmax_layer(model):
    """The last layer of a model's only head, which gives logits and their softmax.

    Args:
        model: a `TransferModel`.

    Raises:
        ValueError: if it has another head, or several.
    """
    heads = getattr(model, "heads", None)
    several = list(heads.values()) if isinstance(heads, dict) else [heads]
    if len(several) != 1 or not isinstance(several[0], SoftmaxHead):
        raise ValueError(
            "A temperature belongs to a softmax: the model must be a `TransferModel` with one "
            f"`SoftmaxHead`. Received: {type(model).__name__} with heads="
            f"{[type(head).__name__ for head in several]}"
        )
    return output_layer(model)
