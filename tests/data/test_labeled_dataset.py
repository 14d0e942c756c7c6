import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.data.labeled_dataset import LabeledDataset

NAMES = ("ants", "bees")


def labeled(count=6):
    images = np.arange(count * 12, dtype="float32").reshape(count, 2, 2, 3)
    labels = np.arange(count, dtype="int32") % 2
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    return LabeledDataset(dataset, NAMES, count)


@pytest.mark.parametrize(
    ("transform", "num_images"),
    [
        (lambda dataset: dataset.map(lambda image, label: (image / 255, label)), 6),
        (lambda dataset: dataset.prefetch(1), 6),
        (lambda dataset: dataset.cache(), 6),
        (lambda dataset: dataset.shuffle(3), 6),
        (lambda dataset: dataset.unbatch(), 6),
        (lambda dataset: dataset.rebatch(3), 6),
        (lambda dataset: dataset.with_options(tf.data.Options()), 6),
        (lambda dataset: dataset.unbatch().batch(4), None),
        (lambda dataset: dataset.take(1), None),
        (lambda dataset: dataset.skip(1), None),
        (lambda dataset: dataset.repeat(2), None),
        (lambda dataset: dataset.shard(2, 0), None),
        (lambda dataset: dataset.filter(lambda image, label: True), None),
        (lambda dataset: dataset.concatenate(labeled()), None),
        (lambda dataset: dataset.apply(lambda whole: whole.take(2)), None),
    ],
)
def test_class_names_survive(transform, num_images):
    result = transform(labeled())
    assert isinstance(result, LabeledDataset)
    assert isinstance(result, tf.data.Dataset)
    assert result.class_names == NAMES
    assert result.num_images == num_images
    assert len(list(result)) >= 1


def test_every_method_that_gives_a_dataset_keeps_class_names():
    static = {"choose_from_datasets", "counter", "from_generator", "from_tensor_slices"}
    static |= {"from_tensors", "list_files", "load", "random", "range"}
    static |= {"sample_from_datasets", "zip"}
    giving = {
        name
        for name, method in vars(tf.data.Dataset).items()
        if "DatasetV2" in str(getattr(method, "__annotations__", {}).get("return"))
    }
    assert {"map", "batch", "take"} <= giving
    assert giving - static <= set(vars(LabeledDataset))


def test_elements_and_cardinality_are_those_of_the_dataset():
    dataset = labeled()
    assert int(dataset.cardinality()) == len(dataset) == 3
    assert dataset.element_spec[0].shape == (None, 2, 2, 3)
    labels = np.concatenate([label for _, label in dataset.as_numpy_iterator()])
    np.testing.assert_array_equal(labels, [0, 1, 0, 1, 0, 1])


def test_options_of_the_dataset_are_kept():
    options = tf.data.Options()
    options.deterministic = False
    assert (
        labeled().with_options(options).map(lambda *pair: pair).options().deterministic is False
    )


def test_fit_and_evaluate_take_it():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    # Keras warns of its own default, `shuffle=True`, whatever the dataset.
    history = model.fit(labeled(), validation_data=labeled(), shuffle=False, verbose=0)
    assert set(history.history) == {"loss", "val_loss"}


def test_a_distribution_strategy_takes_it():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.experimental_distribute_dataset(labeled())
    assert sum(int(images.shape[0]) for images, _ in distributed) == 6


def test_other_things_than_datasets_are_refused():
    with pytest.raises(ValueError, match=r"must be a `tf\.data\.Dataset`"):
        LabeledDataset([1, 2], NAMES)


def test_one_string_is_no_list_of_names():
    with pytest.raises(ValueError, match="must be a list of names"):
        LabeledDataset(tf.data.Dataset.range(2), "ants")
