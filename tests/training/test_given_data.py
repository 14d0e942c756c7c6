"""`fine_tune` and `fit` take what Keras' `fit` takes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads, models, plans, training
from keras_transfer.training import given_data
from tests.networks import residual_backbone
from tests.training.durable import Killed, Stop, kill

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3
PLAN = plans.Plan(
    [plans.Phase(freezing.FreezeAll(), 2, 1e-2), plans.Phase(freezing.UnfreezeLast(1), 1, 1e-3)]
)


class Batches(keras.utils.PyDataset):
    """Batches of four; endless ones begin again."""

    def __init__(self, labels=LABELS, endless=False):
        super().__init__()
        self._labels, self._endless, self.epochs = labels, endless, 0

    @property
    def num_batches(self):
        return None if self._endless else 3

    def __getitem__(self, index):
        part = slice(4 * (index % 3), 4 * (index % 3) + 4)
        return IMAGES[part], self._labels[part]

    def on_epoch_end(self):
        self.epochs += 1


def generator(number=None):
    endless = Batches(endless=True)
    index = 0
    while index != number:
        yield endless[index]
        index += 1


def dataset():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)


def tuned(folder, train, validation=None, with_cache=True, model=None, **arguments):
    model = model or models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    cache = features.FeatureCache(folder) if with_cache else False
    return training.fine_tune(
        model, train, validation, PLAN, cache=cache, verbose=0, **arguments
    )


@pytest.mark.parametrize(
    ("train", "steps", "with_cache"),
    [
        (lambda: (IMAGES, LABELS, np.ones(12)), None, True),
        (lambda: (IMAGES.tolist(), list(LABELS)), None, False),
        (Batches, None, True),
        (lambda: Batches(endless=True), 3, False),
        (generator, 3, True),
        (lambda: generator(9), 3, False),  # three epochs, and not a batch more
        (lambda: dataset().repeat(), 3, True),
        (lambda: dataset().repeat(), 3, False),
    ],
    ids=[
        "weights",
        "lists",
        "PyDataset",
        "endless PyDataset",
        "generator",
        "9 batches",
        "repeat",
        "repeat without cache",
    ],
)
def test_training_takes_what_keras_takes(tmp_path, train, steps, with_cache):
    history = tuned(tmp_path, train(), Batches(), with_cache, steps_per_epoch=steps)
    assert len(history.history["val_loss"]) == 3


def test_fit_takes_what_keras_takes():
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    model.compile()
    model.fit(Batches(), validation_data=Batches(), verbose=0)
    model.fit(generator(), steps_per_epoch=3, epochs=2, verbose=0)
    model.fit(IMAGES, LABELS, sample_weight=np.ones(12), validation_split=0.25, verbose=0)
    history = model.fit(IMAGES, LABELS, 4, 2, 0, validation_data=(IMAGES, LABELS, np.ones(12)))
    assert history.epoch == [0, 1]


@pytest.fixture(scope="module")
def untrained():
    return models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"train": generator}, "pass `steps_per_epoch`"),
        ({"train": lambda: Batches(endless=True)}, "pass `steps_per_epoch`"),
        ({"train": lambda: generator(0), "steps_per_epoch": lambda: 3}, "holds no batch"),
        (
            {"train": lambda: generator(4), "steps_per_epoch": lambda: 3},
            "ended after 1 of the 3",
        ),
        ({"train": lambda: Batches(LABELS + 1)}, "from 1 to 3"),
        ({"train": dataset, "steps_per_epoch": lambda: 3}, "for endless data only"),
        ({"train": generator, "steps_per_epoch": lambda: 0}, "positive integer"),
        ({"train": lambda: (IMAGES, LABELS[:5])}, r"as many. Received: \[12, 5\]"),
        ({"validation": generator}, "`validation` must be finite"),
        ({"validation": lambda: dataset().repeat()}, "`validation` must be finite"),
        ({"validation": lambda: dataset().take(0)}, "`validation` holds no batch"),
        (
            {"validation": lambda: dataset().filter(lambda images, labels: False)},
            "`validation` holds no batch",
        ),
    ],
)
@pytest.mark.parametrize("with_cache", [True, False])
def test_data_that_do_not_fit_end_in_one_line(tmp_path, untrained, arguments, told, with_cache):
    arguments = {"train": dataset, **arguments}
    with pytest.raises(ValueError, match=told) as raised:
        tuned(
            tmp_path,
            with_cache=with_cache,
            model=untrained,
            **{name: make() for name, make in arguments.items()},
        )
    assert "\n" not in str(raised.value)


def test_a_py_dataset_is_shuffled_and_told_of_each_epoch():
    batches = Batches()
    tuned(None, batches, with_cache=False)
    assert batches.epochs >= 3


@pytest.mark.parametrize("order", [lambda found: found, lambda found: found.shuffle(12)])
def test_the_features_of_a_dataset_of_tensors_are_found_again(tmp_path, order):
    found = []
    for _ in range(2):
        cache = features.FeatureCache(tmp_path, engine="tensorflow")
        keras.utils.set_random_seed(0)
        model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
        dataset = order(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))).batch(4)
        training.fine_tune(model, dataset, plan=PLAN, cache=cache, verbose=0)
        found.append({entry.key for entry in cache.entries()})
    assert found[0] == found[1] and len(found[0]) == 2


@pytest.mark.parametrize("with_cache", [True, False])
def test_data_of_unknown_shape_resume_in_the_middle_of_an_epoch(tmp_path, with_cache):
    shapes = tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,), "int64")

    def train(folder, *stops):
        keras.utils.set_random_seed(0)
        model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
        history = tuned(
            tmp_path / "cache",
            tf.data.Dataset.from_generator(lambda: generator(3), output_signature=shapes),
            model=model, with_cache=with_cache, directory=tmp_path / folder,
            checkpoint_every=1, callbacks=stops,
        )  # fmt: skip
        return history.history["loss"], model.get_weights()

    with pytest.raises(Killed):
        train("killed", Stop(kill, 6))  # the last step of the second epoch
    (losses, weights), (expected, others) = train("killed"), train("whole")
    assert losses == pytest.approx(expected)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_images_of_unknown_shape_have_a_plan_without_cached_features(tmp_path):
    shapes = tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,), "int64")
    train = tf.data.Dataset.from_generator(lambda: generator(3), output_signature=shapes)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    history = training.fine_tune(model, train, cache=features.FeatureCache(tmp_path), verbose=0)
    assert {phase.solver for phase in history.plan.phases} == {"adamw"}


def test_arrays_are_not_copied_to_a_gpu():
    with tf.Graph().as_default(), tf.device("GPU:0"):
        dataset = given_data.slices((IMAGES, LABELS))
        assert tf.data.experimental.to_variant(dataset).device == "/device:CPU:0"
