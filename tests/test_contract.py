"""What holds for everything public."""

import ast
import importlib
import inspect
import pathlib

import keras
import pytest

import keras_transfer
from keras_transfer import (
    adaptation,
    callbacks,
    data,
    freezing,
    heads,
    models,
    optimizers,
    pretraining,
    retention,
)
from keras_transfer.backbones import Backbone, MelSpectrogram
from keras_transfer.backbones.layer_copies import ConfiguredLayer
from keras_transfer.backbones.openvino_network import OpenVINONetwork
from keras_transfer.backbones.preprocessing import Preprocessing
from keras_transfer.backbones.presets import TextPreprocessing
from keras_transfer.backbones.table_network import NumberColumns
from keras_transfer.heads.center_loss import CenterLoss
from keras_transfer.heads.classification_heads import SoftmaxAccuracy, SoftmaxCrossentropy
from keras_transfer.heads.pooling import MaskedPooling
from keras_transfer.heads.scaled_dense import ScaledDense
from keras_transfer.heads.segmentation_measures import (
    MeanIoU,
    PixelAccuracy,
    SegmentationLoss,
)
from keras_transfer.heads.text_conv_head import WithoutPadding
from keras_transfer.heads.upsampling import UpsampleTo
from keras_transfer.optimizers.warmup_cosine import WarmupCosine

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


@pytest.mark.parametrize("thing", list(public_objects()))
def test_public_signature_is_annotated(thing):
    annotated = inspect.get_annotations(thing.__init__ if inspect.isclass(thing) else thing)
    missing = [name for name in parameters(thing) if name not in annotated]
    assert not missing
    assert inspect.isclass(thing) or "return" in annotated


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_subpackage_is_reached_from_the_package(name):
    assert getattr(keras_transfer, name).__name__ == f"keras_transfer.{name}"
    assert name in dir(keras_transfer)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        keras_transfer.nonsense  # noqa: B018


ROUND_TRIPS = [
    freezing.FreezeAll(),
    freezing.FreezeNone(batch_norm="trainable"),
    freezing.FreezeUpTo("a"),
    freezing.UnfreezeLast(2, batch_norm="affine"),
    freezing.FreezePatterns([("a.*", "trainable"), "b"], batch_norm="trainable"),
    MelSpectrogram(num_mel_bins=8, offset=0.0),
    heads.DenseHead(2, hidden_units=(3,), dropout=0.1),
    heads.SoftmaxHead(3, label_smoothing=0.1),
    heads.SigmoidHead(3, pooling="max"),
    heads.TextConvHead(3, filters=4, kernel_sizes=(2,)),
    SoftmaxCrossentropy(label_smoothing=0.2),
    SoftmaxAccuracy(name="hits"),
    heads.SegmentationHead(
        3, "unet", ignore_class=255, dice=0.5, class_weights=[1.0, 2.0, 1.0]
    ),
    SegmentationLoss(ignore_class=255, dice=0.5, class_weights=[1.0, 2.0]),
    MeanIoU(3, ignore_class=255),
    PixelAccuracy(ignore_class=255),
    UpsampleTo((4, 5)),
    heads.CenterHead(3, width=8, score_threshold=0.1),
    CenterLoss(),
    heads.GeneralizedMeanPooling(p=2.0),
    MaskedPooling("max"),
    WithoutPadding(),
    heads.JoinedHead([keras.Input((3,), name="row")], heads.SoftmaxHead(2), units=4),
    ScaledDense(2),
    NumberColumns([1.0, 2.0], [0.5, 3.0]),
    OpenVINONetwork(3, [4]),
    Preprocessing("torch"),
    Preprocessing(mean=(1.0, 2.0, 3.0), std=2.0, scale=0.5, channel_order="bgr"),
    optimizers.LearningRateMultiplier("sgd", {"a/.*": 0.5, ".*": 1.0}),
    WarmupCosine(0.0, 10, warmup_target=0.1, warmup_steps=2),
    pretraining.VICReg(invariance=10.0),
    pretraining.SimCLR(temperature=0.5),
    data.Augmentation(flip="horizontal", rotation=0.1, mixup=0.2, seed=3),
    adaptation.OwnStatistics(),
    adaptation.MinimumClassConfusion(0.5, temperature=2.0),
    adaptation.InformationMaximization(0.5),
    adaptation.PseudoLabels(0.5),
    adaptation.JointDiscrepancy(0.5, joint=False),
    adaptation.Correlation(0.5),
    adaptation.DomainAdversary(0.5, conditional=False),
    retention.Distillation(0.5, temperature=1.0, on="predictions"),
    retention.PullToStart(0.5, importance="fisher"),
    retention.Replay(0.5),
]


@pytest.mark.parametrize("thing", ROUND_TRIPS, ids=lambda thing: type(thing).__name__)
def test_object_survives_a_round_trip_and_its_arguments_are_attributes(thing):
    config = keras.saving.serialize_keras_object(thing)
    restored = keras.saving.deserialize_keras_object(config)
    assert type(restored) is type(thing)
    assert keras.saving.serialize_keras_object(restored)["config"] == config["config"]
    for name in parameters(type(thing)):
        assert hasattr(thing, name), name


def test_every_class_that_keras_saves_is_tested():
    registered = keras.saving.get_custom_objects()
    saved = {thing for name, thing in registered.items() if name.startswith("keras_transfer>")}
    # They are models, and layers around those of KerasHub; their tests save and load them.
    elsewhere = {Backbone, ConfiguredLayer, models.TransferModel, TextPreprocessing}
    assert saved - {type(thing) for thing in ROUND_TRIPS} == elsewhere


# A package imports only packages below its line; `docs/architecture.md` gives the reasons.
LAYERS = (
    {"cli"}, {"runs"}, {"auditing"}, {"transferability"}, {"explanations"}, {"calibration"},
    {"training"}, {"plans"}, {"adaptation", "retention"}, {"pretraining"}, {"relations"},
    {"serving"}, {"callbacks"},
    {"features"}, {"models"}, {"freezing"}, {"optimizers"}, {"heads"}, {"backbones"}, {"data"},
    {"distribution"},
    {"_statistics"}, {"_figures"}, {"_progress"}, {"_graph_rewriting"}, {"_python_functions"},
    {"_applications"}, {"_text"},
    {"_records"}, {"_files"},
    {"_preemption"}, {"version"},
)  # fmt: skip
# None of these imports another one.
APART = {"data", "distribution", "heads", "optimizers"}
ABOVE_MODELS = {"callbacks", "features", "plans", "training"}
PLACES = {name: place for place, layer in enumerate(LAYERS) for name in layer}


def imported_packages(tree):
    """The packages of ours that a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            is_root = node.module == "keras_transfer"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if is_root else []
            names = names or [node.module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "keras_transfer" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.glob("*/*.py")), ids=lambda file: f"{file.parent.name}.{file.stem}"
)
def test_a_package_imports_only_packages_below_it(file):
    package = file.parent.name
    for name in imported_packages(ast.parse(file.read_text(encoding="utf-8"))):
        assert PLACES[package] <= PLACES[name], f"{package} imports {name}"
        assert not {package, name} <= APART or package == name
        assert package != "serving" or name not in ABOVE_MODELS


def test_every_package_and_module_has_its_place():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found - {"__init__", "__main__"} == set(PLACES)


DYNAMIC_IMPORTS = {"import_module", "__import__", "exec", "eval"}


def called_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", None))


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.stem)
def test_no_module_is_imported_by_its_name_as_text(file):
    assert not DYNAMIC_IMPORTS & set(called_names(ast.parse(file.read_text("utf-8"))))


@pytest.mark.parametrize("package", SUBPACKAGES)
def test_no_function_bears_the_name_of_its_module(package):
    exported = importlib.import_module(f"keras_transfer.{package}").__all__
    modules = {path.stem for path in (PACKAGE / package).glob("*.py")}
    if package == "data":
        exported = set(exported) - {"augmentation"}  # the module is what is exported
    assert not modules & set(exported)


def test_callbacks_are_callbacks():
    for name in callbacks.__all__:
        assert issubclass(getattr(callbacks, name), keras.callbacks.Callback)
