"""What holds for everything public."""

import ast
import importlib
import inspect
import pathlib

import keras
import pytest

import keras_transfer
from keras_transfer import callbacks, data, freezing, heads, optimizers
from keras_transfer.backbones import Preprocessing

PACKAGE = pathlib.Path(keras_transfer.__file__).parent
SUBPACKAGES = [name for name in keras_transfer.__all__ if not name.startswith("_")]


def public_objects():
    for package in SUBPACKAGES:
        module = importlib.import_module(f"keras_transfer.{package}")
        for name in module.__all__:
            thing = getattr(module, name)
            if not inspect.ismodule(thing):
                yield pytest.param(thing, id=f"{package}.{name}")


def parameters(thing):
    signature = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing)
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [name for name, p in signature.parameters.items() if p.kind not in fixed]
    # What every Keras object takes is documented by Keras.
    return [name for name in names if name not in ("self", "name", "dtype", "reduction")]


@pytest.mark.parametrize("thing", list(public_objects()))
def test_docstring_names_every_parameter(thing):
    documentation = inspect.getdoc(thing) or ""
    assert documentation.splitlines()[0].endswith("."), "one line that says what it is"
    inherited = any(base.__doc__ for base in getattr(thing, "__mro__", [])[1:2])
    text = documentation + (inspect.getdoc(thing.__mro__[1]) or "" if inherited else "")
    missing = [name for name in parameters(thing) if f"{name}:" not in text]
    assert not missing


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_subpackage_is_reached_from_the_package(name):
    assert getattr(keras_transfer, name).__name__ == f"keras_transfer.{name}"
    assert name in dir(keras_transfer)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        keras_transfer.nonsense  # noqa: B018


ROUND_TRIPS = [
    freezing.FreezeAll(),
    freezing.FreezePatterns([("a.*", "trainable"), "b"], batch_norm="trainable"),
    heads.DenseHead(2, hidden_units=(3,), dropout=0.1),
    heads.SoftmaxHead(3, label_smoothing=0.1),
    heads.SigmoidHead(3, pooling="max"),
    heads.SoftmaxCrossentropy(label_smoothing=0.2),
    heads.SoftmaxAccuracy(name="hits"),
    heads.GeneralizedMeanPooling(p=2.0),
    Preprocessing("torch"),
    optimizers.LearningRateMultiplier("sgd", {"a/.*": 0.5, ".*": 1.0}),
    data.Augmentation(flip="horizontal", rotation=0.1, mixup=0.2, seed=3),
]


@pytest.mark.parametrize("thing", ROUND_TRIPS, ids=lambda thing: type(thing).__name__)
def test_object_survives_a_round_trip_and_its_arguments_are_attributes(thing):
    config = keras.saving.serialize_keras_object(thing)
    restored = keras.saving.deserialize_keras_object(config)
    assert type(restored) is type(thing)
    assert keras.saving.serialize_keras_object(restored)["config"] == config["config"]
    for name in parameters(type(thing)):
        assert hasattr(thing, name), name


# What a package may import: the ones before it in this order, never one after.
ORDER = [
    "distribution", "data", "backbones", "freezing", "heads", "optimizers", "models",
    "callbacks", "features", "serving", "training", "selection",
    "reports", "cli",
]  # fmt: skip


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*/*.py")), ids=lambda file: file.stem)
def test_imports_go_one_way(file):
    place = ORDER.index(file.parent.name)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "keras_transfer"
        ):
            parts = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            for part in parts:
                if part in ORDER:
                    assert ORDER.index(part) <= place, f"{file.name} imports {part}"


def test_callbacks_are_callbacks():
    for name in callbacks.__all__:
        assert issubclass(getattr(callbacks, name), keras.callbacks.Callback)
