"""What follows the training of a run: calibration, measures, export and page."""

import contextlib
import os
import time
import warnings

import numpy as np
import tensorflow as tf

from keras_transfer import _progress, serving
from keras_transfer._figures import save_figure
from keras_transfer._text import reason_of
from keras_transfer.calibration.measures import measure
from keras_transfer.calibration.temperature_scaling import (
    HIGHEST,
    LOWEST,
    apply_temperature,
    temperature_of_logits,
)
from keras_transfer.data.decoding import decode_image
from keras_transfer.features import NoRoomError
from keras_transfer.models.head_outputs import before_activation
from keras_transfer.runs.folder import Predictions
from keras_transfer.runs.provenance import provenance_of
from keras_transfer.runs.run import Run
from keras_transfer.runs.run_course import best_epoch, course_of
from keras_transfer.runs.run_figures import confusion_figure, learning_curves
from keras_transfer.training.phase_data import has_frozen_work

_EXPORT_CANDIDATES, _EXPORT_EXAMPLES = 12, 4
# With fewer validation images a fitted temperature is mostly noise.
_FEWEST_TO_CALIBRATE = 50


def finish(folder, model, history, splits, cache, before, clock, started):
    """Calibrates, measures and exports a model, and returns its `Run`; None for a worker."""
    if not folder.writes:
        return None
    trained = time.monotonic()
    if model.distribute_strategy.num_replicas_in_sync > 1 or _is_mixed(model):
        # On one device, without the other workers.
        model = model.copy(dtype="float32")
        folder.write_model(model)
    metrics = _evaluate_and_export(folder, model, history, splits, cache)
    fits = [phase.name for phase in history.plan.phases if phase.solver != "exact"]
    provenance = provenance_of(model, folder.model_path, splits)
    ended = time.monotonic()
    seconds = [
        ("reading the images", clock.started - started),
        *clock.seconds(fits, trained),
        ("evaluation and export", ended - trained),
    ]
    course = course_of(history.plan, before, model, seconds, metrics["temperature"])
    folder.write_course({**course, "provenance": provenance})
    metrics["seconds"] = round(ended - started, 1)
    folder.finish(metrics)
    return finished_run(folder, model)


def finished_run(folder, model=None):
    """The `Run` of a folder, with its page; `model` is the one that the folder has."""
    run = Run(folder.path)
    if model is not None:
        run.model = model
    _write_report(run)
    return run


def _is_mixed(model):
    return any(layer.dtype_policy.name.startswith("mixed") for layer in model.layers)


@_progress.step("writing the page")
def _write_report(run):
    """Writes the page. Whatever stops it, the run has finished."""
    try:
        run.report()
    except Exception as error:
        warnings.warn(
            f"report.html was not written ({reason_of(error)}). Everything else was; "
            f"`keras-transfer report {run.path}` tries again.",
            stacklevel=2,
        )


@_progress.step("evaluation and export")
def _evaluate_and_export(folder, model, history, splits, cache):
    """Calibrates, measures and exports a trained model; returns the metrics."""
    logits = _predict(model, splits, cache)
    temperature = _temperature(logits.get("validation"), splits.labels.get("validation"))
    if temperature is not None:
        apply_temperature(model, temperature)
        folder.write_model(model)
    predictions = [_predictions(split, logits[split], temperature, splits) for split in logits]
    folder.write_predictions(predictions)
    metrics = {
        "best_epoch": best_epoch(history.history),
        "kept_epoch": history.best_epoch + 1,
        "epochs": len(history.epoch),
        "temperature": temperature,
    }
    for one in predictions:
        metrics[one.split] = measure(one.probabilities, one.labels, splits.class_names)
    curves = learning_curves(history.history, history.phase, kept=metrics["kept_epoch"])
    save_figure(curves, folder.path / "learning_curves.png")
    measured = metrics.get("test", metrics.get("validation"))
    if measured is not None:
        matrix = confusion_figure(measured["confusion"], splits.class_names)
        save_figure(matrix, folder.path / "confusion_matrix.png")
    serving.export(model, folder.path / "serving", examples=_readable_by_server(splits))
    return metrics


def _predict(model, splits, cache):
    """The logits for every split but the training set."""
    datasets = {split: getattr(splits, split) for split in ("validation", "test")}
    with before_activation(model):
        return {
            split: model.predict(_inputs(model, dataset, cache), verbose=0)
            for split, dataset in datasets.items()
            if dataset is not None
        }


def _predictions(split, logits, temperature, splits):
    probabilities = _probabilities(logits, temperature or 1.0)
    paths = tuple(map(os.path.abspath, splits.paths.get(split, ())))
    return Predictions(split, probabilities, np.asarray(splits.labels[split]), paths)


def _inputs(model, dataset, cache):
    """The features of the model's frozen part, which the training left in the cache, or the
    images."""
    if cache is not None and has_frozen_work(model, dataset):
        with contextlib.suppress(NoRoomError):
            return cache.extract(model, dataset).as_inputs()
    return dataset


def _probabilities(logits, temperature):
    from scipy.special import softmax

    return softmax(np.asarray(logits, "float64") / temperature, axis=1).astype("float32")


def _temperature(logits, labels):
    """The temperature that calibrates the model on the validation set, or None."""
    if logits is None or len(logits) < _FEWEST_TO_CALIBRATE:
        return None
    temperature = temperature_of_logits(logits, labels)
    return None if temperature in (LOWEST, HIGHEST) else temperature


def _readable_by_server(splits):
    """A few images, if possible not from training, that TensorFlow can decode."""
    found = (splits.paths.get(split) for split in ("test", "validation", "train"))
    paths = next(filter(None, found), ())
    spread = paths[:: max(1, len(paths) // _EXPORT_CANDIDATES)]
    return [path for path in spread if _is_readable_by_server(path)][:_EXPORT_EXAMPLES] or None


def _is_readable_by_server(path):
    try:
        decode_image(tf.io.read_file(os.fsencode(path)))
    except tf.errors.InvalidArgumentError:  # WebP, or a BMP with a palette
        return False
    return True
