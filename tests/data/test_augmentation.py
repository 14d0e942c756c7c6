import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.data.image_transforms import (
    adjust_color,
    cutmix,
    mixup,
)
from keras_transfer.data.labeled_dataset import LabeledDataset

SEED = tf.constant([3, 4])
EVERYTHING = data.Augmentation(
    flip="horizontal_and_vertical",
    rotation=0.1,
    zoom=0.2,
    crop=0.5,
    translation=0.1,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    rand_augment=0.5,
    mixup=0.2,
    cutmix=1.0,
    seed=7,
)
SINGLE = {
    "flip": "horizontal",
    "rotation": 0.1,
    "zoom": 0.3,
    "crop": 0.4,
    "translation": 0.2,
    "brightness": 0.3,
    "contrast": 0.4,
    "saturation": 0.4,
    "rand_augment": 0.7,
    "mixup": 0.4,
    "cutmix": 1.0,
}


def make_images(count=8, side=12, channels=3):
    return np.random.default_rng(0).uniform(0, 255, (count, side, side, channels)).astype("f4")


def batches(count=24, channels=3, class_names=("a", "b", "c")):
    labels = np.arange(count, dtype="int32") % 3
    pairs = tf.data.Dataset.from_tensor_slices((make_images(count, channels=channels), labels))
    dataset = pairs.batch(4)
    return LabeledDataset(dataset, class_names, count) if class_names else dataset


def collect(dataset):
    elements = list(dataset.as_numpy_iterator())
    return [np.concatenate(part) for part in zip(*elements, strict=True)]


def test_equal_seeds_give_equal_images_in_parallel_and_epochs_differ():
    first, again = EVERYTHING(batches()), EVERYTHING(batches())
    epochs = [collect(first) for _ in range(2)]
    for epoch in epochs:
        for part, part_again in zip(epoch, collect(again), strict=True):
            np.testing.assert_array_equal(part, part_again)
    assert np.abs(epochs[0][0] - epochs[1][0]).max() > 1


def test_another_seed_gives_other_make_images():
    first, other = (data.Augmentation(zoom=0.2, seed=seed)(batches()) for seed in (0, 1))
    assert np.abs(collect(first)[0] - collect(other)[0]).max() > 1


@pytest.mark.parametrize(
    ("name", "value", "channels"),
    [
        (name, value, channels)
        for name, value in SINGLE.items()
        for channels in (1, 3)
        if (name, channels) != ("saturation", 1)  # grey has none
    ],
)
def test_each_argument_changes_images_within_their_range(name, value, channels):
    augmentation = data.Augmentation(**{name: value})
    images = make_images(channels=channels)
    labels = tf.range(8) % 3
    changed, targets = augmentation.transform(images, labels, SEED, num_classes=3)
    assert changed.shape == images.shape and changed.dtype == tf.float32
    assert np.abs(changed - images).max() > 1
    assert changed.numpy().min() >= -1e-3 and changed.numpy().max() <= 255.001
    assert augmentation.mixes_labels == (name in ("mixup", "cutmix"))
    assert targets.shape == ((8, 3) if augmentation.mixes_labels else (8,))


def test_no_argument_changes_nothing():
    images, _ = data.Augmentation().transform(make_images(), tf.range(8), SEED)
    np.testing.assert_array_equal(images, make_images())


def test_images_of_one_batch_change_each_on_its_own():
    same = np.repeat(make_images(1), 6, axis=0)
    for name, value in SINGLE.items():
        if name in ("flip", "mixup", "cutmix"):  # two outcomes; nothing to mix
            continue
        changed, _ = data.Augmentation(**{name: value}).transform(same, tf.range(6), SEED)
        assert len({image.tobytes() for image in changed.numpy()}) >= 4, name


@pytest.mark.parametrize(
    ("flip", "outcomes"),
    [
        ("horizontal", [np.s_[:, :], np.s_[:, ::-1]]),
        ("vertical", [np.s_[:, :], np.s_[::-1, :]]),
        (
            "horizontal_and_vertical",
            [np.s_[:, :], np.s_[:, ::-1], np.s_[::-1, :], np.s_[::-1, ::-1]],
        ),
    ],
)
def test_flip_mirrors_to_the_last_bit(flip, outcomes):
    images = np.repeat(make_images(1), 40, axis=0)
    changed, _ = data.Augmentation(flip=flip).transform(images, tf.range(40), SEED)
    expected = {images[0][outcome].tobytes() for outcome in outcomes}
    assert {image.tobytes() for image in changed.numpy()} == expected


def test_rotation_keeps_the_middle_and_crop_magnifies():
    images = np.zeros((20, 21, 21, 1), "f4")
    images[:, 8:13, 8:13] = 255  # 5 x 5 pixels in the middle
    turned, _ = data.Augmentation(rotation=0.5).transform(images, tf.range(20), SEED)
    np.testing.assert_allclose(turned[:, 10, 10], 255, atol=1e-2)
    cropped, _ = data.Augmentation(crop=0.3).transform(images, tf.range(20), SEED)
    assert np.mean(cropped) > 1.2 * np.mean(images)


def test_color_arithmetic():
    images = tf.constant([100.0, 150.0, 200.0], shape=(1, 1, 1, 3))
    grey = 0.2989 * 100 + 0.5870 * 150 + 0.1140 * 200
    # One pixel: its grey is the image's mean. 0.5 * (grey + 0.5 * (x - grey) - grey)
    # + grey + 10 = grey + 0.25 * (x - grey) + 10
    expected = grey + 0.25 * (images - grey) + 10
    np.testing.assert_allclose(adjust_color(images, 10.0, 0.5, 0.5), expected, rtol=1e-5)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_mixed_targets_say_how_much_of_each_image_there_is(mix):
    # Picture k is filled with 10 * k, so that its mean tells what it was mixed of.
    images = tf.ones((8, 16, 16, 1)) * tf.reshape(10.0 * tf.range(8.0), (8, 1, 1, 1))
    mixed, targets = mix(images, tf.eye(8), SEED, 1.0)
    means = tf.reduce_mean(mixed, (1, 2, 3))
    expected = tf.linalg.matvec(targets, 10.0 * tf.range(8.0))
    np.testing.assert_allclose(means, expected, atol=1e-3)
    np.testing.assert_allclose(tf.reduce_sum(targets, 1), 1.0, atol=1e-6)
    assert tf.reduce_max(tf.abs(targets - tf.eye(8))) > 0.05


def test_both_mixtures_take_turns():
    both = data.Augmentation(mixup=1.0, cutmix=1.0)
    # MixUp makes values that no image holds; CutMix does not.
    images = tf.ones((8, 16, 16, 1)) * tf.reshape(32.0 * tf.range(8.0), (8, 1, 1, 1))
    kinds = set()
    for number in range(12):
        mixed, _ = both.transform(images, tf.range(8), tf.constant([number, 0]), 8)
        kinds.add(bool(np.isin(mixed, images).all()))
    assert kinds == {True, False}


def test_mixing_makes_targets_of_labels_and_keeps_class_names():
    dataset = data.Augmentation(mixup=0.2)(batches())
    assert isinstance(dataset, LabeledDataset)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.num_images == 24
    assert int(dataset.cardinality()) == 6
    assert dataset.element_spec[1] == tf.TensorSpec((None, 3), tf.float32)


def test_targets_are_mixed_as_they_are():
    dataset = batches().map(lambda images, labels: (images, tf.one_hot(labels, 5)))
    assert data.Augmentation(cutmix=1.0)(dataset).element_spec[1].shape == (None, 5)


def test_a_plain_dataset_stays_plain_and_may_say_its_classes():
    plain = batches(class_names=None)
    assert not isinstance(data.Augmentation(zoom=0.1)(plain), LabeledDataset)
    mixed = data.Augmentation(mixup=0.2)(plain, num_classes=4)
    assert mixed.element_spec[1].shape == (None, 4)


def test_weights_pass_through_and_bytes_become_floats():
    dataset = batches().map(
        lambda images, labels: (tf.cast(images, "uint8"), labels, tf.ones_like(labels))
    )
    images, _, weights = EVERYTHING_BUT_MIXING(dataset).element_spec
    assert images.dtype == tf.float32
    assert weights.shape == (None,)


EVERYTHING_BUT_MIXING = dataclasses.replace(EVERYTHING, mixup=0.0, cutmix=0.0)


@pytest.mark.parametrize("preset", ["light", "standard", "strong"])
def test_presets_train_a_model(preset):
    augmentation = getattr(data.augmentation, preset)(seed=2)
    assert augmentation.seed == 2
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    kind = "categorical" if augmentation.mixes_labels else "sparse_categorical"
    model.compile("sgd", f"{kind}_crossentropy")
    model.fit(augmentation(batches()), shuffle=False, verbose=0)


def test_configuration_survives_json_and_keras():
    config = json.loads(json.dumps(EVERYTHING.get_config()))
    assert data.Augmentation.from_config(config) == EVERYTHING
    serialized = keras.saving.serialize_keras_object(EVERYTHING)
    assert keras.saving.deserialize_keras_object(serialized) == EVERYTHING


def test_fingerprint_changes_with_every_argument():
    default = data.Augmentation()
    others = [dataclasses.replace(default, **{name: value}) for name, value in SINGLE.items()]
    fingerprints = {one.fingerprint for one in [default, EVERYTHING, *others]}
    assert len(fingerprints) == len(SINGLE) + 2
    assert data.Augmentation().fingerprint == default.fingerprint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", "both"),
        ("rotation", 0.6),
        ("rotation", -0.1),
        ("zoom", 1.0),
        ("crop", 0.0),
        ("crop", 1.1),
        ("translation", 1.5),
        ("brightness", -1),
        ("contrast", 2),
        ("saturation", -0.5),
        ("rand_augment", 9),
        ("mixup", -0.2),
        ("cutmix", -1),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_bad_arguments_raise(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must .*Received: {name}="):
        data.Augmentation(**{name: value})


@pytest.mark.parametrize(
    "dataset",
    [
        lambda: batches().unbatch(),
        lambda: batches().map(lambda images, labels: {"pictures": images}),
    ],
)
def test_other_elements_than_batches_of_images_raise(dataset):
    with pytest.raises(ValueError, match="Augmentation needs batches"):
        data.augmentation.light()(dataset())


def test_other_channels_raise():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        data.augmentation.light()(batches(channels=4))


def test_mixing_needs_the_number_of_classes():
    with pytest.raises(ValueError, match="need the number of classes"):
        data.Augmentation(mixup=0.2)(batches(class_names=None))


def test_mixing_refuses_sample_weights():
    dataset = batches().map(lambda images, labels: (images, labels, tf.ones_like(labels)))
    with pytest.raises(ValueError, match="do not work with sample weights"):
        data.Augmentation(mixup=0.2)(dataset)


@pytest.mark.parametrize(
    "labels",
    [
        lambda labels: {"kind": labels},
        lambda labels: tf.cast(labels, "float32"),
        lambda labels: labels[:, None, None],
    ],
)
def test_mixing_refuses_other_labels(labels):
    dataset = batches().map(lambda images, one: (images, labels(one)))
    with pytest.raises(ValueError, match=r"need labels of shape|cannot move masks"):
        data.Augmentation(cutmix=1.0)(dataset)
