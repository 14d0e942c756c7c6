import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.backbones import graph
from keras_transfer.features import (
    FeatureCache,
    NoRoomError,
    OpenVINOEngine,
    shard_store,
)
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.features.conftest import CountingEngine, all_rows, contents
from tests.networks import residual_backbone
from tests.pictures import draw

IMAGES = np.random.default_rng(0).uniform(0, 255, (150, 16, 16, 3)).astype("float32")
LABELS = np.arange(150, dtype="int32") % 3


def plain(images=IMAGES, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(20)


def in_order(features):
    return features.arrays()


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_store, "_MOST_ROWS", 32)  # 150 images: five shards


def test_features_are_those_of_the_stem(model, tmp_path):
    features = FeatureCache(tmp_path, engine="tensorflow").extract(model, plain())
    values, labels = in_order(features)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_allclose(values, model.stem().predict(IMAGES, verbose=0), rtol=1e-5)
    assert features.boundary == model.frozen_boundary


def test_features_feed_the_tail_and_the_model(model, tmp_path):
    model.freeze_policy = UnfreezeLast(1)
    features = FeatureCache(tmp_path).extract(model, plain())
    values, _ = next(iter(features))
    named, _ = next(iter(features.as_inputs()))
    np.testing.assert_allclose(model.tail()(values), model(IMAGES[:20]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model(named), model(IMAGES[:20]), rtol=1e-4, atol=1e-6)
    model.compile()
    on_features = model.evaluate(features.as_inputs(), verbose=0)
    np.testing.assert_allclose(on_features, model.evaluate(plain(), verbose=0), rtol=1e-4)


def test_training_on_features_equals_training_on_images(model, tmp_path):
    twin = TransferModel(model.backbone.copy(), SoftmaxHead(3))
    model = TransferModel(model.backbone.copy(), SoftmaxHead(3))
    twin.set_weights(model.get_weights())
    policy = UnfreezeLast(1)
    for network in (model, twin):
        network.freeze_policy = policy
        network.compile(keras.optimizers.SGD(0.01))
    features = FeatureCache(tmp_path, engine="tensorflow").extract(model, plain())
    on_features = model.fit(features.as_inputs(), epochs=2, verbose=0)
    on_images = twin.fit(plain(), epochs=2, verbose=0)
    np.testing.assert_allclose(
        on_features.history["loss"], on_images.history["loss"], rtol=1e-4
    )


def test_second_extraction_reads_from_the_cache(model, splits, tmp_path, engine):
    cache = FeatureCache(tmp_path / "cache", engine)
    first = cache.extract(model, splits.validation)
    assert first.extraction.num_images == 18
    again = FeatureCache(tmp_path / "cache", engine).extract(model, splits.validation)
    assert again.extraction.num_images == 0
    assert engine.num_images == 18
    np.testing.assert_array_equal(in_order(again)[0], in_order(first)[0])


def change_image(folder):
    draw(folder / "train/red/0.png", (200, 40, 30), seed=9)


def add_image(folder):
    draw(folder / "train/red/new.png", (200, 40, 30), seed=9)


def remove_image(folder):
    (folder / "train/red/0.png").unlink()


def move_image(folder):
    (folder / "train/red/0.png").rename(folder / "train/blue/moved.png")


@pytest.mark.parametrize("change", [change_image, add_image, remove_image, move_image])
def test_changed_folder_is_recomputed(model, splits, tmp_path, engine, change):
    cache = FeatureCache(tmp_path / "cache", engine)
    cache.extract(model, splits.train)
    change(tmp_path / "photos")
    changed = data.image_folder(tmp_path / "photos", image_size=16, batch_size=5)
    features = cache.extract(model, changed.train)
    assert features.extraction.num_images == changed.num_images["train"]


def other_weights(model):
    kernel = model.get_layer("conv1").kernel
    kernel.assign(kernel + 1e-3)
    return model


def other_cut(model):
    model.freeze_policy = UnfreezeLast(1)
    return model


def other_graph(model):
    return TransferModel(residual_backbone("torch"), SoftmaxHead(3))


@pytest.mark.parametrize("change", [other_weights, other_cut, other_graph])
def test_changed_stem_is_recomputed(model, tmp_path, engine, change):
    cache = FeatureCache(tmp_path, engine)
    cache.extract(model, plain())
    assert cache.extract(change(model), plain()).extraction.num_images == 150


def test_head_and_policy_do_not_change_the_key(model, tmp_path, engine):
    cache = FeatureCache(tmp_path, engine)
    cache.extract(model, plain())
    other = TransferModel(model.backbone.copy(), SoftmaxHead(3, dropout=0.5))
    assert cache.extract(other, plain()).extraction.num_images == 0


@pytest.mark.parametrize(
    "other",
    [
        {"images": IMAGES + 1},
        {"labels": LABELS[::-1].copy()},
        {"images": IMAGES[:149], "labels": LABELS[:149]},
    ],
)
def test_changed_arrays_are_recomputed(model, tmp_path, other):
    cache = FeatureCache(tmp_path)
    cache.extract(model, plain())
    assert cache.extract(model, plain(**other)).extraction.num_images > 0


def test_killed_extraction_resumes_to_the_same_bytes(model, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    FeatureCache(whole, CountingEngine()).extract(model, plain())
    killed = CountingEngine(stop_after=100)
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(resumed, killed).extract(model, plain())
    (key,) = [entry.key for entry in FeatureCache(resumed).entries()]
    (resumed / key / "view-000" / ".writing-half.npy").write_bytes(b"half")
    second = CountingEngine()
    FeatureCache(resumed, second).extract(model, plain())
    assert second.num_images == 150 - 96  # three shards of 32 were whole
    assert contents(resumed) == contents(whole)


def flip_bit(path):
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("corruption", [flip_bit, truncate, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["00002.0.npy", "00002.1.npy", "00002.json"])
def test_corrupt_shard_is_recomputed(model, tmp_path, engine, corruption, name):
    cache = FeatureCache(tmp_path, engine)
    before = in_order(cache.extract(model, plain()))
    corruption(next(tmp_path.rglob(name)))
    after = cache.extract(model, plain())
    assert after.extraction.num_images == 32
    np.testing.assert_array_equal(in_order(after)[0], before[0])
    assert cache.extract(model, plain()).extraction.num_images == 0


def test_views_are_independent_draws_and_an_epoch_takes_one_of_each(model, splits, tmp_path):
    train = data.Augmentation(brightness=0.5)(splits.train)
    features = FeatureCache(tmp_path / "cache").extract(model, train, views=3)
    views = [features.arrays(view) for view in range(3)]
    assert not np.allclose(views[0][0], views[1][0])
    for _ in range(2):
        values, labels = all_rows(features)
        assert sorted(labels) == sorted(splits.labels["train"])
        found = [
            (row, view)
            for value in values
            for view in range(3)
            for row in range(18)
            if np.array_equal(value, views[view][0][row])
        ]
        assert sorted(row for row, _ in found) == list(range(18))
        assert len({view for _, view in found}) > 1


def test_more_views_reuse_the_cached_ones(model, splits, tmp_path, engine):
    train = data.augmentation.light()(splits.train)
    cache = FeatureCache(tmp_path / "cache", engine)
    two = cache.extract(model, train, views=2)
    three = cache.extract(model, train, views=3)
    assert engine.num_images == 3 * 18
    np.testing.assert_array_equal(two.arrays(1)[0], three.arrays(1)[0])


def test_only_one_view_is_kept_without_augmentation(model, splits, tmp_path):
    assert FeatureCache(tmp_path / "cache").extract(model, splits.train, views=4).views == 1


def test_mixed_labels_are_kept_beside_their_features(model, splits, tmp_path):
    train = data.Augmentation(mixup=0.5)(splits.train)
    features = FeatureCache(tmp_path / "cache").extract(model, train, views=2)
    _, labels = all_rows(features)
    assert labels.shape == (18, 3)
    np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-5)


def test_shuffled_features_have_a_new_order_in_each_epoch(model, splits, tmp_path):
    features = FeatureCache(tmp_path / "cache").extract(model, splits.train)
    first, second = all_rows(features)[0], all_rows(features)[0]
    assert not np.array_equal(first, second)
    assert {row.tobytes() for row in first} == {row.tobytes() for row in second}
    held_out = FeatureCache(tmp_path / "cache").extract(model, splits.validation)
    np.testing.assert_array_equal(all_rows(held_out)[1], splits.labels["validation"])


def structured():
    weights = np.linspace(0, 1, 150, dtype="float32")
    labels = {"kind": LABELS, "hue": np.stack([LABELS, LABELS], 1)}
    return tf.data.Dataset.from_tensor_slices((IMAGES, labels, weights)).batch(20)


def test_dicts_of_labels_and_sample_weights_pass_through(model, tmp_path):
    features = FeatureCache(tmp_path).extract(model, structured())
    _, labels, weights = features.arrays()
    np.testing.assert_array_equal(labels["kind"], LABELS)
    assert labels["hue"].shape == (150, 2)
    np.testing.assert_array_equal(weights, np.linspace(0, 1, 150, dtype="float32"))
    named, labels, weights = features.as_inputs().element_spec
    assert list(named) == [model.frozen_boundary]
    assert set(labels) == {"kind", "hue"}


def test_images_without_labels(model, tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES).batch(20)
    features = FeatureCache(tmp_path).extract(model, dataset)
    assert features.arrays().shape == (150, 8)
    assert list(features.as_inputs().element_spec) == [model.frozen_boundary]


def test_half_precision_is_kept_only_on_request(model, tmp_path):
    full = FeatureCache(tmp_path).extract(model, plain())
    half = FeatureCache(tmp_path, dtype="float16").extract(model, plain())
    assert half.extraction.num_images == 150  # another key
    values, _ = next(iter(half))
    assert values.dtype == tf.float32
    np.testing.assert_allclose(half.arrays()[0], full.arrays()[0], rtol=5e-4, atol=1e-6)
    assert half.nbytes < full.nbytes


def test_plain_shuffled_dataset_is_found_again(model, tmp_path, engine):
    cache = FeatureCache(tmp_path, engine)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).shuffle(150).batch(20)
    first = cache.extract(model, dataset, views=3)
    assert first.views == 1
    twin = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).shuffle(150).batch(20)
    again = cache.extract(model, twin)
    assert engine.num_images == 150
    np.testing.assert_array_equal(again.arrays()[0], first.arrays()[0])


def noisy():
    """Images that differ in each pass, which no seed reproduces."""
    random = np.random.default_rng(0)

    def noise(images):
        return images + random.uniform(size=images.shape).astype("float32")

    def noisy_pair(images, labels):
        noisy = tf.numpy_function(noise, [images], "float32")
        return tf.ensure_shape(noisy, (None, 16, 16, 3)), labels

    return plain().map(noisy_pair)


def test_plain_random_dataset_is_kept_for_this_run_only(model, tmp_path, engine):
    cache = FeatureCache(tmp_path, engine)
    features = cache.extract(model, noisy(), views=2)
    assert features.views == 2
    assert not np.allclose(features.arrays(0)[0], features.arrays(1)[0])
    assert not list(tmp_path.iterdir())


def test_full_disk_is_an_error_before_anything_is_computed(
    model, tmp_path, engine, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(NoRoomError, match=r"need 0\.1 MB on disk, but only 0\.0 MB"):
        FeatureCache(tmp_path, engine).extract(model, plain())
    assert engine.num_images == 0


def test_size_limit_below_the_need_is_an_error(model, tmp_path, engine):
    with pytest.raises(NoRoomError, match="more than the size limit"):
        FeatureCache(tmp_path, engine, size_limit=1000).extract(model, plain())
    assert engine.num_images == 0


def test_least_recently_used_features_are_evicted_at_the_limit(model, tmp_path):
    for number in range(3):
        # A new cache each time, since entries in use are not evicted.
        cache = FeatureCache(tmp_path, "tensorflow", size_limit=200_000)
        cache.extract(model, plain(IMAGES + number))
    # 150 rows of 36 bytes (8 features and a label) in 5 shards take 7 kB. Room for 87 kB is
    # asked for: 5.4 kB, and 16 kB a shard for what lies beside it.
    sizes = [entry.size for entry in cache.entries()]
    assert sum(sizes) <= 200_000
    assert len(sizes) == 3
    FeatureCache(tmp_path, size_limit=90_000).extract(model, plain(IMAGES + 3))
    assert len(cache.entries()) == 1


def test_clear_removes_everything(model, tmp_path):
    cache = FeatureCache(tmp_path)
    cache.extract(model, plain())
    with cache.folder.locked("0" * 32):
        pass  # left by a kill: no entry, but room on the disk
    assert cache.clear() == 2
    assert not cache.entries()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"views": 0}, "`views`"), ({"dataset": plain(IMAGES[:, :8])}, "takes images of shape")],
)
def test_wrong_arguments_are_errors(model, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureCache(tmp_path).extract(model, **{"dataset": plain(), **arguments})


def test_wrong_dtype_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="`dtype`"):
        FeatureCache(tmp_path, dtype="int8")


def test_default_folder_is_in_the_user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path))
    assert FeatureCache().directory == tmp_path / "features"


def test_summary_is_printed(model, tmp_path, capsys):
    cache = FeatureCache(tmp_path, "tensorflow")
    cache.extract(model, plain(), verbose=1)
    cache.extract(model, plain(), verbose=1)
    computed, read = capsys.readouterr().out.splitlines()
    assert computed.startswith("Features at head_pooling: 150 examples, computed in ")
    assert "(tensorflow, " in computed and "of the time waiting for data)." in computed
    assert read == "Features at head_pooling: 150 examples, read from the cache."


class OtherNumbers(OpenVINOEngine):
    """An engine that computes something else."""

    @classmethod
    def is_available(cls):
        return True

    def compile(self, stem):
        return lambda batches: (np.zeros((len(batch), 8), "float32") for batch in batches)


def test_engine_with_other_features_is_rejected(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="differ from TensorFlow"):
        FeatureCache(tmp_path, OtherNumbers()).extract(model, plain())
    cache = FeatureCache(tmp_path, "auto")
    monkeypatch.setattr(cache, "_resolved_engine", OtherNumbers())
    with pytest.warns(UserWarning, match="TensorFlow computes the features"):
        features = cache.extract(model, plain())
    np.testing.assert_allclose(
        features.arrays()[0], model.stem().predict(IMAGES, verbose=0), rtol=1e-5
    )


def test_features_before_trained_weights_are_an_error(model, tmp_path):
    features = FeatureCache(tmp_path).extract(model, plain())
    model.freeze_policy = UnfreezeLast(2)
    model.compile()
    with pytest.raises(ValueError, match="cannot train the weights before it"):
        model.fit(features.as_inputs(), verbose=0)
    model.freeze_policy = FreezeAll()
    model.fit(features.as_inputs(), verbose=0)


def middle_of(model):
    """From the features before the last stage to those that the head gets."""
    pooling = model.frozen_boundary
    model.freeze_policy = UnfreezeLast(1)
    middle = graph.split(model.tail(), pooling)[0]
    return middle


def test_features_of_features_are_found_again(model, tmp_path, engine):
    first = middle_of(model)
    cache = FeatureCache(tmp_path, engine)
    cut = cache.extract(model, plain())
    pooled = cache.extract(first, cut)
    np.testing.assert_allclose(
        pooled.arrays()[0],
        keras.Model(model.input, model.get_layer("head_pooling").output).predict(
            IMAGES, verbose=0
        ),
        rtol=1e-4,
    )
    np.testing.assert_array_equal(pooled.arrays()[1], LABELS)
    again = middle_of(TransferModel(model.backbone.copy(), SoftmaxHead(3)))
    assert again.inputs[0].name != first.inputs[0].name
    assert cache.extract(again, cut).extraction.num_images == 0


def test_features_of_temporary_features_are_temporary(model, tmp_path):
    cache = FeatureCache(tmp_path, "tensorflow")
    middle = middle_of(model)
    cut = cache.extract(model, noisy())
    assert cut.source.fingerprint is None
    assert cache.extract(middle, cut).num_images == 150
    assert not cache.entries()


def test_backbone_is_run_as_a_whole(tmp_path):
    backbone = residual_backbone()
    features = FeatureCache(tmp_path, engine="tensorflow").extract(backbone, plain())
    expected = backbone(IMAGES, training=False).numpy()
    np.testing.assert_allclose(in_order(features)[0], expected, rtol=1e-4, atol=1e-3)
    same = keras.Model(backbone.input, backbone.output)
    again = FeatureCache(tmp_path, engine="tensorflow").extract(same, plain())
    assert again.extraction.num_images == 0


def test_no_pass_ends_with_a_wait_for_the_autotuning(model, splits, tmp_path):
    cached = FeatureCache(tmp_path).extract(model, splits.train)
    for dataset in (splits.train, splits.validation, cached, cached.as_inputs().repeat()):
        assert dataset.options().autotune.enabled is False
