import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_transfer import backbones, data, heads, models, serving
from keras_transfer.backbones import inference_function
from keras_transfer.data.decoding import decode_and_resize
from keras_transfer.serving import exporter
from tests.serving.models_to_export import (
    NAMES,
    pixels,
    predicted_labels,
    small_model,
    trained_model_with_augmentation,
    write_pngs,
)

# `serving.export` is the function.
ROOT = pathlib.Path(__file__).parents[2]


def served(version):
    return tf.saved_model.load(str(version)).signatures


def run(*arguments):
    """What another process prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model, its version, and nine pictures with the labels that `predict` gives."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("exported")
    model = small_model()
    pictures = pixels(9)
    version = serving.export(model, folder / "served", class_names=NAMES)
    labels = predicted_labels(model, pictures)
    assert len(set(labels)) > 1
    return model, version, write_pngs(pictures, folder / "pictures"), labels


# What it answers.


@pytest.mark.optimized_graphs
def test_both_signatures_answer_what_predict_does(exported):
    model, version, paths, labels = exported
    signatures = served(version)
    answers = (
        signatures["serving_default"](tf.constant([path.read_bytes() for path in paths])),
        signatures["images"](tf.constant(pixels(9), "float32")),
    )
    expected = model.predict(pixels(9).astype("float32"), verbose=0)
    for answer in answers:
        np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(answer["class_index"], expected.argmax(axis=-1))
        assert [label.decode() for label in answer["label"].numpy()] == labels


def test_a_process_without_keras_or_this_library_gets_the_same_labels(exported):
    _, version, paths, labels = exported
    script = """
import importlib.machinery, json, pathlib, sys

class Block:
    # TensorFlow looks where Keras is, and does without if the import fails.
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "keras_transfer"):
            return importlib.machinery.ModuleSpec(name, self, origin="blocked/__init__.py")

    def create_module(self, spec):
        raise ImportError(spec.name)

    def exec_module(self, module):
        raise ImportError(module)

sys.meta_path.insert(0, Block())
import tensorflow as tf

version, *paths = sys.argv[1:]
pictures = tf.constant([pathlib.Path(path).read_bytes() for path in paths])
answers = tf.saved_model.load(version).signatures["serving_default"](pictures)
assert not {"keras", "keras_transfer"} & set(sys.modules)
print(json.dumps([label.decode() for label in answers["label"].numpy()]))
"""
    assert json.loads(run("-c", script, version, *paths)) == labels


def test_tensorflows_c_api_gets_the_same_labels(exported):
    _, version, paths, labels = exported
    script = pathlib.Path(__file__).with_name("c_api.py")
    answers = json.loads(run(script, "--json", version, *paths))
    assert answers["label"] == labels
    assert answers["imported"] == []


@pytest.mark.exhaustive
def test_tensorflows_c_api_gets_the_same_labels_of_real_pictures(real_data, tmp_path):
    backbone = backbones.Backbone(
        "MobileNet",
        input_shape=(64, 64, 3),
        weights=str(real_data / "weights" / "mobilenet_2_5_224_tf_no_top.h5"),
        alpha=0.25,
    )
    model = models.TransferModel(backbone, heads=heads.SoftmaxHead(10))
    names = sorted(path.name for path in (real_data / "clothing" / "test").iterdir())
    paths = sorted((real_data / "clothing" / "test").glob("*/*.jpg"))[::18][:20]
    version = serving.export(model, tmp_path, class_names=names, examples=paths[:3])
    pictures = [decode_and_resize(path.read_bytes(), 64) for path in paths]
    expected = predicted_labels(model, pictures, names)
    script = pathlib.Path(__file__).with_name("c_api.py")
    assert len(paths) == 20 and len(set(expected)) > 1
    assert run(script, version, *paths).splitlines() == expected


@pytest.mark.parametrize("head", [heads.SegmentationHead(3), heads.CenterHead(3)])
def test_tensorflows_c_api_gets_masks_and_boxes(exported, tmp_path, head):
    paths = exported[2][:2]
    version = serving.export(small_model(head), tmp_path, class_names=NAMES)
    answers = json.loads(
        run(pathlib.Path(__file__).with_name("c_api.py"), "--json", version, *paths)
    )
    pictures = tf.constant([path.read_bytes() for path in paths])
    for name, expected in served(version)["serving_default"](pictures).items():
        if name == "mask_png":
            files = [text.encode("utf-8", "surrogateescape") for text in answers[name]]
            assert files == expected.numpy().tolist()
            masks = [tf.io.decode_png(file)[..., 0] for file in files]
            np.testing.assert_array_equal(masks, answers["mask"])
        elif expected.dtype == tf.string:
            assert answers[name] == [[one.decode() for one in row] for row in expected.numpy()]
        else:
            np.testing.assert_allclose(answers[name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make_heads, names, outputs",
    [
        (lambda: heads.DenseHead(2), None, {"values": (9, 2)}),
        (
            lambda: {
                "kind": heads.SoftmaxHead(3, pooling="none"),
                "signs": heads.SigmoidHead(2),
                "age": heads.DenseHead(1),
            },
            {"kind": NAMES, "signs": ["old", "new"]},
            {
                "kind_probabilities": (9, 4, 4, 3),
                "kind_class_index": (9, 4, 4),
                "kind_label": (9, 4, 4),
                "signs_probabilities": (9, 2),
                "signs_labels": (9, 2),
                "age_values": (9, 1),
            },
        ),
    ],
    ids=["numbers", "several"],
)
def test_every_head_answers_under_its_names(exported, tmp_path, make_heads, names, outputs):
    paths = exported[2]
    version = serving.export(small_model(make_heads()), tmp_path, class_names=names)
    pictures = tf.constant([path.read_bytes() for path in paths])
    answers = served(version)["serving_default"](pictures)
    assert {name: tuple(value.shape) for name, value in answers.items()} == outputs
    if "signs_labels" in answers:
        assert answers["signs_labels"].numpy().tolist() == [[b"old", b"new"]] * 9


class NamelessHead(heads.DenseHead):
    """Numbers without names."""

    num_names = 0


class OrdinalHead(heads.DenseHead):
    """Ordered classes: output `i` is the probability of a class above `i`."""

    def __init__(self, num_classes, **dense_arguments):
        super().__init__(num_classes - 1, activation="sigmoid", **dense_arguments)
        self.num_classes = num_classes

    @property
    def num_names(self):
        return self.num_classes

    def named_outputs(self, output, class_names=None):
        index = tf.reduce_sum(tf.cast(output > 0.5, "int64"), axis=-1)
        return {"above": output, "label": tf.gather(tf.constant(class_names), index)}


def test_a_head_of_ones_own_names_its_outputs(exported, tmp_path):
    paths = exported[2]
    model = small_model(OrdinalHead(4))
    version = serving.export(model, tmp_path, class_names=list("abcd"))
    pictures = tf.constant([path.read_bytes() for path in paths])
    answers = served(version)["serving_default"](pictures)
    indices = (answers["above"].numpy() > 0.5).sum(axis=1)
    assert answers["label"].numpy().tolist() == [b"abcd"[i : i + 1] for i in indices]


def test_grey_models_of_any_size_take_encoded_pictures(tmp_path):
    model = small_model(size=None, channels=1)
    pictures = pixels(4, size=20, channels=1)
    paths = write_pngs(pictures, tmp_path / "pictures")
    version = serving.export(model, tmp_path / "served", NAMES, examples=paths, image_size=20)
    answers = served(version)["serving_default"](
        tf.stack([path.read_bytes() for path in paths])
    )
    assert [name.decode() for name in answers["label"].numpy()] == predicted_labels(
        model, pictures
    )


def test_large_photographs_are_decoded_as_for_training(tmp_path):
    # Noise, which a reduced decoding changes most: the answers tell which one it was.
    noise = np.random.default_rng(0).integers(0, 256, (6, 131, 201, 3), dtype="uint8")
    for index, picture in enumerate(noise):
        path = tmp_path / "photographs" / "ab"[index % 2] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_jpeg(picture).numpy())
    model = small_model(head=heads.DenseHead(2))
    answers = {}
    for reduced in (True, False):
        splits = data.image_folder(
            tmp_path / "photographs", 16, validation_split=None, reduced_decoding=reduced
        )
        expected = model.predict(splits.train_in_order, verbose=0)
        version = serving.export(model, tmp_path / "served", reduced_decoding=reduced)
        encoded = [pathlib.Path(path).read_bytes() for path in splits.paths["train"]]
        answers[reduced] = served(version)["serving_default"](tf.constant(encoded))["values"]
        np.testing.assert_allclose(answers[reduced], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(answers[True] - answers[False]).max() > 1e-3


def test_models_of_other_channels_take_arrays_only(tmp_path):
    model = small_model(channels=5)
    pictures = pixels(4, channels=5).astype("float32")
    signatures = served(serving.export(model, tmp_path))
    expected = model.predict(pictures, verbose=0)
    for name in ("serving_default", "images"):
        answers = signatures[name](images=tf.constant(pictures))
        np.testing.assert_allclose(answers["probabilities"], expected, rtol=1e-4, atol=1e-6)


def test_half_precision_models_answer_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = small_model()
    keras.config.set_dtype_policy("float32")
    version = serving.export(model, tmp_path)
    assert served(version)["images"].structured_outputs["probabilities"].dtype == tf.float32


# What it holds.


@pytest.mark.optimized_graphs
def test_graph_is_in_inference_mode_and_has_no_augmentation(tmp_path):
    model = trained_model_with_augmentation()
    version = serving.export(model, tmp_path)
    proto = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    functions = proto.meta_graphs[0].graph_def.library.function
    forward = [function for function in functions if "_traced_" not in function.signature.name]
    operations = {node.op for function in forward for node in function.node_def}
    assert "Conv2D" in operations and "DecodeJpeg" in operations
    forbidden = ("Random", "ImageProjectiveTransform", "Assign", "Moments", "Variance")
    assert not [name for name in operations if any(part in name for part in forbidden)]
    pictures = pixels(5).astype("float32")
    first, second = (served(version)["images"](tf.constant(pictures)) for _ in range(2))
    np.testing.assert_array_equal(first["probabilities"], second["probabilities"])
    # One picture alone: training mode would normalize by this batch.
    alone = served(version)["images"](tf.constant(pictures[:1]))["probabilities"]
    np.testing.assert_allclose(alone, first["probabilities"][:1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("largest", [None, 0], ids=["constants", "variables"])
def test_every_weight_is_written_once_and_no_optimizer(tmp_path, monkeypatch, largest):
    model = small_model(heads.SoftmaxHead(3, hidden_units=[20_000]))
    model.compile()
    model.optimizer.build(model.trainable_variables)
    if largest is not None:
        monkeypatch.setattr(inference_function, "_LARGEST", largest)
    version = serving.export(model, tmp_path)
    assert tf.saved_model.load(str(version)).signatures["images"]
    num_bytes = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
    weights = 4 * model.count_params()
    assert weights < num_bytes < 1.5 * weights


# What is left of it.


def test_versions_count_up_and_others_can_read_them(tmp_path):
    for name in ("3", "²", "notes", "007"):
        (tmp_path / name).mkdir()
    version = serving.export(small_model(), tmp_path)
    assert version == tmp_path / "8"
    assert version.stat().st_mode & 0o777 == 0o777 & ~_umask()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["007", "3", "8", "notes", "²"]


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_versions_written_at_the_same_time_get_numbers_of_their_own(tmp_path):
    asides = [tmp_path / f".writing-{index}" for index in range(16)]
    for aside in asides:
        aside.mkdir()
        (aside / "file").write_text(aside.name)
    threads = [
        threading.Thread(target=exporter._rename_to_next_version, args=(aside, tmp_path))
        for aside in asides
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {int(path.name) for path in tmp_path.iterdir()} == set(range(1, 17))
    texts = {(path / "file").read_text() for path in tmp_path.iterdir()}
    assert texts == {aside.name for aside in asides}


def test_a_rename_that_fails_for_good_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        exporter._rename_to_next_version(tmp_path / "missing", tmp_path)


def test_an_export_that_computes_something_else_leaves_nothing(tmp_path, monkeypatch):
    model = trained_model_with_augmentation()
    (tmp_path / "1").mkdir()

    other = small_model()
    monkeypatch.setattr(
        exporter,
        "constant_function",
        lambda model, shape: inference_function.constant_function(other, shape),
    )
    with pytest.raises(RuntimeError, match="does not compute the same as `predict`"):
        serving.export(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_model_that_diverged_is_not_exported(tmp_path):
    model = small_model()
    kernel = model.get_layer("head_output").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(RuntimeError, match="not finite"):
        serving.export(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows has no limits of file size")
    model = small_model(heads.SoftmaxHead(3, hidden_units=[5000]))  # 240 kB
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot write"):
            serving.export(model, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_kill_in_the_middle_leaves_no_version(tmp_path):
    script = """
import sys
from keras_transfer import serving
from tests.serving.models_to_export import small_model
serving.export(small_model(), sys.argv[1])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "served"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("served/.writing-*/*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = (tmp_path / "served").iterdir()
    assert left.name.startswith(".writing-")


def test_an_export_in_a_strategys_scope_says_where_to_call_it(tmp_path):
    model = small_model()
    with (
        tf.distribute.OneDeviceStrategy("CPU:0").scope(),
        pytest.raises(RuntimeError, match="after the `with` block"),
    ):
        serving.export(model, tmp_path)


# What it refuses.


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"class_names": ["a", "b"]}, "has 3 outputs"),
        ({"class_names": "abc"}, "has 3 outputs"),
        ({"class_names": {"a": 0, "b": 1, "c": 2}}, "has 3 outputs"),
        ({"image_size": 17}, "takes images of 16 x 16 pixels"),
        ({"image_size": (16, -1)}, "positive integer"),
        ({"examples": []}, "must be a list of paths"),
        ({"examples": "picture.png"}, "must be a list of paths"),
    ],
)
def test_arguments_that_do_not_fit_raise_before_anything_is_written(
    tmp_path, arguments, message
):
    with pytest.raises(ValueError, match=message):
        serving.export(small_model(), tmp_path / "served", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make_model, arguments, message",
    [
        (lambda: keras.Sequential([keras.Input((4,))]), {}, "must be a `TransferModel`"),
        (lambda: small_model(size=None), {}, "of a batch must be equal"),
        (lambda: small_model(channels=5), {"examples": ["a.png"]}, "not files of images alone"),
        (lambda: small_model(NamelessHead(2)), {"class_names": "ab"}, "takes no names"),
        (lambda: small_model(heads.DenseHead(2)), {"class_names": "abc"}, "has 2 outputs"),
        (
            lambda: small_model({"kind": heads.SoftmaxHead(3)}),
            {"class_names": {"knid": NAMES}},
            r"heads \['kind'\]",
        ),
        (
            lambda: small_model({"kind": heads.SoftmaxHead(3)}),
            {"class_names": NAMES},
            r"heads \['kind'\]",
        ),
        (
            lambda: small_model({"kind": heads.SoftmaxHead(3)}),
            {"class_names": {"kind": NAMES[:2]}},
            "'kind' has 3 outputs",
        ),
    ],
)
def test_models_that_do_not_fit_raise(tmp_path, make_model, arguments, message):
    with pytest.raises(ValueError, match=message):
        serving.export(make_model(), tmp_path, **arguments)


def test_an_example_that_cannot_be_read_is_named(tmp_path):
    picture = write_pngs(pixels(1), tmp_path / "pictures")[0]
    half = tmp_path / "half.png"
    half.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"half\.png"):
        serving.export(small_model(), tmp_path / "served", examples=[picture, half])
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        serving.export(small_model(), tmp_path / "served", examples=[tmp_path / "missing.png"])
