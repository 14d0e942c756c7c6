import shutil
import zipfile

import h5py
import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_transfer.backbones.weights import load_weights
from tests.corpus.runs import NAMES, make_run, small_model
from tests.corpus.told import assert_told, contents, writing_only_in
from tests.corpus.told import run as run_command
from tests.corpus.values import few

KERNEL, LEGACY_KERNEL = "layers/conv2d/vars/0", "first/first/kernel"


def network(width=4, extra=None):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(width, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    if extra is not None:
        x = extra(x)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, name="last")(x), name="network")


def save_legacy(model, path):
    """The format of the files of `keras.applications`."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = keras.ops.convert_to_numpy(weight)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    model = network()
    model.save_weights(folder / "whole.weights.h5")
    model.save(folder / "whole.keras")
    save_legacy(model, folder / "whole.h5")
    return folder


def replaced(values):
    """Changes an array in a file of either HDF5 format."""

    def change(file):
        key = KERNEL if KERNEL in file else LEGACY_KERNEL
        array = values(file[key][()])
        del file[key]
        file[key] = array

    return change


def one(value):
    def change(array):
        array.flat[-1] = value
        return array

    return change


def of_type(dtype):
    return lambda array: array.astype(dtype)


# What is done to the first kernel, and what is said of it; None where it loads.
ARRAYS = {
    "one NaN": (one(np.nan), "NaN or infinity for layer 'first'"),
    "one infinity": (one(np.inf), "NaN or infinity for layer 'first'"),
    "too large for float32": (
        lambda array: np.full(array.shape, 1e300), "NaN or infinity for layer 'first'"
    ),
    "float64": (of_type("float64"), None),
    "float16": (of_type("float16"), None),
    "integers": (of_type("int32"), None),
    "flags": (of_type("bool"), None),
    "complex": (of_type("complex64"), "instead of real numbers"),
    "bytes": (lambda array: np.full(array.shape, b"ab"), "instead of real numbers"),
    "strings": (
        lambda array: np.full(array.shape, "x", h5py.string_dtype()), "instead of real numbers"
    ),
    "transposed": (lambda array: array.T, "layer 'first' expects"),
    "empty": (lambda array: array[:0], "layer 'first' expects"),
    "scalar": (lambda array: array.sum(), "layer 'first' expects"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("name", ["changed.h5", "changed.weights.h5"])
@pytest.mark.parametrize(("values", "told"), ARRAYS.values(), ids=ARRAYS)
def test_odd_array_is_told_or_converted(saved, tmp_path, name, values, told):
    path = tmp_path / name
    shutil.copy(saved / name.replace("changed", "whole"), path)
    with h5py.File(path, "r+") as file:
        replaced(values)(file)
    model = network()
    if told is None:
        load_weights(model, path)
        assert model.get_layer("first").kernel.dtype == "float32"
        return
    with pytest.raises(ValueError, match=told) as caught:
        load_weights(model, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def declare_terabytes(file):
    del file[LEGACY_KERNEL]
    file.create_dataset(LEGACY_KERNEL, (10**6, 10**6), "float32", chunks=(100, 100))


def link_elsewhere(file):
    del file[LEGACY_KERNEL]
    file[LEGACY_KERNEL] = h5py.ExternalLink("whole.weights.h5", KERNEL)


def lay_numbers_elsewhere(file):
    del file[LEGACY_KERNEL]
    outside = [("/etc/hostname", 0, 432)]
    file.create_dataset(LEGACY_KERNEL, (3, 3, 3, 4), "float32", external=outside)


def name_nothing(file):
    file.attrs["layer_names"] = [b"first", b"nowhere"]


def name_a_number(file):
    file.attrs["layer_names"] = 3


def weigh_a_number(file):
    file["first"].attrs["weight_names"] = 3


def weigh_a_group(file):
    file["first"].attrs["weight_names"] = [b"first"]


def forget_names(file):
    del file["first"].attrs["weight_names"]


LAYOUTS = [
    declare_terabytes, link_elsewhere, lay_numbers_elsewhere, name_nothing, name_a_number,
    weigh_a_number, weigh_a_group, forget_names,
]  # fmt: skip


@pytest.mark.parametrize("change", LAYOUTS)
def test_odd_layout_is_told(saved, tmp_path, change):
    for name in ("whole.h5", "whole.weights.h5"):
        shutil.copy(saved / name, tmp_path / name)
    path = tmp_path / "whole.h5"
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ValueError, match="not a readable weights file"):
        load_weights(network(), path)


def archive(path, members, **arguments):
    with zipfile.ZipFile(path, "w", **arguments) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def members_of(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


ESCAPES = ["../escaped", "../../escaped", "/escaped", "assets/../../escaped", "..\\escaped"]
WEIGHTS = "model.weights.h5"
# The members of an archive, and whether its weights can be loaded.
MEMBERS = {
    "paths that escape": (lambda whole: {**whole, **dict.fromkeys(ESCAPES, b"x")}, True),
    "no config": (lambda whole: {WEIGHTS: whole[WEIGHTS]}, True),
    "no weights": (lambda whole: {"config.json": whole["config.json"]}, False),
    "empty weights": (lambda whole: {**whole, WEIGHTS: b""}, False),
    "text for weights": (lambda whole: {**whole, WEIGHTS: b"text"}, False),
    "a bomb for weights": (lambda whole: {**whole, WEIGHTS: bytes(2**26)}, False),
    "nothing": (lambda whole: {}, False),
}


@pytest.mark.parametrize(("change", "loads"), MEMBERS.values(), ids=MEMBERS)
def test_odd_archive_is_told_and_nothing_is_unpacked(saved, tmp_path, change, loads):
    folder = tmp_path / "deep/inside"
    folder.mkdir(parents=True)
    members = change(members_of(saved / "whole.keras"))
    path = archive(folder / "odd.keras", members, compression=zipfile.ZIP_DEFLATED)
    before = contents(tmp_path)
    with writing_only_in(folder):
        if loads:
            load_weights(network(), path)
        else:
            with pytest.raises(ValueError, match="not a readable weights file"):
                load_weights(network(), path)
    assert contents(tmp_path) == before


def test_archive_with_a_lambda_gives_its_weights_and_runs_nothing(tmp_path):
    runs = []

    def note_and_pass_on(x):
        runs.append(x)
        return x * 1.0

    saved = network(extra=keras.layers.Lambda(note_and_pass_on))
    saved.save(tmp_path / "lambda.keras")
    runs.clear()
    loaded = network()
    load_weights(loaded, tmp_path / "lambda.keras")
    assert not runs
    for expected, weights in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


NAMES_OF_FILES = ["weights", "weights.H5", "weights.hdf5", "weights.npz", "weights.keras.zip"]


@pytest.mark.parametrize("name", NAMES_OF_FILES)
def test_other_names_are_told(saved, tmp_path, name):
    shutil.copy(saved / "whole.weights.h5", tmp_path / name)
    with pytest.raises(ValueError, match=r"end in '\.h5', '\.weights\.h5' or '\.keras'"):
        load_weights(network(), tmp_path / name)


def test_weights_of_keras_3_under_the_name_of_older_ones_are_told(saved, tmp_path):
    shutil.copy(saved / "whole.weights.h5", tmp_path / "whole.h5")
    with pytest.raises(ValueError, match="rename the file"):
        load_weights(network(), tmp_path / "whole.h5")


@pytest.mark.parametrize("name", ["whole.h5", "whole.weights.h5", "whole.keras"])
def test_truncated_file_is_told(saved, tmp_path, name):
    whole = (saved / name).read_bytes()
    for part in range(8):
        (tmp_path / name).write_bytes(whole[: len(whole) * part // 8])
        with pytest.raises(ValueError, match=r"not a readable|does not fit"):
            load_weights(network(), tmp_path / name)


@few(40)
@hypothesis.given(
    st.sampled_from(["whole.h5", "whole.weights.h5", "whole.keras"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1),
)
def test_flipped_bits_are_told_or_do_no_harm(saved, tmp_path, model, name, flips):
    whole = bytearray((saved / name).read_bytes())
    for place, bit in flips:
        whole[int(place * len(whole))] ^= 1 << bit
    (tmp_path / name).write_bytes(whole)
    try:
        load_weights(model, tmp_path / name)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.fixture(scope="module")
def model():
    return network()


def test_odd_weights_leave_no_run(saved, tmp_path):
    data = tmp_path / "data"
    for name in ("ants", "bees"):
        (data / name).mkdir(parents=True)
        for index in range(2):
            keras.utils.save_img(data / name / f"{index}.png", np.full((8, 8, 3), index * 9))
    shutil.copy(saved / "whole.keras", tmp_path)
    arguments = [
        "fit", data, "--output", tmp_path / "run", "--weights", tmp_path / "whole.keras",
        "--alpha", "0.35", "--image-size", "32",
    ]  # fmt: skip
    assert "does not fit mobilenetv2" in assert_told(arguments, tmp_path)


def model_with_lambda():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Lambda(lambda x: x * 1.0)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def model_of_keras():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def model_with_two_outputs():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, {"a": keras.layers.Dense(3)(x), "b": keras.layers.Dense(2)(x)})


def model_with_nan():
    model = small_model()
    weight = model.trainable_weights[-1]
    weight.assign(np.full(weight.shape, np.nan))
    return model


MODELS = {
    model_with_lambda: "Lambda",
    model_of_keras: "is not the model of a run",
    model_with_two_outputs: "is not the model of a run",
    model_with_nan: "NaN or infinity",
}


@pytest.mark.parametrize(("make", "told"), MODELS.items())
def test_model_of_a_run_that_is_none_is_told(tmp_path, make, told):
    run = make_run(tmp_path / "run", NAMES, make())
    keras.utils.save_img(tmp_path / "0.png", np.zeros((8, 8, 3)))
    for arguments in (["predict", run, tmp_path / "0.png"], ["export", run]):
        assert told in assert_told(arguments, tmp_path)


def test_model_whose_archive_escapes_writes_nothing_outside(tmp_path):
    run = make_run(tmp_path / "a/b/run")
    members = members_of(run / "model.keras")
    archive(run / "model.keras", {**members, **dict.fromkeys(ESCAPES, b"x")})
    keras.utils.save_img(tmp_path / "0.png", np.zeros((8, 8, 3)))
    before = contents(tmp_path)
    code, out, err = run_command(["predict", run, tmp_path / "0.png"], run)
    assert code == 0 and len(out.splitlines()) == 1
    assert err.count("Skipping invalid path") >= 1
    assert contents(tmp_path) == before


KINDS = {
    "odd arrays of weights, in two formats": [*ARRAYS, *ARRAYS],
    "odd layouts of weights files": LAYOUTS,
    "odd archives of weights": MEMBERS,
    "paths that escape": ESCAPES,
    "names of weights files": NAMES_OF_FILES,
    "truncated weights files": [None] * 24,
    "models that are of no run": MODELS,
}
