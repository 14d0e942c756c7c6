"""What `keras-transfer fit` makes of a trained model."""

import dataclasses
import os
import sys

import numpy as np
import tensorflow as tf

from keras_transfer import data, runs, serving
from keras_transfer._files import write_aside
from keras_transfer.calibration.measures import confusion_table, measure
from keras_transfer.calibration.temperature_scaling import (
    HIGHEST,
    LOWEST,
    apply_temperature,
    at_temperature,
    fit_temperature,
)
from keras_transfer.runs.run_figures import plot_confusion, plot_learning_curves
from keras_transfer.serving.warmup import can_write_warmup

_EXPORT_CANDIDATES, _EXPORT_EXAMPLES = 12, 4
# From fewer pictures a temperature is mostly chance.
_FEWEST_TO_CALIBRATE = 50


def evaluate_and_export(run_folder, model, history, splits):
    """Calibrates a trained model, measures it, and writes what follows into the run folder.

    Args:
        run_folder: the `RunFolder`, with the trained model.
        model: the model.
        history: what `fine_tune` returned.
        splits: the `ImageSplits`.

    Returns:
        `(metrics, version)`: a dict, and the folder of the export.
    """
    predictions = list(_predict(model, splits))
    temperature = _temperature(predictions)
    if temperature is not None:
        apply_temperature(model, temperature)
        write_aside(run_folder.path / "model.keras", model.save)
        predictions = [_scaled(one, temperature) for one in predictions]
    runs.RunRecord(run_folder.path).write_predictions(predictions)
    metrics = {
        "best_epoch": history.best_epoch + 1,
        "epochs": len(history.epoch),
        "temperature": temperature,
    }
    for one in predictions:
        metrics[one.split] = measure(one.probabilities, one.labels, splits.class_names)
    _plot(run_folder.path, history, metrics, splits.class_names)
    version = serving.export(
        model,
        run_folder.path / "serving",
        class_names=splits.class_names,
        examples=_readable_by_server(splits),
    )
    return metrics, version


def tell_results(run_folder, metrics, class_names, version):
    """Prints the accuracies, and where everything is."""
    for split in ("validation", "test"):
        if split in metrics:
            measured = metrics[split]
            print(f"\n{split}: accuracy {measured['accuracy']:.1%} of {measured['images']}")
    measured = metrics.get("test", metrics.get("validation"))
    if measured is not None:
        print("\n" + confusion_table(measured["confusion"], class_names))
    if not can_write_warmup():
        print("No warm-up requests: pip install 'keras-transfer[serving]'", file=sys.stderr)
    print(f"\n{metrics['seconds']:.0f} s. All results are in {run_folder.path}:")
    if (run_folder.path / "report.html").is_file():
        print(f"  {run_folder.path / 'report.html'}")
    print(f"  keras-transfer predict {run_folder.path} PICTURE...")
    base_path = version.parent.resolve()
    print(f"  tensorflow_model_server --rest_api_port=8501 --model_base_path={base_path}")


def _predict(model, splits):
    """What the model says of every split but the training pictures."""
    for split in ("validation", "test"):
        dataset = getattr(splits, split)
        if dataset is not None:
            probabilities = model.predict(dataset, verbose=0)
            paths = tuple(map(os.path.abspath, splits.paths[split]))
            labels = np.asarray(splits.labels[split])
            yield runs.Predictions(split, probabilities, labels, paths)


def _temperature(predictions):
    """What makes the model as sure as it is right on the validation pictures.

    None where these cannot tell it.
    """
    for one in predictions:
        if one.split == "validation" and len(one.labels) >= _FEWEST_TO_CALIBRATE:
            temperature = fit_temperature(one.probabilities, one.labels)
            return None if temperature in (LOWEST, HIGHEST) else temperature
    return None


def _scaled(predictions, temperature):
    probabilities = at_temperature(predictions.probabilities, temperature).astype("float32")
    return dataclasses.replace(predictions, probabilities=probabilities)


def _plot(path, history, metrics, class_names):
    plot_learning_curves(history.history, history.phase, path / "learning_curves.png")
    measured = metrics.get("test", metrics.get("validation"))
    if measured is not None:
        plot_confusion(measured["confusion"], class_names, path / "confusion_matrix.png")


def _readable_by_server(splits):
    """A few pictures, not for training if possible, that TensorFlow decodes by itself."""
    paths = splits.paths.get("test") or splits.paths.get("validation") or splits.paths["train"]
    spread = paths[:: max(1, len(paths) // _EXPORT_CANDIDATES)]
    return [path for path in spread if _is_readable_by_server(path)][:_EXPORT_EXAMPLES] or None


def _is_readable_by_server(path):
    try:
        data.decode_image(tf.io.read_file(path))
    except tf.errors.InvalidArgumentError:  # WebP, or a BMP with a palette
        return False
    return True
