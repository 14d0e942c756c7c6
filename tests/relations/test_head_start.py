import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, heads, models, training
from keras_transfer.backbones import Backbone
from keras_transfer.relations import Hierarchy, imagenet_ids, start_head

KINDS = {
    "ants": "ant", "ant": "insect", "bees": "bee", "wild bee": "bee", "honey bee": "bee",
    "bee": "insect", "stone": "thing", "rock": "mineral",
}  # fmt: skip
SOURCES = ["ant", "wild bee", "honey bee", None]


@pytest.fixture(scope="module")
def source():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="pixels")
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3)(inputs))
    x = keras.layers.Activation("relu", name="features")(x)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Reshape((4,))(keras.layers.Conv2D(4, 1, bias_initializer="normal")(x))
    return keras.Model(inputs, keras.layers.Softmax()(x))


def model_of(source, num_classes=2, **arguments):
    features = keras.Model(source.input, source.get_layer("features").output)
    head = heads.SoftmaxHead(num_classes, **arguments)
    return models.TransferModel(Backbone.from_model(features), head)


def test_each_class_starts_from_the_mean_of_related_ones(source):
    model = model_of(source)
    found = start_head(model, source, Hierarchy.from_edges(KINDS, ["ants", "bees"]), SOURCES)
    assert found.related == {"ants": ("ant",), "bees": ("wild bee", "honey bee")}
    assert found.conclusion.startswith("2 of 2 classes")
    images = np.random.default_rng(0).uniform(0, 255, (5, 16, 16, 3))
    logits = keras.Model(source.input, source.layers[-2].output).predict(images, verbose=0)
    expected = keras.ops.softmax(np.stack([logits[:, 0], logits[:, 1:3].mean(1)], axis=1))
    assert np.allclose(model.predict(images, verbose=0), expected, atol=1e-5)


def test_a_class_without_relation_has_no_preference(source):
    model = model_of(source)
    found = start_head(model, source, Hierarchy.from_edges(KINDS, ["ants", "rock"]), SOURCES)
    assert found.related["rock"] == ()
    assert "nothing is related to rock" in found.conclusion
    assert found.rows()[2] == ("rock", "-")
    kernel = np.asarray(source.weights[-2]).reshape(6, 4)
    assert np.allclose(model.layers[-1].kernel[:, 1], kernel.mean(axis=1), atol=1e-6)


def test_the_exact_solution_is_pulled_to_the_start(source, tmp_path):
    model = model_of(source)
    start_head(model, source, Hierarchy.from_edges(KINDS, ["ants", "bees"]), SOURCES)
    begun = model.layers[-1].get_weights()
    images = np.random.default_rng(1).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((images, [0, 1])).batch(2)
    cached = features.FeatureCache(tmp_path).extract(model, dataset)
    # Without folds to choose on, 20 by the number of images.
    assert training.solve_head(model, cached) == 10.0
    pulled = np.linalg.norm(model.layers[-1].get_weights()[0] - begun[0])
    model.head_start = None
    training.solve_head(model, cached)
    solved = model.layers[-1].get_weights()[0]
    assert pulled < np.linalg.norm(solved - begun[0])


def test_a_class_without_a_label_keeps_its_start(source, tmp_path):
    model = model_of(source, num_classes=3)
    kinds = {**KINDS, "wasps": "insect"}
    start_head(model, source, Hierarchy.from_edges(kinds, ["ants", "bees", "wasps"]), SOURCES)
    begun = model.layers[-1].get_weights()
    images = np.random.default_rng(1).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((images, [0, 1])).batch(2)
    training.solve_head(model, features.FeatureCache(tmp_path).extract(model, dataset))
    for before, after in zip(begun, model.layers[-1].get_weights(), strict=True):
        np.testing.assert_array_equal(before[..., 2], after[..., 2])
        assert not np.array_equal(before[..., :2], after[..., :2])


def test_another_classifier_is_refused(source):
    model = model_of(source)
    model.backbone.get_layer("conv2d").kernel.assign_add(np.ones((3, 3, 3, 6)))
    with pytest.raises(ValueError, match="is not the classifier of"):
        start_head(model, source, Hierarchy.from_edges(KINDS, ["ants", "bees"]), SOURCES)


@pytest.mark.parametrize(
    "arguments", [{"num_classes": 3}, {"hidden_units": (4,)}, {"pooling": "max"}]
)
def test_another_head_is_refused(source, arguments):
    with pytest.raises(ValueError, match=r"needs a `TransferModel` with `SoftmaxHead\(2\)`"):
        start_head(
            model_of(source, **arguments), source,
            Hierarchy.from_edges(KINDS, ["ants", "bees"]), SOURCES,
        )  # fmt: skip


def test_names_must_fit_the_classifier(source):
    with pytest.raises(ValueError, match=r"each of the 4 classes.*Received: 3 names"):
        hierarchy = Hierarchy.from_edges(KINDS, ["ants", "bees"])
        start_head(model_of(source), source, hierarchy, SOURCES[:3])


def test_imagenet_ids_are_in_the_order_of_keras():
    ids = imagenet_ids()
    assert len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    assert (ids[0], ids[309], ids[999]) == ("n01440764", "n02206856", "n15075141")
