import collections
import dataclasses
import errno
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import callbacks, data
from keras_transfer.features import FeatureCache, TensorFlowEngine, feature_cache, shard_store
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune
from keras_transfer.training import phase_data as phase_data_module
from keras_transfer.training.phase_data import phase_data
from tests.networks import residual_backbone
from tests.pictures import colour_folder

HEAD = Phase(FreezeAll(), 2, 1e-2, name="head")


@pytest.fixture
def splits(tmp_path):
    return data.image_folder(colour_folder(tmp_path / "pictures"), image_size=16, batch_size=5)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache", engine="tensorflow")


def model(policy=None):
    return TransferModel(residual_backbone("tf"), SoftmaxHead(3), policy or FreezeAll())


def test_head_trains_on_pooled_features_many_steps_at_once(splits, cache):
    found = phase_data(model(), HEAD, splits.train, splits.validation, cache)
    assert found.features.boundary == "head_pooling"
    assert found.steps == found.steps_per_execution == 4  # 18 pictures in batches of 5
    assert int(found.validation.cardinality()) == 1


# Of the 18 pictures, each with 8 features; training has 5 in a batch.
@pytest.mark.parametrize(("numbers", "batches"), [(8 * 18, 1), (8 * 6, 3), (8, 4)])
def test_validation_takes_fewer_rows_of_large_features(
    splits, cache, monkeypatch, numbers, batches
):
    monkeypatch.setattr(phase_data_module, "_EVALUATION_NUMBERS", numbers)
    found = phase_data(model(), HEAD, splits.train, splits.validation, cache)
    assert int(found.validation.cardinality()) == batches


def test_last_stages_train_on_features_of_the_cut(splits, cache):
    tuned = model(UnfreezeLast(1))
    found = phase_data(tuned, HEAD, splits.train, splits.validation, cache)
    assert found.features.boundary == tuned.frozen_boundary
    assert found.steps_per_execution == 1


def test_batch_size_of_the_phase_counts(splits, cache):
    phase = Phase(FreezeAll(), 2, 1e-2, batch_size=9)
    assert phase_data(model(), phase, splits.train, None, cache).steps == 2
    assert phase_data(model(), phase, splits.train, None, None).steps == 2


def test_views_of_the_phase_count(splits, cache):
    train = data.augmentation.light()(splits.train)
    found = phase_data(model(), Phase(FreezeAll(), 2, 1e-2, views=3), train, None, cache)
    assert found.features.views == 3


def test_pictures_are_taken_where_nothing_is_frozen(splits, cache):
    found = phase_data(model(FreezeNone()), HEAD, splits.train, splits.validation, cache)
    assert found.features is None
    assert found.train.element_spec == splits.train.element_spec
    assert found.steps == 4


def test_pictures_are_taken_under_gradual_unfreezing(splits, cache):
    unfreezing = callbacks.GradualUnfreezing({1: UnfreezeLast(1)})
    found = phase_data(model(), HEAD, splits.train, None, cache, [unfreezing])
    assert found.features is None
    tuned = model()
    fine_tune(
        tuned, splits.train, plan=Plan([HEAD]), cache=cache, callbacks=[unfreezing], verbose=0
    )
    assert tuned.freeze_policy == UnfreezeLast(1)


def test_callback_that_looks_at_batches_sees_each(splits, cache):
    class Batches(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1

    batches = Batches()
    tuned = model()
    fine_tune(
        tuned, splits.train, plan=Plan([HEAD]), cache=cache, callbacks=[batches], verbose=0
    )
    assert batches.seen == 8
    assert tuned.steps_per_execution == 1


def test_without_room_for_views_one_is_kept_and_without_room_for_one_none(
    splits, tmp_path, capsys
):
    train = data.augmentation.light()(splits.train)
    one = FeatureCache(tmp_path / "one", engine="tensorflow", size_limit=20_000)
    found = phase_data(model(), HEAD, train, None, one)
    assert found.features.views == 1
    none = FeatureCache(tmp_path / "none", engine="tensorflow", size_limit=1000)
    found = phase_data(model(), HEAD, train, splits.validation, none, verbose=1)
    assert found.features is None
    assert "Training on images, which takes longer" in capsys.readouterr().out


def test_disk_that_fills_up_meanwhile_ends_in_pictures(splits, cache, capsys, monkeypatch):
    def full(path, write, flush):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(shard_store, "write_aside", full)
    found = phase_data(model(), HEAD, splits.train, splits.validation, cache, verbose=1)
    assert found.features is None
    assert "No space left on device, while features were" in capsys.readouterr().out


def test_training_with_and_without_a_cache_learns_the_same(splits, cache):
    accuracies = []
    for used in (cache, False):
        keras.utils.set_random_seed(1)
        tuned = model()
        plan = Plan(
            [Phase(FreezeAll(), 8, 0.05, batch_size=6), Phase(UnfreezeLast(1), 2, 1e-3)]
        )
        fine_tune(tuned, splits.train, splits.validation, plan=plan, cache=used, verbose=0)
        accuracies.append(tuned.evaluate(splits.test, verbose=0, return_dict=True)["accuracy"])
    assert accuracies == [1.0, 1.0]


def test_several_heads_train_on_features(cache):
    images = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
    labels = {"kind": np.arange(12) % 3, "hue": np.arange(12) % 2}
    train = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    tuned = TransferModel(
        residual_backbone("tf"), {"kind": SoftmaxHead(3), "hue": SoftmaxHead(2)}
    )
    history = fine_tune(tuned, train, train, plan=Plan([HEAD]), cache=cache, verbose=0)
    assert {"kind_accuracy", "val_hue_accuracy"} <= set(history.history)


def test_time_budget_is_planned_for(splits, cache):
    history = fine_tune(
        model(), splits.train, splits.validation, cache=cache, time_budget=1e-3, verbose=0
    )
    assert set(history.phase) == {"exact head"}


def test_budget_of_no_time_is_told(splits):
    with pytest.raises(ValueError, match="positive number of seconds"):
        fine_tune(model(), splits.train, time_budget=0)


def test_wrong_cache_is_told(splits):
    with pytest.raises(ValueError, match="`cache` must be a"):
        fine_tune(model(), splits.train, cache="folder")


class Engine(TensorFlowEngine):
    """TensorFlow, which notes how many examples go through which networks."""

    def __init__(self):
        self.examples = collections.Counter()

    def compile(self, stem):
        run = super().compile(stem)

        def counting(batches):
            return run(self._counted(batches, stem.outputs[0].shape[1:]))

        return counting

    def _counted(self, batches, shape):
        for images in batches:
            self.examples[images.shape[1:], shape] += len(images)
            yield images


def test_head_continues_from_the_features_of_the_next_phase(splits, tmp_path):
    engine = Engine()
    cache = FeatureCache(tmp_path / "cache", engine)
    train = data.augmentation.light()(splits.train)
    head = dataclasses.replace(HEAD, views=1)
    tuning = Phase(UnfreezeLast(1), 2, 1e-2, views=3)
    tuned = model()
    arguments = tuned, head, train, splits.validation, cache
    found = phase_data(*arguments, following=tuning)
    assert tuned.freeze_policy == FreezeAll()

    images, pooled = (16, 16, 3), tuned.stem().output_shape[1:]
    tuned.freeze_policy = UnfreezeLast(1)
    cut = tuned.stem().output_shape[1:]
    assert engine.examples == {(images, cut): 3 * 18 + 18, (cut, pooled): 18 + 18}
    phase_data(tuned, tuning, train, splits.validation, cache)
    tuned.freeze_policy = FreezeAll()
    again = phase_data(*arguments, following=tuning)
    assert sum(engine.examples.values()) == 3 * 18 + 18 + 18 + 18

    direct = phase_data(*arguments)
    assert found.features.boundary == direct.features.boundary
    for one in (found, again):
        np.testing.assert_allclose(
            one.features.arrays()[0], direct.features.arrays()[0], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(one.features.arrays()[1], direct.features.arrays()[1])
    held_out, _ = next(iter(found.validation))
    expected, _ = next(iter(direct.validation))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), held_out, expected
    )


@pytest.mark.parametrize("following", [Phase(FreezeNone(), 2, 1e-2), HEAD])
def test_head_does_not_continue_from_what_is_no_earlier_cut(splits, tmp_path, following):
    engine = Engine()
    cache = FeatureCache(tmp_path / "cache", engine)
    head = dataclasses.replace(HEAD, views=1)
    phase_data(model(), head, splits.train, None, cache, following=following)
    assert sum(engine.examples.values()) == 18


def test_head_has_its_own_features_where_the_next_phase_has_no_room(splits, tmp_path):
    pooled, cut = (
        np.prod(model(policy).stem().output_shape[1:])
        for policy in (FreezeAll(), UnfreezeLast(1))
    )
    label_bytes = 8
    room = 18 * (4 * int(pooled) + label_bytes) + feature_cache._BYTES_BESIDE
    assert room < 18 * 4 * int(cut) + feature_cache._BYTES_BESIDE
    cache = FeatureCache(tmp_path / "cache", "tensorflow", size_limit=room)
    head = dataclasses.replace(HEAD, views=1)
    following = Phase(UnfreezeLast(1), 2, 1e-2, views=1)
    found = phase_data(model(), head, splits.train, None, cache, following=following)
    assert found.features.boundary == "head_pooling"
    assert len(cache.entries()) == 1


def test_pictures_are_as_they_are_where_the_phase_is_not_augmented(splits, cache):
    train = data.augmentation.light()(splits.train).prefetch(1)
    phase, tuned = dataclasses.replace(HEAD, augmented=False), model()
    on_features = phase_data(tuned, phase, train, None, cache)
    expected = cache.extract(tuned, splits.train)
    np.testing.assert_array_equal(on_features.features.arrays()[0], expected.arrays()[0])

    on_pictures = phase_data(tuned, phase, train, None, None)
    assert pictures_of(on_pictures.train) == pictures_of(splits.train) != pictures_of(train)


def test_mixed_labels_stay_mixed(splits, cache):
    train = data.Augmentation(mixup=0.5)(splits.train)
    phase = dataclasses.replace(HEAD, augmented=False)
    features = phase_data(model(), phase, train, None, cache).features
    assert features.arrays()[1].shape == (18, 3)


def pictures_of(dataset):
    return {image.tobytes() for images, _ in dataset for image in images.numpy()}
