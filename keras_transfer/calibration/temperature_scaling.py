"""Temperature scaling of a model, in one call."""

import dataclasses

from keras_transfer.calibration.answers import answers_of
from keras_transfer.calibration.calibration import Calibration
from keras_transfer.calibration.calibration_error import measure_calibration
from keras_transfer.calibration.temperature_fit import (
    HIGHEST,
    LOWEST,
    at_temperature,
    fit_temperature,
)
from keras_transfer.calibration.temperature_layer import apply_temperature, softmax_layer


@dataclasses.dataclass(frozen=True)
class TemperatureScaling:
    """A temperature, and what it does to the pictures that it was fitted on.

    Attributes:
        temperature: what the logits are divided by.
        before: the `Calibration` before.
        after: the `Calibration` after, on the same pictures, for which it was chosen. Measure
            on others what it is worth.
    """

    temperature: float
    before: Calibration
    after: Calibration

    @property
    def is_bounded(self):
        """Whether the best temperature lies beyond what is allowed."""
        return self.temperature in (LOWEST, HIGHEST)

    @property
    def conclusion(self):
        """Sentences on it."""
        word = "less sure" if self.temperature > 1 else "surer"
        sentence = (
            f"A temperature of {self.temperature:.2f} makes the model {word}: the calibration "
            f"error is {self.after.ece:.1%} instead of {self.before.ece:.1%} on the "
            f"{self.before.num_images} pictures that it was fitted on. Measure it on others."
        )
        if self.is_bounded:
            sentence += (
                " These pictures do not say how sure to be: the temperature is as "
                f"{'low' if self.temperature == LOWEST else 'high'} as allowed."
            )
        return sentence

    def to_json(self):
        """The figures as numbers, strings, lists and dicts."""
        return {
            "temperature": self.temperature,
            "is_bounded": self.is_bounded,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "conclusion": self.conclusion,
        }


def calibrate(model, validation, num_bins=15):
    """Makes a model as sure as it is right, by one temperature.

    Its accuracy does not change. The temperature becomes a part of the weights, so save or
    export the model afterwards.

    Args:
        model: a `TransferModel` with one `SoftmaxHead`; it is changed.
        validation: a `tf.data.Dataset` of batches `(images, labels)`, or such a pair of arrays,
            that the model was not trained on.
        num_bins: of the calibration error. Defaults to 15.

    Returns:
        A `TemperatureScaling`.

    Raises:
        ValueError: for another head, or data without labels.

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    softmax_layer(model)
    probabilities, labels = answers_of(model, validation)
    temperature = fit_temperature(probabilities, labels)
    scaled = at_temperature(probabilities, temperature)
    found = TemperatureScaling(
        temperature=temperature,
        before=measure_calibration(probabilities, labels, num_bins),
        after=measure_calibration(scaled, labels, num_bins),
    )
    apply_temperature(model, temperature)
    return found
