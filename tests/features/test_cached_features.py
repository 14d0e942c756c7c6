import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.features import CachedFeatures, cached_features, feature_datasets
from keras_transfer.features.shard_store import ShardReader, ShardStore
from tests.features.conftest import all_rows

ROWS = 300
SPECS = [((2, 3), "float32"), ((), "int32")]


def values(view):
    """Rows that encode their origin: 1000 * view + row."""
    rows = np.arange(ROWS, dtype="float32") + 1000 * view
    return np.broadcast_to(rows[:, None, None], (ROWS, 2, 3))


@pytest.fixture
def readers(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_transfer.features.shard_store._MOST_ROWS", 64)
    found = []
    for view in range(3):
        store = ShardStore(tmp_path / str(view), ROWS, SPECS)
        store.directory.mkdir()
        for shard in range(store.num_shards):
            rows = slice(*store.rows_of(shard))
            store.write(shard, [values(view)[rows], np.arange(ROWS)[rows]])
        found.append(ShardReader(store))
    return found


@pytest.fixture(params=["memory", "disk"])
def limits(request, monkeypatch):
    if request.param == "disk":
        monkeypatch.setattr(cached_features, "MEMORY_LIMIT", 0)
        monkeypatch.setattr(
            feature_datasets, "_WINDOW_BYTES", 64 * 28 * 2
        )  # two blocks of rows
    return request.param


def features(readers, shuffle=True, batch_size=32, seed=0):
    return CachedFeatures(readers, (0, 0), "add2", batch_size, shuffle, seed)


def test_epoch_has_every_row_once_with_its_label(readers, limits):
    dataset = features(readers)
    assert dataset.in_memory == (limits == "memory")
    assert int(dataset.cardinality()) == 10  # 300 rows in batches of 32
    for _ in range(2):
        rows, labels = all_rows(dataset)
        assert sorted(labels) == list(range(ROWS))
        np.testing.assert_array_equal(rows[:, 0, 0] % 1000, labels)
        assert set(rows[:, 0, 0] // 1000) == {0, 1, 2}
    assert [len(labels) for _, labels in dataset] == [32] * 9 + [12]


def test_orders_follow_from_seed_and_epoch(readers, limits):
    first, second = features(readers), features(readers)
    orders = [all_rows(dataset)[1] for dataset in (first, first, second, second)]
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(orders[1], orders[3])
    assert not np.array_equal(orders[0], all_rows(features(readers, seed=1))[1])
    later = features(readers)
    later.epochs.begun = 1
    np.testing.assert_array_equal(all_rows(later)[1], orders[1])


def test_order_without_shuffling_is_that_of_the_images(readers, limits):
    dataset = features(readers[:1], shuffle=False)
    np.testing.assert_array_equal(all_rows(dataset)[1], np.arange(ROWS))


def test_first_batch_mixes_rows_of_several_blocks(readers, limits):
    labels = all_rows(features(readers))[1]
    first_batch = labels[:32]
    assert first_batch.max() - first_batch.min() > 64


def test_batches_of_another_size(readers, limits):
    dataset = features(readers).batched(100, shuffle=False)
    assert [len(labels) for _, labels in dataset] == [100, 100, 100]


def test_view_is_read_as_arrays(readers):
    rows, labels = features(readers).arrays(view=2)
    np.testing.assert_array_equal(rows, values(2))
    np.testing.assert_array_equal(labels, np.arange(ROWS))


def test_files_can_be_removed_while_they_are_read(readers, monkeypatch):
    monkeypatch.setattr(cached_features, "MEMORY_LIMIT", 0)
    dataset = features(readers)
    for reader in readers:
        for path in reader.store.directory.iterdir():
            path.unlink()
    assert sorted(all_rows(dataset)[1]) == list(range(ROWS))


def test_rows_in_memory_are_not_on_a_gpu(readers):
    with tf.Graph().as_default(), tf.device("GPU:0"):
        features, _ = feature_datasets.load(readers)
    assert features.device == "/device:CPU:0"
