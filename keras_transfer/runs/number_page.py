"""What a page says and shows about a run that predicts numbers."""

import numpy as np

from keras_transfer._figures import panel_figure
from keras_transfer.runs import blocks
from keras_transfer.runs.run_figures import MOST_PANELS, draw_number
from keras_transfer.runs.worst_gallery import worst_gallery

_FEW = 30


def verdict(run, measured):
    """The verdict on the errors, as in `verdict.verdict`."""
    name, first = _weakest(measured)
    several = (
        "" if len(measured["numbers"]) == 1 else f", the weakest of {len(run.class_names)}"
    )
    parts = [
        f"R²: {_r2(first)}",
        f"root mean squared error: {first['rmse']:.4g} {_interval(first['rmse_interval'])}; "
        f"always the mean: {first['baseline_rmse']:.4g}",
        f"half of the predictions are within {first['half_within']:.3g} of the true number, "
        f"90% within {first['most_within']:.3g}",
        *(line_of(other, one) for other, one in measured["numbers"].items() if other != name),
    ]
    return {
        "share": f"{first['mae']:.4g}",
        "words": f"{_interval(first['mae_interval'])} is the mean absolute error of "
        f"{name}{several}, on {measured['images']} {run.measured} {run.things}; always the "
        f"mean of the training {run.things}: {first['baseline_mae']:.4g}",
        "parts": parts,
        "cautions": list(_cautions(run, measured)),
    }


def sections(run, images):
    """The numbers, the images with the largest errors, and why there is no calibration."""
    return [_numbers(run), _gallery(run, images), _uncertainty(run)]


def rows_of(measured):
    """A row for each number, and a header."""
    found = [("number", "MAE", "always the mean", "RMSE", "always the mean", "R²")]
    for name, one in measured["numbers"].items():
        errors = [f"{one[key]:.4g}" for key in ("mae", "baseline_mae", "rmse", "baseline_rmse")]
        found.append((name, *errors, _r2(one)))
    return found


def line_of(name, one):
    """The measures of a number in a line."""
    return (
        f"{name}: MAE {one['mae']:.4g} {_interval(one['mae_interval'])}, always the mean "
        f"{one['baseline_mae']:.4g}; RMSE {one['rmse']:.4g}; R² {_r2(one)}"
    )


def _weakest(measured):
    """The name and the measures of the number with the lowest share of explained variance."""
    found = measured["numbers"].items()
    return min(found, key=lambda pair: 2.0 if pair[1]["r2"] is None else pair[1]["r2"])


def _cautions(run, measured):
    if measured["images"] < _FEW:
        yield f"Only {measured['images']} {run.things} were measured.", "warning"
    for name, one in measured["numbers"].items():
        interval = one["mae_interval"]
        if interval is None or interval[1] >= one["baseline_mae"]:
            text = f"{name}: not significantly better than always predicting the mean."
            yield text, "alarm"


def _numbers(run):
    found = run.predictions.get(run.measured)
    if found is None:
        return None
    measured, names = run.metrics[run.measured], run.class_names
    note = (
        "MAE: mean absolute error; RMSE: root mean squared error; both in the unit of the "
        "number. R²: the share of the variance that the predictions explain, 1 at best, 0 for "
        "always the mean. Intervals: 95%, by resampling the examples."
    )
    figures = [
        blocks.figure_of(
            f"number-{index}",
            lambda index=index, name=name: panel_figure(
                draw_number, found, index, name, size=(4.4, 3.6)
            ),
            f"Predicted by true {name}",
        )
        for index, name in enumerate(names[:MOST_PANELS])
    ]
    table = blocks.table(rows_of(measured), range(1, 6))
    return blocks.section(
        "numbers",
        f"Numbers ({run.measured} set)",
        [table, blocks.text(note, "soft"), blocks.plots(*figures)],
    )


def _gallery(run, images):
    found = run.predictions.get(run.measured)
    if found is None:
        return None
    errors = np.asarray(found.outputs, "float64") - found.labels
    scaled = np.abs(errors) / np.maximum(found.labels.std(axis=0), 1e-12)

    def lines(index):
        rows = zip(run.class_names, found.outputs[index], found.labels[index], strict=True)
        return [f"{name}: {predicted:.4g}, true {true:.4g}" for name, predicted, true in rows]

    note = (
        f"The {run.things} with the largest errors: suspect the {run.things}, the numbers or "
        "the model."
    )
    return worst_gallery(run, images, np.argsort(-scaled.max(axis=1)), lines, note)


def _uncertainty(run):
    if run.measured is None:
        return None
    found = [
        f"{name}: half of the errors are at most {one['half_within']:.4g}, 90% at most "
        f"{one['most_within']:.4g}; the predictions are {abs(one['bias']):.3g} too "
        f"{'high' if one['bias'] > 0 else 'low'} on average."
        for name, one in run.metrics[run.measured]["numbers"].items()
    ]
    note = (
        f"The model predicts numbers without an uncertainty for each {run.kind.thing}, so "
        f"there is nothing to calibrate. On the {run.measured} {run.things}:"
    )
    title = f"Uncertainty ({run.measured} set)"
    return blocks.section("trust", title, [blocks.text(note), blocks.bullets(found)])


def _r2(one):
    if one["r2"] is None:
        return "-"
    low, high = one["r2_interval"] or (one["r2"], one["r2"])
    return f"{one['r2']:.3f} ({low:.2f} to {high:.2f})"


def _interval(interval):
    if interval is None:
        return "(no interval)"
    return "(95% CI {:.4g} to {:.4g})".format(*interval)
