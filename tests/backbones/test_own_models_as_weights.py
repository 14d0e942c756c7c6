"""An earlier model of one's own, in any format, as the weights of a backbone."""

import functools

import h5py
import keras
import numpy as np
import pytest

from keras_transfer.backbones import Backbone, graph
from keras_transfer.backbones.weights import load_weights

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
ALPHA = {"MobileNetV2": 0.35, "MobileNet": 0.25}


@functools.cache
def network(name):
    """A network that no test changes."""
    model = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=ALPHA[name]
    )
    # Statistics other than those of a new network.
    random = np.random.default_rng(1)
    model.set_weights([random.uniform(0.01, 0.1, w.shape) for w in model.get_weights()])
    return model


def sequential(inner):
    return keras.Sequential(
        [inner, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )


def flat(inner):
    pooled = keras.layers.GlobalAveragePooling2D()(inner.output)
    return keras.Model(inner.input, keras.layers.Dense(3)(pooled))


def functional(inner):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Flatten()(inner(x, training=False))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def own_layers_before(inner):
    """A convolution of one's own, which shifts all numbers of layers."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(3, 1, name="own")(inputs)
    x = keras.layers.BatchNormalization(name="own_norm")(x)
    x, _ = graph.flat_copy(inner, x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def teachable_machine(inner):
    first = keras.Sequential([inner, keras.layers.GlobalAveragePooling2D()])
    second = keras.Sequential([keras.layers.Dense(10), keras.layers.Dense(3)])
    return keras.Sequential([keras.Input((32, 32, 3)), first, second])


MODELS = [sequential, flat, functional, own_layers_before, teachable_machine]


def backbone_of(name, path, alpha=None):
    return Backbone(name, (32, 32, 3), weights=path, alpha=alpha or ALPHA[name])


def check(backbone, inner):
    expected = inner(IMAGES / 127.5 - 1.0)
    np.testing.assert_allclose(backbone(IMAGES), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        *((make, ".keras") for make in MODELS),
        (own_layers_before, ".h5"),
        (functional, ".weights.h5"),
    ],
)
def test_a_model_with_the_network_in_it_gives_its_weights(tmp_path, make, suffix):
    inner = network("MobileNet")
    model, path = make(inner), tmp_path / f"own{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    check(backbone_of("MobileNet", path), inner)


def save_as_keras_2(groups, path):
    """A model file of Keras 2: a group for each outer layer, names such as 'Conv1/kernel:0'.

    Args:
        groups: a dict of the outer layer's name to a list of layers with weights.
        path: the file.
    """
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": "never read"}'
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in groups]
        for name, layers in groups.items():
            pairs = [(layer, w) for layer in layers for w in layer.trainable_weights]
            pairs += [(layer, w) for layer in layers for w in layer.non_trainable_weights]
            group, names = root.create_group(name), []
            for layer, weight in pairs:
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                own = "depthwise_kernel" if depthwise else weight.name
                names.append(f"{layer.name}/{own}:0")
                group[names[-1]] = keras.ops.convert_to_numpy(weight)
            group.attrs["weight_names"] = [one.encode() for one in names]


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNet"])
def test_a_model_of_keras_2_gives_its_weights(tmp_path, name, nested):
    inner, dense = network(name), keras.layers.Dense(3, name="dense_Dense1")
    dense.build((None, 4))
    layers = [layer for layer in inner.layers if layer.weights]
    groups = {"sequential_1": layers} if nested else {one.name: [one] for one in layers}
    save_as_keras_2({**groups, "sequential_3": [dense]}, tmp_path / "keras_model.h5")
    check(backbone_of(name, tmp_path / "keras_model.h5"), inner)


def test_layers_that_keras_numbered_are_found_in_their_order(tmp_path):
    def unnamed():
        inputs = keras.Input((8, 8, 3))
        x = inputs
        for filters in (4, 5, 4, 5):
            x = keras.layers.Conv2D(filters, 3, padding="same")(x)
        return keras.Model(inputs, x)

    saved = unnamed()
    save_as_keras_2({"model": saved.layers[1:]}, tmp_path / "numbered.h5")
    loaded = unnamed()  # with other numbers
    load_weights(loaded, tmp_path / "numbered.h5")
    for one, other in zip(loaded.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_model_with_another_network_in_it_tells_how_much_matched(tmp_path, suffix):
    sequential(network("MobileNet")).save(tmp_path / f"own{suffix}")
    with pytest.raises(ValueError, match=r"; \d+ of 135 tensors match") as raised:
        backbone_of("MobileNet", tmp_path / f"own{suffix}", alpha=0.5)
    assert "\n" not in str(raised.value)
