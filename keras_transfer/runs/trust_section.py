"""The section about calibration."""

from keras_transfer.calibration import fit_conformal, measure_calibration, plot_reliability
from keras_transfer.calibration.temperature_scaling import at_temperature
from keras_transfer.runs import blocks

_ERROR = (
    "The expected calibration error (ECE) is the mean, over the bins of the figure, of the "
    "absolute difference between confidence and accuracy. It is not the difference between the "
    "mean confidence and the accuracy, and never smaller than that."
)


def trust(run):
    """The section; None without predictions."""
    found = run.predictions.get(run.measured)
    if found is None:
        return None
    temperature = run.course.get("temperature")
    calibrations = {}
    if temperature:
        raw = at_temperature(found.outputs, 1 / temperature)
        calibrations["as trained"] = measure_calibration(raw, found.labels, groups=found.groups)
    after = measure_calibration(found.outputs, found.labels, groups=found.groups)
    calibrations["as exported" if temperature else ""] = after
    figures = [
        blocks.figure_of(
            f"trust-{number}",
            lambda title=title, one=one: plot_reliability({title: one}),
            f"Accuracy by confidence {title}",
        )
        for number, (title, one) in enumerate(calibrations.items())
    ]
    sentences = [_ERROR, _temperature(temperature, found.split), after.conclusion]
    sentences.append(fit_conformal(found.outputs, found.labels).conclusion)
    return blocks.section(
        "trust",
        f"Calibration ({found.split} set)",
        [blocks.plots(*figures), blocks.bullets(sentences)],
    )


def _temperature(temperature, split):
    if not temperature:
        return (
            "The probabilities are not calibrated: the validation set is too small to fit a "
            "temperature, or the best one is not between 0.1 and 10."
        )
    on = ", these images" if split == "validation" else ""
    return (
        f"The model is calibrated by temperature scaling: a temperature of {temperature:.2f}, "
        f"fitted on the validation set{on}. `predict`, `model.keras` and the export use it. It "
        "does not change the predicted classes."
    )
