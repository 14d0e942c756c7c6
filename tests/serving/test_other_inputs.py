"""Models of texts, tables and images with a row: inputs by name, classes out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import heads, serving
from keras_transfer.backbones import Backbone
from keras_transfer.models import TransferModel
from keras_transfer.serving.signatures import Signatures

COLUMNS = {"age": np.array([[30.0], [np.nan]], "float32"), "job": np.array([["cook"], ["x"]])}


def of_texts():
    backbone = Backbone.from_vectors(["good", "bad"], np.eye(2), sequence_length=4)
    return backbone, heads.SoftmaxHead(2), {"text": np.array(["a good one", "", "bad bad"])}


def of_columns():
    rows = tf.data.Dataset.from_tensor_slices((COLUMNS, [0, 1])).batch(2)
    backbone = Backbone.from_table(rows, hidden_units=(4,))
    return backbone, heads.SigmoidHead(2), COLUMNS


def of_images_and_rows():
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    head = heads.JoinedHead([keras.Input((2,), name="row")], heads.SoftmaxHead(2), units=3)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype="uint8")
    encoded = np.array([tf.io.encode_png(image).numpy() for image in images], object)
    rows = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    given = {"image_bytes": encoded, "row": rows}
    return Backbone.from_model(network), head, given


@pytest.mark.parametrize("make", [of_texts, of_columns, of_images_and_rows])
def test_inputs_go_in_by_name_and_named_outputs_come_out(make, tmp_path):
    backbone, head, given = make()
    model = TransferModel(backbone, head)
    model.class_names = ["ant", "bee"]
    version = serving.export(model, tmp_path, examples=dict(given))
    served = tf.saved_model.load(str(version)).signatures
    answer = served["serving_default"](
        **{name: tf.constant(list(values)) for name, values in given.items()}
    )
    signatures = Signatures(model)
    inputs = signatures.decoded({name: tf.constant(list(v)) for name, v in given.items()})
    expected = signatures.infer(inputs)
    assert set(answer) == set(expected)
    for name, values in expected.items():
        if values.dtype == tf.string:
            np.testing.assert_array_equal(answer[name], values)
        else:
            np.testing.assert_allclose(answer[name], values, atol=1e-5)
    nothing = served["serving_default"](
        **{name: tf.constant(list(values))[:0] for name, values in given.items()}
    )
    assert all(len(values) == 0 for values in nothing.values())
    assert ("images" in served) == backbone.takes_images


def test_names_of_columns_that_are_no_arguments_get_underscores(tmp_path):
    columns = {name: np.array([[1.0], [2.0]], "float32") for name in ("a b", "a_b", "2c")}
    backbone = Backbone.from_table(columns, hidden_units=(4,))
    model = TransferModel(backbone, heads.DenseHead(1))
    version = serving.export(model, tmp_path, examples=columns)
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    arguments = Signatures(model).arguments
    assert {*arguments.values()} == {"a_b", "a_b_2", "input_2c"}
    answer = served(**{arguments[name]: tf.constant(one) for name, one in columns.items()})
    np.testing.assert_allclose(answer["values"], model.predict(columns, verbose=0), atol=1e-6)


def test_examples_must_have_all_inputs(tmp_path):
    backbone, head, _ = of_texts()
    model = TransferModel(backbone, head)
    for examples, message in (({"words": ["a"]}, r"the inputs \['text'\]"),
                              (["a.png"], "not files of images alone")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            serving.export(model, tmp_path, examples=examples)
    with pytest.raises(ValueError, match="takes no texts"):
        serving.export_file(model, tmp_path / "model.tflite")
    with pytest.raises(ValueError, match="takes no images"):
        serving.export(model, tmp_path, image_size=32)
    assert not any(tmp_path.iterdir())
