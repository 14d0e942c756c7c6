"""Every example in a docstring runs.

An example finds the packages of the library, `keras`, `np` and `tf`, and the names of `MAKERS`;
the folder `photos` holds the pictures of three classes, in three splits.
"""

import doctest
import importlib
import pkgutil
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer
from keras_transfer import data, heads, models
from tests.networks import residual_backbone
from tests.pictures import colour_folder

SIZE = 16
PACKAGES = {name: getattr(keras_transfer, name) for name in keras_transfer.__all__[1:]}
LIBRARIES = {"keras": keras, "np": np, "tf": tf, "keras_transfer": keras_transfer}


def make_model():
    return models.TransferModel(residual_backbone(size=SIZE), heads.SoftmaxHead(3))


MAKERS = {
    "backbone": lambda: residual_backbone(size=SIZE),
    "model": make_model,
    "splits": lambda: data.image_folder("photos", image_size=SIZE),
    "train": lambda: data.image_folder("photos", image_size=SIZE).train,
    "validation": lambda: data.image_folder("photos", image_size=SIZE).validation,
    "images": lambda: np.random.default_rng(0).uniform(0, 255, (9, SIZE, SIZE, 3)),
    "labels": lambda: np.arange(9) % 3,
}


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in pkgutil.walk_packages(keras_transfer.__path__, "keras_transfer."):
        if module.name.endswith("__main__"):  # importing it runs the command
            continue
        for test in finder.find(importlib.import_module(module.name)):
            if test.examples:
                yield pytest.param(test, id=test.name.removeprefix("keras_transfer."))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("photos"))


@pytest.mark.parametrize("test", list(examples()))
def test_example_runs_and_prints_what_it_says(test, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "".join(example.source for example in test.examples)
    if re.search("photos|splits|train|validation", source):
        shutil.copytree(photos, tmp_path / "photos")
    made = {name: make() for name, make in MAKERS.items() if re.search(rf"\b{name}\b", source)}
    # A name that the module itself defines, such as `split`, is the module's.
    test.globs = {**LIBRARIES, **PACKAGES, **made, **test.globs}
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    printed = []
    result = runner.run(test, out=printed.append)
    assert not result.failed, "".join(printed)
    assert result.attempted


@pytest.mark.parametrize("test", list(examples()))
def test_example_skips_nothing(test):
    assert not [example.source for example in test.examples if doctest.SKIP in example.options]
