"""What an error says it received is what the user passed."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

from keras_transfer import heads, models, optimizers, runs
from tests.networks import mobilenet


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    for name in ("images/a", "images/b"):
        (place / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng([ord(name[-1]), number]).integers(
                0, 256, (32, 32, 3)
            )
            path = place / name / f"{number}.png"
            Image.fromarray(pixels.astype("uint8")).save(path)
    kinds = [f"{number}.5,word {number},{'ab'[number % 2]}" for number in range(8)]
    (place / "texts.csv").write_text("\n".join(["age,text,kind", *kinds]))
    rows = [line.replace(",word ", ",") for line in kinds]
    (place / "rows.csv").write_text("\n".join(["age,size,kind", *rows]))
    (place / "file").write_text("x")
    return place


NETWORK = {"backbone": "MobileNetV2", "image_size": 32, "weights": None, "alpha": 0.35}
FITS = {
    "unknown network": {"data": "images", "backbone": "./MobilNetV2"},
    "small image": {"data": "images", **NETWORK, "image_size": 8},
    "no boundary": {"data": "images", **NETWORK, "truncate_at": "block_2_expand"},
    "no layer": {"data": "images", **NETWORK, "truncate_at": "nothing"},
    "nothing before": {"data": "images", **NETWORK, "truncate_at": "preprocessing"},
    "no folder": {"data": "absent", **NETWORK},
    "one class": {"data": "images/a", **NETWORK},
    "no target": {"data": "images", **NETWORK, "target": "absent"},
    "no texts": {"data": "texts.csv", "targets": "nothing", "vectors": "file"},
    "no column of a class": {"data": "texts.csv", "vectors": "file"},
    "no preset": {"data": "texts.csv", "targets": "kind", "backbone": "./absent"},
    "no target of rows": {"data": "rows.csv", "targets": "nothing"},
    "no column of groups": {"data": "images", **NETWORK, "metadata": "rows.csv", "group": "x"},
    "two columns": {"data": "rows.csv", "targets": ["kind", "size"], "task": "classes"},
    "no JSON": {"data": "images", **NETWORK, "boxes": "rows.csv"},
    "no masks": {"data": "images", **NETWORK, "masks": "absent"},
}


@pytest.mark.parametrize("given", FITS.values(), ids=FITS)
def test_fit_received_what_was_passed(place, tmp_path, given, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises((ValueError, OSError)) as error:
        runs.fit(**given, output=tmp_path / "run", verbose=0)
    check(error, given)


@pytest.fixture(scope="module")
def network():
    return mobilenet(size=32)


BUILDS = {
    "boundary": {"truncate_at": "nothing"},
    "decay": {"layerwise_decay": 2.0},
    "optimizer": {
        "layerwise_decay": 0.5,
        "optimizer": optimizers.LearningRateMultiplier("sgd", {".*": 1.0}),
    },
}


@pytest.mark.parametrize("given", BUILDS.values(), ids=BUILDS)
def test_models_received_what_was_passed(network, given):
    make = models.TransferModel if "truncate_at" in given else models.build
    with pytest.raises(ValueError) as error:
        make(network, heads.SoftmaxHead(2), **given)
    check(error, given)


def test_features_of_no_boundary_are_told(network):
    model = models.TransferModel(network, heads.SoftmaxHead(2))
    with pytest.raises(ValueError, match="no layer or operation of this name") as error:
        model({"nothing": keras.ops.zeros((1, 4))})
    check(error, {})


def check(error, given):
    received = str(error.value).split("Received: ")[1]
    assert {*re.findall(r"(\w+)=", received)} <= {*given}
