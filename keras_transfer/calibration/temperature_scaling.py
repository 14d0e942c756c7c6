"""Temperature scaling: logits divided by one number, fitted on a validation set."""

import math
import warnings

import numpy as np
import tensorflow as tf

from keras_transfer._statistics.probabilities import softmax
from keras_transfer.calibration.predictions import check_predictions, outputs_of
from keras_transfer.heads import SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import before_activation, output_layer

# If every prediction is correct, the likelihood grows without bound as the temperature falls.
LOWEST, HIGHEST = 0.1, 1000.0
# The smallest positive float32: a probability of zero has no logarithm.
_TINY = 1e-45


def calibrated(
    model: TransferModel,
    validation: tf.data.Dataset | tuple[np.ndarray, np.ndarray],
) -> TransferModel:
    """A copy of a model, calibrated by temperature scaling.

    The temperature (`fit_temperature`) becomes part of the copy's weights: its probabilities,
    its saved files and its exports are calibrated. The predicted classes and the given model
    stay the same. Compare `measure_calibration` of both models on a test set.

    Args:
        model: a `TransferModel` with one `SoftmaxHead`.
        validation: a `tf.data.Dataset` of batches `(images, labels)` that the model was not
            trained on, or a pair of arrays.

    Returns:
        A `TransferModel`, not compiled. A warning says so if the labels do not determine a
        temperature: all predictions are correct, for example.

    Raises:
        ValueError: if the model has another head, or the data have no labels.

    Example:

    >>> labels = model.predict(images, verbose=0).argmax(axis=1)
    >>> labels[:3] = (labels[:3] + 1) % 3  # a third of the predictions is wrong
    >>> better = calibration.calibrated(model, (images, labels))
    >>> better.predict(images, verbose=0).shape
    (9, 3)

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    _softmax_layer(model)
    with before_activation(model):
        logits, labels = outputs_of(model, validation)
    temperature = temperature_of_logits(logits, labels)
    if temperature in (LOWEST, HIGHEST):
        warnings.warn(
            "The validation set does not determine a temperature: the likelihood is highest "
            f"at the bound of {temperature:g}. Use more images.",
            stacklevel=2,
        )
    copy = model.copy()
    apply_temperature(copy, temperature)
    return copy


def fit_temperature(probabilities, labels):
    """The temperature of probabilities, whose logarithms stand for the logits.

    It is too low if some of them are zero: a softmax in float32 rounds what is below 1e-45.
    With the logits, use `temperature_of_logits`.
    """
    probabilities, labels = check_predictions(probabilities, labels)
    return temperature_of_logits(np.log(np.maximum(probabilities, _TINY)), labels)


def temperature_of_logits(logits, labels):
    """The divisor of the logits, from 0.1 to 1000, by the highest likelihood of the labels."""
    logits = np.asarray(logits, "float64")
    _, labels = check_predictions(softmax(logits), labels)
    true = logits[np.arange(len(labels)), labels]

    def is_too_low(temperature):
        """Whether the loss, which is convex in 1/T, rises with 1/T."""
        expected = (softmax(logits / temperature) * logits).sum(axis=1)
        return expected.mean() > true.mean()

    low, high = LOWEST, HIGHEST
    if not is_too_low(low):
        return low
    if is_too_low(high):
        return high
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if is_too_low(middle) else (low, middle)
    return high


def at_temperature(probabilities, temperature):
    """The probabilities after the logits are divided by a temperature, as float64."""
    probabilities = np.maximum(np.asarray(probabilities, "float64"), _TINY)
    return softmax(np.log(probabilities) / temperature)


def apply_temperature(model, temperature):
    """Divides the logits of a `TransferModel` by a temperature, in place.

    It divides the weights of the head's last layer: the model gets no further layer.

    Args:
        model: a `TransferModel` with one `SoftmaxHead` or `SigmoidHead`.
        temperature: a positive number; for labels, one for each.
    """
    layer = output_layer(model) if _is_sigmoid(model) else _softmax_layer(model)
    divisor = np.asarray(temperature, "float32")
    if not np.all((divisor > 0) & np.isfinite(divisor)):
        raise ValueError(
            f"`temperature` must be positive. Received: temperature={temperature!r}"
        )
    for variable in layer.weights:
        variable.assign(variable / divisor)


def _is_sigmoid(model):
    return isinstance(getattr(model, "heads", None), SigmoidHead)


def _softmax_layer(model):
    """The output layer of a model's only head, a `SoftmaxHead`."""
    heads = getattr(model, "heads", None)
    several = list(heads.values()) if isinstance(heads, dict) else [heads]
    if len(several) != 1 or not isinstance(several[0], SoftmaxHead):
        raise ValueError(
            "Temperature scaling needs a `TransferModel` with one `SoftmaxHead`. Received: "
            f"{type(model).__name__} with heads={[type(head).__name__ for head in several]}"
        )
    return output_layer(model)
