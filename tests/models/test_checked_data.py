"""Labels and images that do not fit end in one line, in `fit`, `evaluate` and `fine_tune`."""

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads, models, plans, training
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
WITH_NAN = np.where(np.arange(12).reshape(-1, 1, 1, 1) == 7, np.nan, IMAGES).astype("float32")
LABELS = np.arange(12) % 3
ROWS = np.eye(3)[LABELS]
PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)])
# Keras warns of it after the first pass over any dataset of unknown size.
RAN_OUT = pytest.mark.filterwarnings("ignore:Your input ran out of data")
SOFTMAX, TAGS, NUMBER = heads.SoftmaxHead(3), heads.SigmoidHead(3), heads.DenseHead(1)


def make(head, loss=None):
    model = models.TransferModel(residual_backbone(), head)
    model.compile(loss=loss)
    return model


built = functools.cache(make)


def shared(head):
    """A model that no test trains, since all are refused before; compiled anew."""
    model = built(head)
    model.compile()
    return model


def dataset(labels, images=IMAGES):
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(4, drop_remainder=True)


def cache_in(folder):
    return features.FeatureCache(folder / "cache")


ENTRANCES = {
    "fit arrays": lambda model, x, y, _: model.fit(x, y, verbose=0),
    "fit": lambda model, x, y, _: model.fit(dataset(y, x), verbose=0),
    "evaluate": lambda model, x, y, _: model.evaluate(dataset(y, x), verbose=0),
    "fine_tune": lambda model, x, y, folder: training.fine_tune(
        model, dataset(y, x), plan=PLAN, cache=cache_in(folder), verbose=0
    ),
    "fine_tune on images": lambda model, x, y, _: training.fine_tune(
        model, (x, y), plan=PLAN, cache=False, verbose=0
    ),
}
WRONG = [
    (SOFTMAX, [0, 1, 2, 3] * 3, "from 0 to 3 .* needs 4 outputs"),
    (SOFTMAX, LABELS + 1, "from 1 to 3 .* Subtract 1"),
    (SOFTMAX, LABELS - 1, r"from -1 to 1 \(int64\)"),
    (SOFTMAX, LABELS + 0.5, r"such as \d.5"),
    (SOFTMAX, np.where(LABELS == 0, np.nan, LABELS), "with NaN"),
    (SOFTMAX, np.array(["a", "b", "c"] * 4), "labels of type string"),
    (SOFTMAX, np.eye(5)[LABELS], r"labels of shape \(\w+, 5\)"),
    (SOFTMAX, LABELS[:, None, None], r"labels of shape \(\w+, 1, 1\)"),
    (SOFTMAX, np.ones((12, 3)), "need a `SigmoidHead`"),
    (TAGS, LABELS, "needs a `SoftmaxHead`"),
    (TAGS, 2 * ROWS, "from 0 to 2"),
    (TAGS, ROWS * np.nan, "with NaN"),
    (NUMBER, np.where(LABELS == 0, np.inf, LABELS), "infinity"),
    (heads.DenseHead(2), LABELS, "2 numbers per image"),
]


@pytest.mark.parametrize("entrance", list(ENTRANCES))
@pytest.mark.parametrize(("head", "labels", "told"), WRONG)
def test_labels_that_do_not_fit_end_in_one_line(tmp_path, entrance, head, labels, told):
    with pytest.raises(ValueError, match=told) as raised:
        ENTRANCES[entrance](shared(head), IMAGES, np.asarray(labels), tmp_path)
    message = str(raised.value)
    assert "\n" not in message
    assert f"`{type(head).__name__}({head.units})`" in message


@pytest.mark.parametrize("entrance", list(ENTRANCES))
def test_images_with_nan_end_in_one_line(tmp_path, entrance):
    with pytest.raises(ValueError, match=r"images must be finite: .*[^\n]$"):
        ENTRANCES[entrance](shared(SOFTMAX), WITH_NAN, LABELS, tmp_path)


@pytest.mark.filterwarnings("ignore:The model is worse than its own starting point")
@pytest.mark.parametrize(
    ("head", "labels"),
    [
        (SOFTMAX, LABELS.astype("uint8")),
        (SOFTMAX, LABELS[:, None]),
        (SOFTMAX, LABELS.astype("float32")),
        (SOFTMAX, ROWS),
        (SOFTMAX, 0.5 * ROWS + 0.5 * ROWS[::-1]),
        (TAGS, 0.3 * ROWS),
        (heads.SigmoidHead(1), LABELS > 0),
        (NUMBER, -1e6 * LABELS),
        (heads.DenseHead(3), ROWS),
    ],
)
def test_labels_that_fit_train(head, labels):
    model = make(head)
    for given in ((IMAGES, labels, 4), (dataset(labels),)):
        history = model.fit(*given, validation_data=dataset(labels), verbose=0).history
        assert np.isfinite([*history["loss"], *history["val_loss"]]).all()


@pytest.mark.parametrize(
    ("loss", "labels", "told"),
    [
        ("sparse_categorical_crossentropy", ROWS, "argmax"),
        (keras.losses.CategoricalCrossentropy(), LABELS, "to_categorical"),
        (keras.losses.SparseCategoricalCrossentropy(ignore_class=-1), LABELS - 1, None),
        (lambda labels, output: keras.ops.mean(output) + 0 * labels, LABELS - 1, None),
    ],
)
def test_a_compiled_loss_decides_which_labels_fit(loss, labels, told):
    model = make(SOFTMAX, loss)
    if told is None:
        model.fit(IMAGES, labels, verbose=0)
        return
    with pytest.raises(ValueError, match=told):
        model.fit(IMAGES, labels, verbose=0)


@pytest.mark.parametrize("labels", [LABELS + 1, ROWS[:, :2]])
def test_labels_of_the_validation_set_are_checked(tmp_path, labels):
    for validation in (dataset(labels), (IMAGES, labels)):
        with pytest.raises(ValueError, match="`SoftmaxHead"):
            make(SOFTMAX).fit(dataset(LABELS), validation_data=validation, verbose=0)
        with pytest.raises(ValueError, match="`SoftmaxHead"):
            training.fine_tune(
                make(SOFTMAX), dataset(LABELS), validation, PLAN,
                cache=cache_in(tmp_path), verbose=0,
            )  # fmt: skip


def test_each_of_several_heads_has_its_labels():
    model = make({"kind": SOFTMAX, "size": NUMBER})
    model.fit(IMAGES, {"kind": LABELS, "size": LABELS}, verbose=0)
    for labels, told in [
        ({"kind": LABELS + 1, "size": LABELS}, "from 1 to 3"),
        ({"kind": LABELS}, r"names of the heads, \['kind', 'size'\]"),
        (LABELS, "Received: one array"),
    ]:
        with pytest.raises(ValueError, match=told):
            model.fit(tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(4), verbose=0)


@pytest.mark.parametrize(
    ("head", "weights", "told"),
    [
        (SOFTMAX, {0: 1.0, 1: 2.0}, "each class from 0 to 2"),
        (SOFTMAX, {0: 1.0, 1: 2.0, 2: 1.0, 3: 1.0}, "each class from 0 to 2"),
        (SOFTMAX, {"0": 1.0, "1": 2.0, "2": 1.0}, "each class from 0 to 2"),
        (SOFTMAX, {0: 1.0, 1: 2.0, 2: None}, "a number for each class"),
        (SOFTMAX, {0: 1.0, 1: 2.0, 2: -1.0}, "not negative"),
        (TAGS, {0: 1.0, 1: 2.0, 2: 1.0}, "needs one `SoftmaxHead`"),
        (NUMBER, {0: 1.0}, "needs one `SoftmaxHead`"),
        ({"kind": SOFTMAX}, {0: 1.0, 1: 2.0, 2: 1.0}, "needs one `SoftmaxHead`"),
    ],
)
def test_class_weights_that_do_not_fit_end_in_one_line(head, weights, told):
    model = make(head)
    with pytest.raises(ValueError, match=told):
        model.fit(dataset(LABELS), class_weight=weights, verbose=0)
    with pytest.raises(ValueError, match=told):
        training.fine_tune(model, dataset(LABELS), class_weight=weights, cache=False)


def unknown_size(data):
    return data.filter(lambda images, labels: True)


def batches(number=None):
    while number is None or number > 0:
        yield IMAGES[:4], LABELS[:4]
        number = number and number - 1


@RAN_OUT
@pytest.mark.parametrize(
    ("train", "told"),
    [
        (lambda: dataset(LABELS).repeat(), "pass `steps_per_epoch`"),
        (batches, "pass `steps_per_epoch`"),
        (lambda: dataset(LABELS).take(0), "holds no batch"),
        (lambda: dataset(LABELS).filter(lambda images, labels: False), "holds no batch"),
        (lambda: dataset(LABELS).unbatch(), "one image at a time"),
        (lambda: dataset(LABELS).map(lambda images, labels: images), "without labels"),
    ],
)
def test_odd_data_end_in_one_line(train, told):
    def tune(data):
        return training.fine_tune(shared(SOFTMAX), data, plan=PLAN, cache=False, verbose=0)

    for entrance in (shared(SOFTMAX).fit, tune):
        with pytest.raises(ValueError, match=told):
            entrance(train())
    with pytest.raises(ValueError, match=told.replace("steps_per_epoch", "validation_steps")):
        make(SOFTMAX).fit(dataset(LABELS), validation_data=train(), verbose=0)
    with pytest.raises(ValueError, match=told.replace("steps_per_epoch", "steps")):
        shared(SOFTMAX).evaluate(train(), verbose=0)


@RAN_OUT
def test_a_dataset_of_unknown_size_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr("keras_transfer.models.checked_data._MOST_BATCHES", 5)
    endless = unknown_size(dataset(LABELS).repeat())
    for entrance in (make(SOFTMAX).evaluate, make(SOFTMAX).fit):
        with pytest.raises(ValueError, match="more than 5 batches"):
            entrance(endless, verbose=0)
    with pytest.raises(ValueError, match="more than 5 batches"):
        training.fine_tune(make(SOFTMAX), endless, plan=PLAN, cache=False, verbose=0)
    make(SOFTMAX).fit(unknown_size(dataset(LABELS)), verbose=0)


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return self.images[part], LABELS[part]


def in_turn(images):
    while True:
        yield images[:4], LABELS[:4]


GIVEN = {
    "arrays": lambda model, x: model.fit(x, LABELS, verbose=0),
    "dataset": lambda model, x: model.fit(dataset(LABELS, x), epochs=2, verbose=0),
    "endless": lambda model, x: model.fit(
        dataset(LABELS, x).repeat(), steps_per_epoch=2, verbose=0
    ),
    "PyDataset": lambda model, x: model.fit(Batches(x), verbose=0),
    "generator": lambda model, x: model.fit(in_turn(x), steps_per_epoch=2, verbose=0),
    "evaluate": lambda model, x: model.evaluate(dataset(LABELS, x), verbose=0),
    "fine_tune": lambda model, x: training.fine_tune(
        model, (x, LABELS), plan=PLAN, cache=False, verbose=0
    ),
}


@pytest.mark.parametrize(
    ("given", "images", "warns"),
    [
        *((given, IMAGES / 255, True) for given in GIVEN),
        *((given, IMAGES, False) for given in ("arrays", "endless", "evaluate", "fine_tune")),
        ("evaluate", IMAGES / 127.5 - 1, True),
        ("evaluate", 0 * IMAGES, False),
    ],
)
def test_images_that_were_preprocessed_before_the_backbone_does_it_warn_once(
    given, images, warns
):
    model = models.TransferModel(residual_backbone("tf"), SOFTMAX)
    model.compile()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GIVEN[given](model, images)
    found = [one for one in caught if "takes images in [0, 255]" in str(one.message)]
    assert len(found) == warns


def test_images_of_a_network_of_unknown_preprocessing_do_not_warn():
    model = models.TransferModel(residual_backbone("none"), SOFTMAX)
    model.compile()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(dataset(LABELS, IMAGES / 255), verbose=0)
    assert not caught


@pytest.mark.parametrize("entrance", ["fit", "evaluate", "fine_tune"])
def test_the_number_of_dimensions_must_be_known(entrance, tmp_path, monkeypatch):
    def unknown(labels, images):
        return tf.data.Dataset.from_generator(
            lambda: iter([(images, labels)]), output_types=("float32", "int64")
        )

    monkeypatch.setitem(globals(), "dataset", unknown)
    with pytest.raises(ValueError, match=r"pass `output_signature` to `tf.data.Dataset.from"):
        ENTRANCES[entrance](shared(SOFTMAX), IMAGES, LABELS, tmp_path)
