import dataclasses
import gc
import os

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.data.labeled_dataset import ImageSource
from keras_transfer.features import shard_store
from keras_transfer.features.extraction import extract_shards, passes_over
from keras_transfer.features.shard_store import ShardReader, ShardStore

NUM_IMAGES = 80
IMAGES = np.random.default_rng(0).uniform(0, 255, (NUM_IMAGES, 8, 8, 3)).astype("float32")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_store, "_MOST_ROWS", 32)  # three shards


class Reader:
    """A source of images that counts how many were read."""

    def __init__(self, augmentation):
        self.read = 0
        self.source = ImageSource(
            self._examples, NUM_IMAGES, "these", batch_size=16, augmentation=augmentation
        )

    def _examples(self, start=0):
        rows = tf.data.Dataset.range(start, NUM_IMAGES)
        return rows.map(lambda row: tuple(tf.numpy_function(self._load, [row], self._types)))

    _types = ("float32", "int64")

    def _load(self, row):
        self.read += 1
        return IMAGES[row], row


def as_they_are(batches):
    yield from (np.asarray(batch) for batch in batches)


def stores(directory, views):
    specs = [((8, 8, 3), "float32"), ((), "int64")]
    found = [ShardStore(directory / str(view), NUM_IMAGES, specs) for view in range(views)]
    for store in found:
        store.directory.mkdir(parents=True, exist_ok=True)
    return found


def rows_of(store):
    return ShardReader(store).rows(0, store.num_rows)


def fill(reader, views):
    missing = [store.missing() for store in views]
    passes = passes_over(reader.source, None, views, missing)
    return extract_shards(as_they_are, passes, views, lambda number: None)


def test_all_views_of_an_image_come_from_one_reading(tmp_path):
    reader = Reader(data.Augmentation(brightness=0.5))
    together = stores(tmp_path / "together", 3)
    assert fill(reader, together).num_images == 3 * NUM_IMAGES
    assert reader.read == NUM_IMAGES
    for store in together:
        np.testing.assert_array_equal(rows_of(store)[1], np.arange(NUM_IMAGES))

    one_by_one = stores(tmp_path / "one by one", 3)
    for view in range(3):
        fill(reader, one_by_one[: view + 1])
    assert reader.read == 4 * NUM_IMAGES
    for store, other in zip(together, one_by_one, strict=True):
        np.testing.assert_array_equal(rows_of(store)[0], rows_of(other)[0])
    assert not np.array_equal(rows_of(together[0])[0], rows_of(together[1])[0])


def test_only_missing_shards_are_computed(tmp_path):
    reader = Reader(data.Augmentation(brightness=0.5))
    views = stores(tmp_path, 3)
    fill(reader, views)
    before = [rows_of(store)[0] for store in views]
    reader.read = 0
    for view, shard in [(0, 1), (2, 1), (2, 2)]:
        views[view].path(shard, 0).unlink()
    assert fill(reader, views).num_images == 2 * 32 + 16
    assert reader.read == 32 + 16
    for store, rows in zip(views, before, strict=True):
        np.testing.assert_array_equal(rows_of(store)[0], rows)


def test_each_view_without_augmentation_has_its_own_pass(tmp_path):
    reader = Reader(None)
    fill(reader, stores(tmp_path, 2))
    assert reader.read == 2 * NUM_IMAGES


def test_dataset_that_ends_early_is_an_error(tmp_path):
    reader = Reader(data.Augmentation(brightness=0.5))
    reader.source = dataclasses.replace(
        reader.source, examples=lambda start=0: reader._examples(start).take(40)
    )
    with pytest.raises(ValueError, match="ended early"):
        fill(reader, stores(tmp_path, 2))


def test_views_are_read_on_a_machine_that_allows_few_open_files(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    reader = Reader(data.Augmentation(brightness=0.5))
    views = stores(tmp_path, 40)
    fill(reader, views)
    expected = [rows_of(store)[0] for store in views]
    limits, before = (
        resource.getrlimit(resource.RLIMIT_NOFILE),
        shard_store._ShardFile._num_open,
    )
    few = len(os.listdir("/dev/fd")) + 100  # the views have 240 files
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, limits[1]))
    try:
        readers = [ShardReader(store) for store in views]
        for opened, rows in zip(readers, expected, strict=True):
            np.testing.assert_array_equal(opened.rows(0, NUM_IMAGES)[0], rows)
        del readers, opened
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert shard_store._ShardFile._num_open == before
