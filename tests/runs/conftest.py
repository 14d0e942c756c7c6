"""A run folder as `fit` leaves it, of a model that was not trained."""

import json
import shutil

import keras
import numpy as np
import pytest

from keras_transfer.calibration.measures import measure
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.run_course import BackboneBefore, course_of
from tests.networks import residual_backbone
from tests.pictures import colour_folder
from tests.runs.pages import HISTORY, NAMES, PLAN


def predictions_of(folder):
    paths = sorted(map(str, (folder / "validation").glob("*/*.png")))
    labels = np.arange(len(paths)) * len(NAMES) // len(paths)
    probabilities = np.full((len(paths), len(NAMES)), 0.2)
    # Every third picture is taken for the next class.
    predicted = np.where(np.arange(len(paths)) % 3, labels, (labels + 1) % len(NAMES))
    probabilities[np.arange(len(paths)), predicted] = 0.6
    return Predictions("validation", probabilities, labels, tuple(paths))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder as `fit` leaves it, of a model that was not trained."""
    folder = tmp_path_factory.mktemp("report")
    colour_folder(folder / "photos", splits=("validation",))
    run = folder / "run"
    run.mkdir()
    keras.utils.set_random_seed(0)
    model = TransferModel(residual_backbone(), SoftmaxHead(len(NAMES)))
    before = BackboneBefore(model.backbone)
    last = model.backbone.stages[-1].layers
    for layer in model.backbone.layers:
        if layer.name in last:
            layer.set_weights([1.5 * values for values in layer.get_weights()])
    model.save(run / "model.keras")
    predictions = predictions_of(folder / "photos")
    record = RunFolder(run)
    record.write_predictions([predictions])
    seconds = [("reading", 1.0), ("training", 2.5)]
    provenance = {
        "date": "2026-01-02T03:04:05+00:00", "command": "keras-transfer fit <photos>",
        "versions": {"Python": "3.11", "TensorFlow": "2.21", "Keras": "3.1"},
        "machine": {
            "system": "Linux", "processor": "P", "cores": 2, "accelerators": [],
        },
        "num_images": {"train": 18, "validation": 18}, "parameters": 12345, "bytes": 5400000,
        "latency_ms": 6.54,
    }  # fmt: skip
    course = course_of(PLAN, before, model, seconds, temperature=1.25)
    record.write_course({**course, "provenance": provenance})
    measured = measure(predictions.outputs, predictions.labels, NAMES)
    metrics = {
        "best_epoch": 3, "kept_epoch": 2, "epochs": 3, "seconds": 83.0,
        "validation": measured,
    }  # fmt: skip
    settings = {
        "backbone": "residual", "data": str(folder / "photos"), "weights": "none", "seed": 0,
        "class_names": NAMES, "image_size": [16, 16], "channels": 3,
    }  # fmt: skip
    contents = {"run": settings, "plan": PLAN.to_json(), "metrics": metrics}
    for name, content in contents.items():
        (run / f"{name}.json").write_text(json.dumps(content))
    (run / "history.csv").write_text(HISTORY)
    return run


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")
