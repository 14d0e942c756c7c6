"""Networks with several inputs, tokens and padding: everything works on them unchanged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads, optimizers, plans, training
from keras_transfer.backbones import Backbone, graph
from keras_transfer.models import TransferModel

LENGTH, NUM = 6, 40


@keras.saving.register_keras_serializable(package="test_inputs")
class Mixer(keras.layers.Layer):
    """A block that looks at its neighbours, but not at padding."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, tokens, padding_mask=None):
        kept = keras.ops.cast(padding_mask, tokens.dtype)[..., None]
        mean = keras.ops.sum(tokens * kept, 1, keepdims=True) / keras.ops.sum(kept, 1)[:, None]
        return tokens + keras.ops.tanh((tokens + mean) @ self.kernel)

    def compute_output_shape(self, shape, **others):
        return shape


def token_network():
    """Two embeddings and three blocks, as in BERT; the mask crosses every cut."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    kinds = keras.Input((None,), dtype="int32", name="segment_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    x = keras.layers.Embedding(50, 8, name="tokens")(ids)
    x = keras.layers.Add(name="sum")([x, keras.layers.Embedding(2, 8, name="kinds")(kinds)])
    x = keras.layers.LayerNormalization(name="norm")(x)
    for number in range(3):
        x = Mixer(name=f"block_{number}")(x, padding_mask=mask)
    pooled = keras.layers.Dense(4, name="pooled")(x[:, 0])
    inputs = {"token_ids": ids, "segment_ids": kinds, "padding_mask": mask}
    return keras.Model(inputs, {"sequence_output": x, "pooled_output": pooled}, name="bert")


def token_data(num=NUM, length=LENGTH, padding=0):
    random = np.random.default_rng(0)
    ids = random.integers(1, 50, (num, length))
    lengths = random.integers(1, length + 1, (num, 1))
    mask = (np.arange(length) < lengths).astype("int32")
    labels = (ids[:, 0] > 25).astype("int64")
    arrays = {"token_ids": ids * mask, "segment_ids": np.zeros_like(ids), "padding_mask": mask}
    wider = {
        name: np.pad(array, ((0, 0), (0, padding))).astype("int32")
        for name, array in arrays.items()
    }
    return wider, labels


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    return Backbone.from_model(token_network())


def test_a_mask_rides_along_at_every_boundary(backbone):
    assert backbone.input_names == ("padding_mask", "segment_ids", "token_ids")
    cuts = graph.cuts(backbone)
    assert list(cuts["block_0"]) == ["block_0", "padding_mask"]
    assert [stage.boundary for stage in backbone.stages] == [
        "norm", "block_0", "block_1", "block_2"
    ]  # fmt: skip
    assert backbone.mask is not None and backbone.mask.name == "padding_mask"


def test_unfreezing_two_stages_trains_two_blocks(backbone):
    model = TransferModel(backbone.copy(), heads.SoftmaxHead(2), freezing.UnfreezeLast(2))
    trained = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert trained == {"block_1", "block_2", "head_output"}
    assert model.frozen_boundary == "block_0"
    inputs, _ = token_data(4)
    features_of_stem = model.stem()(inputs)
    np.testing.assert_array_equal(model.tail()(features_of_stem), model(inputs))
    named = dict(zip(model.frozen_cut, features_of_stem, strict=True))
    np.testing.assert_array_equal(model(named), model(inputs))
    with pytest.raises(ValueError, match=r"needs \['padding_mask'\] beside 'block_0'"):
        model({"block_0": named["block_0"]})


@pytest.mark.parametrize("pooling", ["avg", "max", "avgmax"])
def test_padding_changes_no_output(backbone, pooling):
    model = TransferModel(backbone, heads.SoftmaxHead(2, pooling=pooling))
    short, long = (token_data(padding=padding)[0] for padding in (0, LENGTH))
    np.testing.assert_allclose(
        model.predict(short, verbose=0), model.predict(long, verbose=0), atol=1e-6
    )


def test_a_text_without_a_word_gives_a_finite_output(backbone):
    model = TransferModel(backbone, heads.DenseHead(2, pooling="avgmax"))
    nothing = {name: np.zeros((1, 3), "int32") for name in backbone.input_names}
    pooled = heads.pooling.MaskedPooling("avg")(np.ones((1, 3, 2), "float32"), np.zeros((1, 3)))
    assert np.asarray(pooled).tolist() == [[0.0, 0.0]]
    assert model.output_shape == (None, 2) and set(nothing) == set(backbone.input_names)


def test_cached_features_train_as_inputs_do(backbone, tmp_path):
    inputs, labels = token_data()
    train = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(8)
    found = []
    for cache in (features.FeatureCache(tmp_path), False):
        keras.utils.set_random_seed(1)
        model = TransferModel(backbone.copy(), heads.SoftmaxHead(2))
        plan = plans.Plan(
            [
                plans.Phase(freezing.FreezeAll(), 2, 1e-2, name="head"),
                plans.Phase(
                    freezing.UnfreezeLast(2), 2, 1e-2, layerwise_decay=0.5, name="rest"
                ),
            ],
            [],
        )
        training.fine_tune(model, train, plan=plan, cache=cache, verbose=0)
        found.append(model.predict(inputs, verbose=0))
    np.testing.assert_allclose(*found, atol=1e-5)


def test_features_with_a_mask_are_read_again(backbone, tmp_path):
    inputs, labels = token_data()
    train = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(8)
    model = TransferModel(backbone.copy(), heads.SoftmaxHead(2), freezing.UnfreezeLast(1))
    cache = features.FeatureCache(tmp_path)
    cached = cache.extract(model, train)
    (hidden, mask), found = cached.arrays()
    assert cached.names == ("block_1", "padding_mask")
    np.testing.assert_array_equal(mask, inputs["padding_mask"])
    np.testing.assert_array_equal(found, labels)
    assert hidden.dtype == np.float32 and mask.dtype == np.int32
    assert cache.extract(model, train).extraction.num_images == 0
    other = {**inputs, "segment_ids": 1 - inputs["segment_ids"]}
    again = tf.data.Dataset.from_tensor_slices((other, labels)).batch(8)
    assert cache.extract(model, again).extraction.num_images == NUM


def test_model_of_several_inputs_is_saved_and_loaded(backbone, tmp_path):
    row = keras.Input((3,), name="row")
    head = heads.JoinedHead([row], heads.SoftmaxHead(2, dropout=0.1), units=4)
    model = TransferModel(backbone.copy(), head, freezing.UnfreezeLast(1))
    model.compile()
    inputs, labels = token_data()
    inputs["row"] = np.random.default_rng(1).normal(size=(NUM, 3)) * 1e4
    model.fit(inputs, labels, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.heads == head
    assert loaded.backbone.input_names == backbone.input_names
    for other in (loaded, model.copy()):
        np.testing.assert_array_equal(
            other.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
        )
    assert set(optimizers.layerwise_decay(loaded)) >= {"block_2/.*", ".*"}


def test_a_row_decides_beside_features_that_know_nothing(tmp_path):
    """The features are noise of another scale, and one column holds the label."""
    images = np.random.default_rng(0).uniform(0, 255, (64, 8, 8, 3)).astype("float32")
    labels = np.arange(64) % 2
    rows = np.stack([labels * 2e5 + 1e6, np.zeros(64)], axis=1)
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(32, 3)])
    keras.utils.set_random_seed(0)
    head = heads.JoinedHead([keras.Input((2,), name="row")], heads.SoftmaxHead(2))
    model = TransferModel(Backbone.from_model(network), head)
    model.compile(keras.optimizers.AdamW(1e-2))
    train = tf.data.Dataset.from_tensor_slices(({"images": images, "row": rows}, labels))
    cached = features.FeatureCache(tmp_path).extract(model, train.batch(16))
    assert cached.names == ("head_pooling", "row")
    model.fit(cached.as_inputs(), epochs=10, verbose=0)
    _, accuracy = model.evaluate({"images": images, "row": rows}, labels, verbose=0)
    assert accuracy == 1.0


def test_names_of_inputs_must_differ(backbone):
    head = heads.JoinedHead([keras.Input((3,), name="token_ids")], heads.SoftmaxHead(2))
    with pytest.raises(ValueError, match="has the name of an input of the backbone"):
        TransferModel(backbone, head)


@pytest.mark.parametrize(
    "arguments",
    [
        {"inputs": []},
        {"inputs": [keras.Input((3, 4), name="row")]},
        {"inputs": ["row"]},
        {"head": keras.layers.Dense(2)},
    ],
)
def test_parts_that_cannot_be_joined_are_told(arguments):
    given = {"inputs": [keras.Input((3,), name="row")], "head": heads.SoftmaxHead(2)}
    with pytest.raises(ValueError, match="Received: "):
        heads.JoinedHead(**{**given, **arguments})


@keras.saving.register_keras_serializable(package="test_inputs")
class StagesHead(heads.Head):
    """A head of one's own, on all stages."""

    takes_stages = True

    def __call__(self, features, name="head", output_name=None):
        pooled = [
            keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(3)(stage))
            for stage in features[1:]
        ]
        joined = keras.layers.Concatenate()(pooled)
        return keras.layers.Dense(2, name=output_name or f"{name}_output")(joined)

    def loss(self):
        return keras.losses.MeanSquaredError()


def test_stages_of_a_frozen_network_are_cached_for_a_head_that_takes_them(backbone, tmp_path):
    model = TransferModel(backbone.copy(), StagesHead())
    model.compile()
    inputs, labels = token_data()
    train = tf.data.Dataset.from_tensor_slices((inputs, np.stack([labels] * 2, 1))).batch(8)
    cached = features.FeatureCache(tmp_path).extract(model, train)
    assert cached.names == ("block_2", "padding_mask", "block_0", "block_1")
    before = model.evaluate(train, verbose=0)
    assert model.evaluate(cached.as_inputs(), verbose=0) == pytest.approx(before, rel=1e-5)
    model.fit(cached.as_inputs(), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").heads == StagesHead()


def test_embedding_with_a_zero_mask_keeps_it_across_a_cut(tmp_path):
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = keras.layers.Embedding(50, 4, mask_zero=True)(ids)
    network = keras.Model(ids, keras.layers.LSTM(5, return_sequences=True)(x))
    backbone = Backbone.from_model(network)
    model = TransferModel(backbone, heads.DenseHead(1), freezing.UnfreezeLast(1))
    inputs, _ = token_data()
    ids = inputs["token_ids"]
    np.testing.assert_allclose(backbone(ids), network(ids), atol=1e-6)
    assert len(model.frozen_cut) == 2
    features_of_stem = tuple(map(np.asarray, model.stem()(ids)))
    np.testing.assert_allclose(model.tail()(features_of_stem), model(ids), atol=1e-6)


def test_a_model_that_trains_from_its_input_has_an_empty_stem():
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    backbone = Backbone.from_model(keras.Model(ids, keras.layers.Embedding(50, 4)(ids)))
    model = TransferModel(backbone, heads.SoftmaxHead(2), freezing.FreezeNone())
    inputs, labels = token_data()
    train = tf.data.Dataset.from_tensor_slices((inputs["token_ids"], labels)).batch(8)
    assert model.frozen_boundary == "ids" and model.stem().count_params() == 0
    plan = plans.Plan([plans.Phase(freezing.FreezeNone(), 1, 1e-2, name="all")], [])
    history = training.fine_tune(model, train, plan=plan, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


class Frame(dict):
    """What is used of a table of pandas."""

    columns = property(list)
    shape, dtype = (4, 2), object


AGES, TOWNS = [30.0, np.nan, 50.0, 60.0], ["x", None, "y", "y"]


def pandas_frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


@pytest.mark.parametrize("make", [Frame, pandas_frame, dict])
def test_a_table_is_taken_where_a_dict_of_columns_is(make):
    columns = {"age": np.array([[30.0], [60.0]]), "town": np.array([["x"], ["y"]], object)}
    model = TransferModel(Backbone.from_table(columns, (4,)), heads.SoftmaxHead(2))
    model.compile()
    frame, labels = make({"town": TOWNS, "age": AGES}), np.array([0, 0, 1, 1])
    expected = model.predict(
        {"age": np.array(AGES)[:, None], "town": tf.constant([["x"], [""], ["y"], ["y"]])},
        verbose=0,
    )
    np.testing.assert_allclose(model.predict(frame, verbose=0), expected)
    model.evaluate(frame, labels, verbose=0)
    model.fit(frame, labels, validation_data=(frame, labels), verbose=0)
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)], [])
    given = frame, labels
    assert training.fine_tune(model, given, given, plan, verbose=0, cache=False)


@pytest.mark.parametrize("make", [Frame, pandas_frame, dict])
@pytest.mark.parametrize(
    ("column", "cells"),
    [([[30.0], [60.0]], AGES), ([["x"], ["y"]], TOWNS)],
    ids=["age", "town"],
)
def test_one_column_is_the_only_input_whatever_its_name(make, column, cells):
    network = Backbone.from_table({"column": np.array(column, np.array(cells).dtype)}, (4,))
    model = TransferModel(network, heads.SoftmaxHead(2))
    model.compile()
    frame, labels = make({"other": cells}), np.array([0, 0, 1, 1])
    expected = model.predict({"column": cells}, verbose=0)
    np.testing.assert_allclose(model.predict(frame, verbose=0), expected)
    model.evaluate(frame, labels, verbose=0)
    model.fit(frame, labels, validation_data=(frame, labels), verbose=0)
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)], [])
    assert training.fine_tune(model, (frame, labels), None, plan, verbose=0, cache=False)
    told = "takes a dict of the inputs 'column'. Received: 'other', 'column'"
    for use in (model.predict, lambda frame: model.fit(frame, labels)):
        with pytest.raises(ValueError, match=told):
            use(make({"other": cells, "column": cells}))


def test_labels_may_be_a_column_of_pandas_and_then_an_array():
    pandas = pytest.importorskip("pandas")
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = TransferModel(Backbone.from_model(network), heads.SoftmaxHead(2))
    model.compile()
    features, labels = np.ones((4, 4)), np.array([0, 1, 0, 1])
    column = pandas.Series(labels)
    model.fit(features, column, validation_data=(features, column), verbose=0)
    assert model.evaluate(features, labels, verbose=0)
    model.fit(features, labels, verbose=0)


def test_infinity_in_a_column_is_told_and_a_missing_cell_is_not():
    columns = {"age": np.array([[30.0], [60.0]])}
    model = TransferModel(Backbone.from_table(columns, (4,)), heads.SoftmaxHead(2))
    model.compile()
    model.fit({"age": [30.0, np.nan]}, np.array([0, 1]), verbose=0)
    with pytest.raises(ValueError, match="must be finite"):
        model.fit({"age": [30.0, np.inf]}, np.array([0, 1]), verbose=0)
