import functools
import os
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import freezing, plans
from keras_transfer.backbones import Backbone
from keras_transfer.calibration.temperature_scaling import apply_temperature
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from keras_transfer.runs import fitting, provenance
from keras_transfer.runs.class_task import ClassTask
from keras_transfer.runs.fitting import fit
from tests.networks import residual_backbone, small_application
from tests.pictures import colour_folder

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (60, 16, 16, 3)).astype("float32")


def answers(number, share, confidence=0.9):
    """Logits and labels for two classes, a share of them right, all as sure as that."""
    labels = (np.arange(number) >= share * number).astype(int)
    return np.tile(np.log([confidence, 1 - confidence]), (number, 1)), labels


def test_predictions_are_those_of_the_calibrated_model():
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(2))
    before = logits(model, IMAGES)
    apply_temperature(model, 2.5)
    found = ClassTask().outputs_of(before, 2.5)
    np.testing.assert_allclose(found, model.predict(IMAGES, verbose=0), atol=1e-6)
    assert np.abs(found - ClassTask().outputs_of(before, None)).max() > 0.01


def test_temperature_makes_answers_as_sure_as_they_are_right():
    given, labels = answers(100, 0.7)
    scaled = ClassTask().outputs_of(given, ClassTask().temperature(given, labels))
    assert scaled[0, 0] == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    "given",
    [
        (None, None),
        answers(49, 0.7),
        # The surer the better, or the less sure: no temperature is the best.
        answers(100, 1.0),
        answers(100, 0.1),
    ],
)
def test_some_pictures_tell_no_temperature(given):
    assert ClassTask().temperature(*given) is None


def test_a_plan_that_does_not_fit_leaves_no_folder(tmp_path):
    colour_folder(tmp_path / "photos")
    with pytest.raises(ValueError, match="does not take a time budget"):
        fit(tmp_path / "photos", output=tmp_path / "run", plan="auto", time_budget=60.0)
    assert not (tmp_path / "run").exists()


def test_mixed_precision_trains_and_the_saved_model_computes_in_float32(tmp_path, monkeypatch):
    trained_in = []
    in_the_folder = fitting.fine_tune_in

    def fine_tune(folder, model, *arguments, **others):
        trained_in.append({layer.compute_dtype for layer in model.layers})
        return in_the_folder(folder, model, *arguments, **others)

    monkeypatch.setattr(fitting, "fine_tune_in", fine_tune)
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_application)
    colour_folder(tmp_path / "photos")
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=2, learning_rate=1e-2)])
    arguments = {"image_size": 32, "weights": None, "alpha": 0.35, "verbose": 0, "plan": plan}
    run = fit(
        tmp_path / "photos",
        output=tmp_path / "run",
        precision="mixed",
        cache=False,
        **arguments,
    )
    assert "bfloat16" in trained_in[0]
    assert keras.config.dtype_policy().name == "float32"
    saved = keras.saving.load_model(run.path / "model.keras")
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    images = RANDOM.uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["images"]
    np.testing.assert_allclose(
        served(images=images)["probabilities"], saved.predict(images, verbose=0), atol=1e-5
    )


def test_unknown_precision_leaves_no_folder(tmp_path):
    colour_folder(tmp_path / "photos")
    with pytest.raises(ValueError, match="`precision` must be"):
        fit(tmp_path / "photos", output=tmp_path / "run", weights=None, precision="half")
    assert not (tmp_path / "run").exists()


def test_evaluating_the_training_folder_measures_what_was_not_trained_on(tmp_path):
    colour_folder(tmp_path / "photos")
    photos = tmp_path / "photos" / "train"
    backbone = Backbone.from_model(residual_backbone())
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    run = fit(photos, backbone, tmp_path / "run", plan=plan, seed=3, cache=False, verbose=0)
    with pytest.warns(UserWarning, match="only the images that were not trained on"):
        found = run.evaluate(photos)
    assert found["images"] == run.metrics["validation"]["images"] < 18
    assert found["confusion"] == run.metrics["validation"]["confusion"]
    _check_record(run)


def _check_record(run):
    """What the page says about the origin is true."""
    found, metrics = run.course["provenance"], run.metrics
    assert found["bytes"] == (run.path / "model.keras").stat().st_size
    assert found["parameters"] == run.model.count_params()
    assert found["versions"]["Keras"] == keras.__version__
    assert found["latency_ms"] > 0 and found["machine"]["cores"] >= 1
    assert found["command"] == "keras_transfer.runs.fit, called from Python"
    assert metrics["kept_epoch"] == metrics["best_epoch"] == 1
    spent = sum(seconds for _, seconds in run.course["seconds"])
    assert spent == pytest.approx(metrics["seconds"], abs=0.1), "one duration"


def test_the_command_is_recorded_as_it_was_typed(monkeypatch):
    typed = ["/usr/bin/keras-transfer", "fit", "my photos", "--output", "run"]
    monkeypatch.setattr(sys, "argv", typed)
    assert provenance._command() == "keras-transfer fit 'my photos' --output run"
    for module in ("keras_transfer", "keras_transfer/cli"):
        monkeypatch.setattr(sys, "argv", [f"/x/{module}/__main__.py", "fit", "a"])
        assert provenance._command() == "keras-transfer fit a"


def test_the_folder_of_images_is_what_all_their_paths_share(tmp_path):
    paths = {"train": [tmp_path / "a" / "1.png"], "test": [tmp_path / "b" / "c" / "2.png"]}
    assert provenance.folder_of(types.SimpleNamespace(paths=paths)) == str(tmp_path)
    assert provenance.folder_of(types.SimpleNamespace(paths={})) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unfreeze": -1}, "unfreeze=-1"),
        ({"unfreeze": "all"}, "must be an integer. Received: unfreeze='all'"),
        ({"learning_rate": "1e-3"}, "must be a number. Received: learning_rate='1e-3'"),
        ({"epochs": 0}, "epochs=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"epochs": 2, "time_budget": 60}, "A time budget decides"),
    ],
)
def test_wrong_changes_of_the_plan_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, output=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_interrupted_run_notices_that_a_class_was_renamed(tmp_path, monkeypatch):
    photos = colour_folder(tmp_path / "photos", per_class=2)
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    again = functools.partial(
        fit, photos, residual_backbone(), tmp_path / "run", plan=plan, cache=False, verbose=0
    )
    monkeypatch.setattr(fitting, "finish", lambda *arguments: None)  # killed before
    again()
    described = (tmp_path / "run/run.json").read_bytes()
    for folder in photos.glob("*/red"):
        folder.rename(folder.with_name("rouge"))
    with pytest.raises(ValueError, match=r"class names: .*'red'.*, now .*'rouge'"):
        again()
    assert (tmp_path / "run/run.json").read_bytes() == described
    for folder in photos.glob("*/rouge"):
        folder.rename(folder.with_name("red"))
    (tmp_path / "run/plan.json").unlink()
    with pytest.raises(ValueError, match=r"plan\.json' is missing"):
        again()


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
def test_images_of_any_names_are_trained_on_and_shown(tmp_path):
    photos = colour_folder(tmp_path / "photos", per_class=2)
    for path in photos.glob("*/*/*.png"):
        path.rename(path.with_name(f"\udcff\udcfe\x1b[31m\n<b>%s{path.name}"))
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    run = fit(photos, residual_backbone("tf"), tmp_path / "run", plan=plan, verbose=0)
    page = (run.path / "report.html").read_text("utf-8")
    assert page.rstrip().endswith("</html>") and "data:image" in page
    assert "\x1b" not in page and "<b>%s" not in page
    assert (run.path / "serving" / "1").is_dir()
