import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data, freezing, plans, training
from keras_transfer.data.labeled_dataset import ImageSource, LabeledDataset
from keras_transfer.features import FeatureCache
from keras_transfer.features.decoded_images import DecodedImages
from keras_transfer.features.shard_store import BATCH_SIZE
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.transferability import rank_backbones
from tests.networks import residual_backbone

SIZE = 3 * BATCH_SIZE + 4
PICTURES = np.arange(SIZE, dtype="float32").repeat(12).reshape(SIZE, 2, 2, 3)
SOURCE = ImageSource(
    lambda start=0: tf.data.Dataset.from_tensor_slices((PICTURES, np.arange(SIZE))).skip(start),
    SIZE, "digest", batch_size=5,
)  # fmt: skip


def counted(dataset):
    """The same dataset, and a list that gets an item for each image that is decoded."""
    decoded, original = [], dataset.source

    def note(image):
        decoded.append(1)
        return image

    def examples(start=0):
        return original.examples(start).map(
            lambda image, label: (
                tf.ensure_shape(tf.numpy_function(note, [image], "float32"), image.shape),
                label,
            )
        )

    source = dataclasses.replace(original, examples=examples)
    return LabeledDataset(dataset, dataset.class_names, source.num_images, source), decoded


def read(decoded, start, stop, source=SOURCE):
    """The numbers of the images of one pass, which are noted."""
    elements = decoded.noted(source, start, decoded.in_batches(source, start, stop))
    batches = [(images.numpy(), labels.numpy()) for images, labels in elements]
    images, labels = map(np.concatenate, zip(*batches, strict=True))
    np.testing.assert_array_equal(images, PICTURES[labels])
    assert all(len(labels) == BATCH_SIZE for _, labels in batches[:-1])
    return labels.tolist()


@pytest.mark.parametrize("most_bytes", [0, 2 * BATCH_SIZE * 56, 10**6])
@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, SIZE), (0, 2), (BATCH_SIZE, 2 * BATCH_SIZE), (2 * BATCH_SIZE, SIZE), (BATCH_SIZE, 70)],
)
def test_images_in_memory_are_those_of_the_source(most_bytes, start, stop):
    decoded = DecodedImages(most_bytes)
    with decoded.kept():
        for _ in range(2):
            assert read(decoded, 0, SIZE) == list(range(SIZE))
        assert read(decoded, start, stop) == list(range(start, stop))


def test_memory_is_bounded_and_freed():
    unread = dataclasses.replace(SOURCE, examples=None)
    decoded = DecodedImages(2 * BATCH_SIZE * 56)
    read(decoded, 0, SIZE)  # outside of the context
    with decoded.kept():
        read(decoded, BATCH_SIZE, SIZE)  # these are not the first images
        with pytest.raises(TypeError):
            read(decoded, 0, BATCH_SIZE, unread)
        read(decoded, 0, SIZE)
        read(decoded, 0, 2 * BATCH_SIZE, unread)
        with pytest.raises(TypeError):
            read(decoded, 0, SIZE, unread)
        decoded.drop()
        read(decoded, 0, SIZE)
        with pytest.raises(TypeError):
            read(decoded, 0, BATCH_SIZE, unread)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": None},
        {"fixed_order": False},
        {"is_reproducible": False},
        {"augmentation": data.augmentation.light()},
    ],
)
def test_images_that_differ_in_each_pass_are_not_kept(change):
    source, decoded = dataclasses.replace(SOURCE, **change), DecodedImages()
    with decoded.kept():
        read(decoded, 0, SIZE, source)
        with pytest.raises(TypeError):
            read(decoded, 0, SIZE, dataclasses.replace(source, examples=None))


def test_phases_decode_each_image_once_and_train_the_same(splits, tmp_path):
    plan = plans.Plan(
        [
            plans.Phase(freezing.FreezeAll(), 1, 1e-2, augmented=False, name="head"),
            plans.Phase(freezing.UnfreezeLast(1), 2, 1e-3, name="fine-tuning"),
        ]
    )
    histories = []
    for most_bytes, passes in ((0, 2), (10**6, 1)):
        keras.utils.set_random_seed(0)
        model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
        cache = FeatureCache(tmp_path / str(most_bytes), engine="tensorflow")
        cache.decoded = DecodedImages(most_bytes)
        train, decoded = counted(splits.train)
        validation, held_out = counted(splits.validation)
        history = training.fine_tune(
            model, data.augmentation.light()(train), validation, plan, cache=cache, verbose=0
        )
        assert len(decoded) == passes * splits.train.num_images
        assert len(held_out) == passes * splits.validation.num_images
        histories.append(history.history)
    assert histories[0] == histories[1]


def test_each_image_is_decoded_once_for_all_networks(splits, tmp_path):
    observed, decoded = counted(splits.train)
    networks = {str(place): residual_backbone() for place in range(3)}
    ranking = rank_backbones(networks, observed, FeatureCache(tmp_path, engine="tensorflow"))
    assert ranking.num_images == len(decoded) == splits.train.num_images
