import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import heads, models, serving
from keras_transfer.serving import file_export
from keras_transfer.serving.signatures import Signatures
from tests.serving.models_to_export import (
    pixels,
    small_model,
    trained_model_with_augmentation,
    write_pngs,
)

# `serving.export_file` is the function.

needs_litert = pytest.mark.skipif(
    not file_export.can_write_litert(),
    reason=f"Keras {keras.__version__} has no LiteRT export",
)


def run_litert(path, images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path))
    return interpreter.get_signature_runner("serving_default")(images=images)


def run_onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def run(path, images):
    return (run_litert if path.suffix == ".tflite" else run_onnx)(path, images)


@pytest.fixture(params=[".tflite", ".onnx"])
def suffix(request):
    if request.param == ".tflite" and not file_export.can_write_litert():
        pytest.skip(f"Keras {keras.__version__} has no LiteRT export")
    if request.param == ".onnx":
        for package in ("tf2onnx", "onnxruntime"):
            pytest.importorskip(package, reason="needs the extra `onnx`")
    return request.param


def test_keras_without_litert_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.12.4")
    with pytest.raises(RuntimeError, match=r"needs Keras 3\.13"):
        serving.export_file(small_model(), tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def test_the_file_computes_what_predict_does(tmp_path, suffix):
    model = trained_model_with_augmentation()
    images = pixels(5).astype("float32")
    path = serving.export_file(
        model,
        tmp_path / f"model{suffix}",
        examples=write_pngs(pixels(3), tmp_path / "pictures"),
    )
    answers = run(path, images)
    expected = model.predict(images, verbose=0)
    assert set(answers) == {"probabilities", "class_index"}
    np.testing.assert_allclose(answers["probabilities"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(answers["class_index"], expected.argmax(axis=-1))


def test_several_heads_keep_their_names(tmp_path, suffix):
    model = small_model(
        {"signs": heads.SigmoidHead(2), "age": heads.DenseHead(1)}, size=None, channels=5
    )
    images = pixels(3, size=20, channels=5).astype("float32")
    path = serving.export_file(model, tmp_path / "new" / f"model{suffix}", image_size=20)
    answers = run(path, images)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(answers["signs_probabilities"], expected["signs"], 1e-4, 1e-6)
    np.testing.assert_allclose(answers["age_values"], expected["age"], 1e-4, 1e-4)


def test_a_file_that_computes_something_else_is_not_left(tmp_path, suffix, monkeypatch):
    model = small_model()
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"the one before")

    def doubled(self, images):
        return self.describe(2 * self.model(images, training=False))

    monkeypatch.setattr(Signatures, "infer", doubled)
    with pytest.raises(RuntimeError, match="does not compute the same as `predict`"):
        serving.export_file(model, path)
    assert path.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [path]


class _Inverse(keras.layers.Layer):
    """An operation that neither format has."""

    def call(self, inputs):
        square = tf.reshape(inputs[:, :4, :1, :1], (-1, 2, 2))
        return inputs + tf.linalg.inv(square)[:, :1, :1, None]


def test_a_model_that_the_format_cannot_hold_raises(tmp_path, suffix):
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, _Inverse()(inputs))
    model = models.TransferModel(network, heads=heads.DenseHead(1))
    with pytest.raises(RuntimeError, match=r"cannot (be converted|run it)"):
        serving.export_file(model, tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())


@needs_litert
def test_half_precision_is_refused_for_litert(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    with pytest.raises(ValueError, match="float32 only"):
        serving.export_file(small_model(), tmp_path / "model.tflite")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'\.tflite', '\.onnx' or '\.keras'"):
        serving.export_file(small_model(), tmp_path / "model.pb")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(file_export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install tf2onnx"):
        serving.export_file(small_model(), tmp_path / "model.onnx")


@needs_litert
def test_an_unwritable_place_raises_and_the_error_is_the_systems(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        serving.export_file(small_model(), tmp_path / "file" / "model.tflite")
