import keras
import numpy as np
import pytest

from keras_transfer._applications import APPLICATIONS
from keras_transfer.backbones import Backbone, Preprocessing, Source
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.cli.main import main
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import mobilenet, residual_network

OWN = {"scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": 0.25, "channel_order": "bgr"}
SOURCE = Source("a zoo", "MIT", (40, 40), 0.875, "bicubic")


@pytest.fixture
def backbone():
    return Backbone.from_model(residual_network(), Preprocessing(**OWN), source=SOURCE)


def images(channels=3):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (2, 16, 16, channels), dtype="uint8")


def test_preprocessing_computes_what_its_numbers_say():
    found = Preprocessing(**OWN)(images())
    expected = (images()[..., ::-1] / 255 - OWN["mean"]) / 0.25
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    grey = Preprocessing(**OWN)(images(1))
    np.testing.assert_allclose(grey, (images(1) / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "tf", "mean": 3}, "determines the other arguments"),
        ({"std": (1, 0, 1)}, "not 0"),
        ({"scale": -1}, "positive number"),
        ({"channel_order": "grb"}, "'rgb' or 'bgr'"),
    ],
)
def test_wrong_numbers_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**arguments)


def test_means_of_another_number_of_channels_raise_an_error():
    with pytest.raises(ValueError, match="4 values for images of 3 channels"):
        Preprocessing(mean=(1, 2, 3, 4))(images())


def test_source_is_that_of_the_preprocessing_and_survives_all_copies(backbone, tmp_path):
    assert backbone.takes_raw_images
    expected = Source("a zoo", "MIT", (40, 40), 0.875, "bicubic", **OWN)
    model = TransferModel(backbone, SoftmaxHead(2))
    model.save(tmp_path / "m.keras")
    backbone.save(tmp_path / "b.keras")
    copies = [
        backbone,
        backbone.copy(),
        backbone.truncated(backbone.boundaries[-2]),
        keras.saving.load_model(tmp_path / "b.keras"),
        keras.saving.load_model(tmp_path / "m.keras").backbone,
    ]
    assert [one.source for one in copies] == [expected] * 5
    assert Source.from_json(expected.to_json()) == expected
    np.testing.assert_array_equal(backbone(images()), copies[3](images()))


def test_plain_model_computes_the_same_with_numbers_of_ones_own(backbone):
    model = TransferModel(backbone, SoftmaxHead(2))
    np.testing.assert_allclose(
        model.to_plain().predict(images(), verbose=0),
        model.predict(images(), verbose=0),
        rtol=1e-4,
        atol=1e-6,
    )


def test_source_of_an_application_names_weights_and_licence():
    source = APPLICATIONS["VGG16"].source
    assert (source.licence, source.channel_order) == ("CC BY 4.0", "bgr")
    assert APPLICATIONS["EfficientNetV2S"].source.scale == 1 / 128
    random = mobilenet().source
    assert (random.origin, random.licence, random.mean) == ("random weights", None, 1.0)


def test_random_twin_says_that_its_weights_are_random(backbone):
    assert random_twin(backbone).source.origin == "random weights"
    again = Backbone.from_model(backbone, source=Source("another"))
    assert (again.source.origin, backbone.source.origin) == ("another", "a zoo")


def test_command_prints_the_source_of_one_network(capsys):
    assert main(["backbones", "ResNet50"]) == 0
    printed = capsys.readouterr().out
    assert "103.939, 116.779, 123.68" in printed and "MIT" in printed
    assert main(["backbones", "ResNet5"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'ResNet50'" in line
