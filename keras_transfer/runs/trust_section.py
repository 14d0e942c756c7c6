"""Whether the probabilities can be believed."""

from keras_transfer.calibration import fit_conformal, measure_calibration, plot_reliability
from keras_transfer.calibration.temperature_scaling import at_temperature
from keras_transfer.runs import blocks
from keras_transfer.runs.page_figures import figure_of


def trust(results):
    """The section, or None without predictions.

    Args:
        results: `RunResults`.
    """
    found = results.predictions.get(results.measured)
    if found is None:
        return None
    temperature = results.course.get("temperature")
    calibrations = {}
    if temperature:
        raw = at_temperature(found.probabilities, 1 / temperature)
        calibrations["as trained"] = measure_calibration(raw, found.labels)
    after = measure_calibration(found.probabilities, found.labels)
    calibrations["as exported" if temperature else ""] = after
    figures = [
        figure_of(
            lambda title=title, one=one: plot_reliability({title: one}),
            f"How often the model is right, by its confidence {title}",
        )
        for title, one in calibrations.items()
    ]
    sentences = [_temperature(temperature, found.split), after.conclusion]
    sentences.append(fit_conformal(found.probabilities, found.labels).conclusion)
    sentences.append(_caveat(found.split, temperature))
    return blocks.section(
        "trust",
        f"Can its probabilities be believed ({found.split})",
        [blocks.plots(*figures), blocks.bullets(sentences)],
    )


def _temperature(temperature, split):
    if not temperature:
        return (
            "The probabilities are those that the training left: the validation pictures are "
            "too few to fit a temperature on, or none from 0.1 to 10 fits them best."
        )
    on = ", these pictures" if split == "validation" else ""
    return (
        f"The logits are divided by a temperature of {temperature:.2f}, fitted on the "
        f"validation pictures{on}. `predict`, `model.keras` and the export carry it; which "
        "class is named does not change."
    )


def _caveat(split, temperature):
    if split == "test":
        return "Nothing was chosen on the test pictures before."
    chosen = "The epoch and the temperature were" if temperature else "The epoch was"
    return (
        f"{chosen} chosen on these pictures, which flatters the figures: a `test` folder would "
        "tell."
    )
