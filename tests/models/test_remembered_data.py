"""A model remembers what it has to know of its data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data, freezing, heads, models, plans, serving, training
from tests.networks import residual_backbone
from tests.pictures import COLOURS, colour_folder

NAMES = tuple(sorted(COLOURS))
PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)])


def trained(folder, **arguments):
    splits = data.image_folder(colour_folder(folder), image_size=16, **arguments)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    train = data.augmentation.light()(splits.train)
    training.fine_tune(model, train, plan=PLAN, cache=False, verbose=0)
    return model


def test_class_names_and_decoding_survive_saving_and_reach_the_export(tmp_path):
    model = trained(tmp_path / "photos", reduced_decoding=False)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, reloaded):
        assert one.class_names == NAMES
        assert one.reduced_decoding is False
    version = serving.export(reloaded, tmp_path / "serving")
    served = tf.saved_model.load(str(version)).signatures["images"]
    answers = served(images=tf.zeros((1, 16, 16, 3)))
    assert answers["label"].numpy()[0].decode() in NAMES


def test_fit_takes_the_class_names_too(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    assert model.class_names is None
    model.compile()
    model.fit(splits.train, verbose=0)
    assert model.class_names == NAMES
    assert model.reduced_decoding is True


def test_names_of_another_number_of_classes_are_not_taken(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(4))
    with pytest.warns(UserWarning, match=r"have 3 classes: use `SoftmaxHead\(3\)`"):
        model.remember(splits.train)
    assert model.class_names is None


def test_keras_datasets_know_their_number_of_classes_too(tmp_path):
    folder = colour_folder(tmp_path, splits=None)
    train = keras.utils.image_dataset_from_directory(folder, image_size=(16, 16), verbose=False)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(5))
    model.compile()
    with pytest.warns(UserWarning, match=r"some of whose outputs have no images"):
        model.fit(train, verbose=0)


def test_a_head_with_too_few_classes_raises_before_training(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(2))
    model.compile()
    for train in (model.fit, lambda dataset: training.fine_tune(model, dataset, cache=False)):
        with pytest.raises(ValueError, match=r"have 3 classes: use `SoftmaxHead\(3\)`"):
            train(splits.train)
    merged = splits.train.map(lambda images, labels: (images, labels // 2))
    model.fit(merged, verbose=0)


def test_a_head_that_predicts_numbers_takes_no_names_and_is_exported(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path / "photos"), 16, reduced_decoding=False)
    model = models.TransferModel(residual_backbone(), heads.DenseHead(3))
    model.remember(splits.train)
    assert model.class_names is None
    assert model.reduced_decoding is False
    version = serving.export(model, tmp_path / "serving")
    served = tf.saved_model.load(str(version)).signatures["images"]
    assert list(served(images=tf.zeros((1, 16, 16, 3)))) == ["values"]


def test_images_in_a_dict_under_the_name_of_the_input_are_images():
    backbone = residual_backbone()
    model = models.TransferModel(backbone, heads.SoftmaxHead(3))
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    name = model.inputs[0].name
    np.testing.assert_array_equal(model({name: images}), model(images))
