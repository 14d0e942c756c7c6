import keras
import numpy as np
import pytest

from keras_transfer.heads import DenseHead, GeneralizedMeanPooling, SigmoidHead, SoftmaxHead
from keras_transfer.heads.classification_heads import SoftmaxCrossentropy
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone

HEADS = [
    DenseHead(2),
    DenseHead(1, activation="relu", hidden_units=(4, 3), hidden_activation="gelu"),
    SoftmaxHead(3, hidden_units=(4,), normalization="batch", dropout=0.5),
    SoftmaxHead(3, label_smoothing=0.1, pooling="gem"),
    SigmoidHead(2, hidden_units=[4], normalization="layer", loss_weight=0.5),
    SigmoidHead(1, pooling="avgmax"),
]


def apply(head, features, **arguments):
    inputs = keras.Input(features.shape[1:])
    return keras.Model(inputs, head(inputs, **arguments))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_head_is_serialised_and_equal(head):
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert restored == head
    assert hash(restored) == hash(head)
    assert restored != DenseHead(7)


# Features of one picture, two positions, two channels: [1, 4] and [3, 0].
FEATURES = np.array([[[[1.0, 4.0], [3.0, 0.0]]]], "float32")
POOLED = [
    ("avg", [2.0, 2.0]),
    ("max", [3.0, 4.0]),
    ("avgmax", [2.0, 2.0, 3.0, 4.0]),
    ("flatten", [1.0, 4.0, 3.0, 0.0]),
    # p = 3: ((1 + 27) / 2) ** (1/3) = 2.4101, ((64 + 0) / 2) ** (1/3) = 3.1748
    ("gem", [14.0 ** (1 / 3), 32.0 ** (1 / 3)]),
]


@pytest.mark.parametrize(("pooling", "expected"), POOLED)
def test_pooling(pooling, expected):
    model = apply(DenseHead(1, pooling=pooling), FEATURES)
    pooled = keras.Model(model.input, model.get_layer("head_output").input)
    np.testing.assert_allclose(pooled(FEATURES)[0], expected, rtol=1e-5)


def test_pooling_none_predicts_at_every_position():
    assert apply(SoftmaxHead(5, pooling="none"), FEATURES).output_shape == (None, 1, 2, 5)


@pytest.mark.parametrize("pooling", ["avg", "max", "avgmax", "gem", "flatten"])
@pytest.mark.parametrize("shape", [(6, 4), (4,)])
def test_features_with_fewer_dimensions_are_pooled_too(pooling, shape):
    assert apply(DenseHead(1, pooling=pooling), np.zeros((1, *shape))).output_shape == (None, 1)


def test_pooling_of_volumes_is_told():
    with pytest.raises(ValueError, match=r"takes \(batch, positions, features\)"):
        apply(DenseHead(1), np.zeros((1, 2, 2, 2, 3)))


def test_exponent_of_generalized_mean_is_learned():
    layer = GeneralizedMeanPooling(p=1.0)
    np.testing.assert_allclose(layer(FEATURES)[0], [2.0, 2.0], rtol=1e-5)  # p = 1: the mean
    assert [w.path.split("/")[-1] for w in layer.trainable_weights] == ["exponent"]


def test_layers_are_named_in_order():
    head = SoftmaxHead(3, hidden_units=(8, 4), normalization="batch", dropout=0.5)
    names = [layer.name for layer in apply(head, FEATURES).layers[1:]]
    assert names == [
        "head_pooling",
        "head_dropout_1", "head_hidden_1", "head_normalization_1", "head_activation_1",
        "head_dropout_2", "head_hidden_2", "head_normalization_2", "head_activation_2",
        "head_dropout", "head_output",
    ]  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_output_is_float32_in_mixed_precision(head):
    keras.config.set_dtype_policy("mixed_float16")
    model = apply(head, FEATURES)
    assert model(FEATURES).dtype == "float32"
    if head.hidden_units:
        assert model.get_layer("head_hidden_1").compute_dtype == "float16"


PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], "float32")
# -(log 0.5 + log 0.8) / 2 = 0.4581
CROSS_ENTROPY = -(np.log(0.5) + np.log(0.8)) / 2


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1]),
        np.array([[0], [1]]),
        np.array([[1, 0, 0], [0, 1, 0]], "float32"),
    ],
    ids=["indices", "column of indices", "one-hot"],
)
def test_crossentropy_takes_every_kind_of_label(labels):
    np.testing.assert_allclose(
        SoftmaxCrossentropy()(labels, PROBABILITIES), CROSS_ENTROPY, 1e-5
    )


def test_crossentropy_of_mixed_labels():
    labels = np.array([[0.5, 0.5, 0], [0, 1, 0]], "float32")
    # -(0.5 log 0.5 + 0.5 log 0.25 + log 0.8) / 2
    expected = -(0.5 * np.log(0.5) + 0.5 * np.log(0.25) + np.log(0.8)) / 2
    np.testing.assert_allclose(SoftmaxCrossentropy()(labels, PROBABILITIES), expected, 1e-5)


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.eye(3, dtype="float32")[:2]])
def test_label_smoothing_spreads_the_label(labels):
    # 0.3 over three classes: 0.8 for the true one, 0.1 for each of the others.
    targets = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    expected = -(targets * np.log(PROBABILITIES)).sum(axis=1).mean()
    loss = SoftmaxCrossentropy(label_smoothing=0.3)(labels, PROBABILITIES)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_losses_and_metrics_belong_to_the_head():
    assert isinstance(DenseHead(1).loss(), keras.losses.MeanSquaredError)
    assert isinstance(SigmoidHead(2).loss(), keras.losses.BinaryCrossentropy)
    loss = SoftmaxHead(3, label_smoothing=0.1).loss()
    assert isinstance(loss, SoftmaxCrossentropy)
    assert loss.label_smoothing == 0.1
    assert [m.name for m in SigmoidHead(2).metrics()] == ["accuracy", "auc"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseHead(0), "`units`"),
        (lambda: DenseHead(1.5), "`units`"),
        (lambda: DenseHead(1, hidden_units=(8, 0)), "`hidden_units`"),
        (lambda: DenseHead(1, pooling="mean"), "`pooling` must be one of"),
        (lambda: DenseHead(1, normalization="group"), "'batch', 'layer' or None"),
        (lambda: DenseHead(1, dropout=1.0), r"`dropout` must be in \[0, 1\)"),
        (lambda: DenseHead(1, loss_weight=0), "`loss_weight` must be positive"),
        (lambda: SoftmaxHead(1), "SigmoidHead"),
        (lambda: SoftmaxHead(3, label_smoothing=1.0), "`label_smoothing`"),
        (lambda: SoftmaxCrossentropy(label_smoothing=-0.1), "`label_smoothing`"),
    ],
)
def test_wrong_arguments_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("head", [SoftmaxHead(3), SigmoidHead(3), DenseHead(1)])
def test_callbacks_know_the_better_direction_of_every_metric(head):
    model = TransferModel(residual_backbone(), head)
    model.compile()
    images = np.zeros((4, 16, 16, 3), "float32")
    labels = np.zeros((4, 3)) if isinstance(head, SigmoidHead) else np.zeros(4)
    monitors = [f"val_{metric.name}" for metric in head.metrics()]
    stopping = [keras.callbacks.EarlyStopping(monitor, patience=5) for monitor in monitors]
    history = model.fit(
        images, labels, validation_data=(images, labels), callbacks=stopping, verbose=0
    )
    assert set(monitors) <= history.history.keys()
