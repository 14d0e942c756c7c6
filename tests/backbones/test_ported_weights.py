import json

import keras
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from safetensors.numpy import save_file

from keras_transfer.backbones import Backbone, port_weights

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def batch_norm(channels):
    return {
        "weight": normal(channels),
        "bias": normal(channels),
        "running_mean": normal(channels),
        "running_var": RANDOM.uniform(0.5, 2, channels).astype("float32"),
        "num_batches_tracked": np.array(3),
    }


def state_dict(modules):
    return {f"{name}.{key}": v for name, found in modules.items() for key, v in found.items()}


def in_onnx(nodes, state, inputs):
    """The output of a graph in the layout of PyTorch, which that of ONNX is."""
    constants = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in state.items()]
    nodes = [helper.make_node(kind, ins, [out], **rest) for kind, ins, out, rest in nodes]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "network",
        [tensor("x", onnx.TensorProto.FLOAT, inputs.shape)],
        [tensor(nodes[-1].output[0], onnx.TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": inputs})[0]


def norm_inputs(before, name):
    keys = ("weight", "bias", "running_mean", "running_var")
    return [before, *(f"{name}.{key}" for key in keys)]


def convolutions():
    """A network with each kind of layer, its weights as in PyTorch, and its output."""
    modules = {
        "stem": {"weight": normal(4, 3, 3, 3), "bias": normal(4)},
        "norm": batch_norm(4),
        "grouped": {"weight": normal(8, 2, 3, 3)},
        "depthwise": {"weight": normal(16, 1, 3, 3), "bias": normal(16)},
        "separable.depthwise": {"weight": normal(16, 1, 3, 3)},
        "separable.pointwise": {"weight": normal(5, 16, 1, 1), "bias": normal(5)},
        "slope": {"weight": normal(5)},
        "up": {"weight": normal(5, 6, 2, 2), "bias": normal(6)},
        "classifier": {"weight": normal(7, 6 * 6 * 4), "bias": normal(7)},
    }
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        ("Conv", ["x", "stem.weight", "stem.bias"], "1", {"strides": [2, 2], **pads}),
        ("BatchNormalization", norm_inputs("1", "norm"), "2", {"epsilon": 1e-5}),
        ("Conv", ["2", "grouped.weight"], "3", {"group": 2, **pads}),
        ("Conv", ["3", "depthwise.weight", "depthwise.bias"], "4", {"group": 8, **pads}),
        ("Conv", ["4", "separable.depthwise.weight"], "5", {"group": 16, **pads}),
        ("Conv", ["5", "separable.pointwise.weight", "separable.pointwise.bias"], "6", {}),
        ("PRelu", ["6", "slopes"], "7", {}),
        ("ConvTranspose", ["7", "up.weight", "up.bias"], "8", {"strides": [2, 2]}),
        ("MaxPool", ["8"], "9", {"kernel_shape": [1, 2], "strides": [1, 2]}),
        ("Flatten", ["9"], "10", {}),
        ("Gemm", ["10", "classifier.weight", "classifier.bias"], "11", {"transB": 1}),
    ]
    inputs, state = normal(2, 3, 6, 7), state_dict(modules)
    slopes = {"slopes": state["slope.weight"].reshape(5, 1, 1)}
    return state, (inputs, in_onnx(nodes, {**state, **slopes}, inputs))


def network(padding="torch", epsilon=1e-5, named=True, filters=5):
    layers = keras.layers

    def name(text):
        return text if named else None

    inputs = x = keras.Input((6, 7, 3))
    if padding == "torch":
        x = layers.ZeroPadding2D(1)(x)
    padding = "valid" if padding == "torch" else "same"
    x = layers.Conv2D(4, 3, 2, padding=padding, name=name("stem"))(x)
    x = layers.BatchNormalization(epsilon=epsilon, name=name("norm"))(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2, use_bias=False, name=name("grouped"))(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name=name("depthwise"))(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", name=name("separable"))(x)
    x = layers.PReLU(shared_axes=[1, 2], name=name("slope"))(x)
    x = layers.Conv2DTranspose(6, 2, 2, name=name("up"))(x)
    x = layers.MaxPooling2D((1, 2))(x)
    x = layers.Dense(7, name=name("classifier"))(layers.Flatten()(x))
    return keras.Model(inputs, x, name="network")


@pytest.mark.parametrize("named", [True, False])
def test_network_with_ported_weights_computes_the_same(named):
    state, reference = convolutions()
    found = port_weights(network(named=named), state, reference=reference)
    assert found.error < 1e-5
    assert (found.missing, found.unused, found.notes) == ((), (), ())
    assert len(found.by_order) == (0 if named else 9)
    assert "The output differs from the reference by" in found.conclusion
    assert json.loads(json.dumps(found.to_json()))["conclusion"] == found.conclusion


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"padding": "same"}, "PyTorch's padding in 'stem'"),
        ({"epsilon": 1e-3}, "the epsilon 1e-05 in 'norm'"),
        ({"padding": "same", "epsilon": 1e-3}, "'valid'`\\) and the epsilon 1e-05 in 'norm'"),
    ],
)
def test_cause_of_another_output_is_found_and_nothing_changes(change, cause):
    state, reference = convolutions()
    other = network(**change)
    former = other.get_weights()
    with pytest.raises(ValueError, match=f"It is .*e-0. with .*{cause}"):
        port_weights(other, state, reference=reference)
    for weight, value in zip(other.get_weights(), former, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_order_of_the_colors_and_the_scale_are_found():
    state, (inputs, output) = convolutions()
    for changed, cause in ((inputs[:, ::-1], "order BGR"), (inputs / 255, "multiplied by 255")):
        with pytest.raises(ValueError, match=f"{cause}. The network has"):
            port_weights(network(), state, reference=(changed, output))


def test_without_a_reference_what_may_go_wrong_is_stated():
    state, _ = convolutions()
    notes = " ".join(port_weights(network("same", 1e-3), state).notes)
    for part in ("'stem' with `padding='same'`", "that of 'norm' is 0.001", "0.99", "[0, 1]"):
        assert part in notes
    # An odd size is padded equally on both sides.
    odd = keras.Sequential([keras.Input((7, 7, 3)), keras.layers.Conv2D(4, 3, 2, "same")])
    stem = {key: value for key, value in state.items() if "stem" in key}
    assert not any("padding" in note for note in port_weights(odd, stem).notes)


def test_other_layers_that_differ_are_stated_too():
    state = state_dict({"up": {"weight": normal(3, 4, 3, 3), "bias": normal(4)}})
    state |= state_dict({"norm": {"weight": normal(4), "bias": normal(4)}})
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2DTranspose(4, 3, 2, padding="same", name="up"),
            keras.layers.LayerNormalization(name="norm"),
        ]
    )
    notes = " ".join(port_weights(model, state).notes)
    assert "crops a transposed convolution" in notes and "'norm' is 0.001" in notes


def test_unused_tensors_of_both_sides_are_reported():
    state, _ = convolutions()
    state["aux.weight"] = normal(3, 3)
    found = port_weights(network(filters=4), state)
    assert set(found.unused) == {
        "aux.weight", "separable.pointwise.weight", "separable.pointwise.bias", "slope.weight",
        "up.weight", "up.bias",
    }  # fmt: skip
    assert "separable/pointwise_kernel" in found.missing and "slope/alpha" in found.missing
    assert "'aux.weight'" in found.conclusion and "'separable/bias'" in found.conclusion


def test_normalization_follows_its_convolution_where_several_have_one_shape():
    modules = {
        "conv": {"weight": normal(4, 3, 1, 1)},
        "bn": batch_norm(4),
        "downsample.0": {"weight": normal(4, 3, 3, 3)},
        "downsample.1": batch_norm(4),
    }
    inputs = keras.Input((5, 5, 3))
    short = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    short = keras.layers.BatchNormalization(epsilon=1e-5, name="short")(short)
    long = keras.layers.Conv2D(4, 1, use_bias=False)(inputs)
    long = keras.layers.BatchNormalization(epsilon=1e-5, name="long")(long)
    model = keras.Model(inputs, keras.layers.Add()([short, long]))
    found = port_weights(model, state_dict(modules))
    assert (found.modules["short"], found.modules["long"]) == ("downsample.1", "bn")


def test_names_choose_the_module():
    state = state_dict({"a": {"weight": normal(4, 4)}, "b": {"weight": normal(4, 4)}})
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, use_bias=False, name="fc")]
    )
    assert port_weights(model, state, names={"fc": "b"}).unused == ("a.weight",)
    np.testing.assert_array_equal(model.layers[0].kernel, state["b.weight"].T)
    with pytest.raises(ValueError, match="which is no module of the checkpoint"):
        port_weights(model, state, names={"fc": "c"})
    with pytest.raises(ValueError, match=r"no layer of the network .*Did you mean 'fc'"):
        port_weights(model, state, names={"fcc": "a"})
    with pytest.raises(ValueError, match="Module 'c' does not fit layer 'fc'"):
        port_weights(model, {**state, "c.weight": normal(3, 4)}, names={"fc": "c"})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_token_networks_compute_the_same():
    modules = {
        "words": {"weight": normal(9, 6)},
        "norm": {"weight": normal(6), "bias": normal(6)},
        "lstm": {
            f"{kind}_l0": normal(20, *rest)
            for kind, rest in {
                "weight_ih": (6,), "weight_hh": (5,), "bias_ih": (), "bias_hh": (),
            }.items()
        },
    }  # fmt: skip
    ids = np.array([[1, 8, 3]])
    x = modules["words"]["weight"][ids]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * modules["norm"]["weight"] + modules["norm"]["bias"]
    lstm = modules["lstm"]
    state = cell = np.zeros((1, 5))
    for position in range(3):
        gates = x[:, position] @ lstm["weight_ih_l0"].T + state @ lstm["weight_hh_l0"].T
        gates = gates + lstm["bias_ih_l0"] + lstm["bias_hh_l0"]
        first, forget, new, last = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(first) * np.tanh(new)
        state = sigmoid(last) * np.tanh(cell)
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(9, 6),
            keras.layers.LayerNormalization(epsilon=1e-5),
            keras.layers.LSTM(5),
        ]
    )
    found = port_weights(model, state_dict(modules), reference=(ids, state))
    assert found.error < 1e-5 and found.unused == ()


def test_safetensors_file_and_wrapped_state_dict(tmp_path):
    state, reference = convolutions()
    save_file({f"module.{name}": v for name, v in state.items()}, tmp_path / "a.safetensors")
    half = {name: v.astype(ml_dtypes.bfloat16) for name, v in state.items() if v.ndim}
    save_file(half, tmp_path / "half.safetensors")
    port_weights(model := network(), tmp_path / "half.safetensors")
    np.testing.assert_allclose(model.get_layer("up").bias, state["up.bias"], rtol=1e-2)
    for checkpoint in (tmp_path / "a.safetensors", {"epoch": 3, "state_dict": state}):
        assert port_weights(network(), checkpoint, reference=reference).unused == ()


def test_unusable_checkpoint_is_an_error_of_one_line(tmp_path, monkeypatch):
    state, reference = convolutions()
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    (tmp_path / "a.pth").write_bytes(b"nothing")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    cases = [
        (tmp_path / "no.pth", FileNotFoundError, "There is no checkpoint"),
        (tmp_path / "a.safetensors", ValueError, "not a readable checkpoint"),
        (tmp_path / "a.pth", ImportError, "pip install torch"),
        ({"epoch": 3}, ValueError, "tensors by name"),
        ({"a.weight": normal(2)}, ValueError, "No tensor of the checkpoint fits"),
        ({**state, "norm.bias": np.full(4, np.nan)}, ValueError, "NaN or infinity"),
    ]
    for checkpoint, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            port_weights(network(), checkpoint)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="subclassed"):
        port_weights(keras.Model(), state)
    with pytest.raises(ValueError, match="reference with an output of"):
        port_weights(network(), state, reference=(reference[0], reference[1][:, :3]))


def cifar_resnet():
    layers = keras.layers
    inputs = x = keras.Input((32, 32, 3))

    def convolution(x, filters, stride, name, number):
        if stride == 2:
            x = layers.ZeroPadding2D(1)(x)
        padding = "valid" if stride == 2 else "same"
        x = layers.Conv2D(
            filters, 3, stride, padding, use_bias=False, name=f"{name}conv{number}"
        )(x)
        return layers.BatchNormalization(epsilon=1e-5, name=f"{name}bn{number}")(x)

    x = layers.ReLU()(convolution(x, 16, 1, "", 1))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(3):
            stride, name = (2 if stage > 1 and block == 0 else 1), f"layer{stage}_{block}_"
            y = layers.ReLU()(convolution(x, filters, stride, name, 1))
            y = convolution(y, filters, 1, name, 2)
            if stride == 2:
                half = filters // 4
                x = keras.ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (half, half)))
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Dense(10, name="linear")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x, name="resnet20")


def test_resnet_of_a_torch_file_computes_the_same(real_data):
    torch = pytest.importorskip("torch", reason="PyTorch reads the file and is the reference")
    path = real_data / "zoo" / "resnet20-12fca82f.th"
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    state = {name.removeprefix("module."): value for name, value in state.items()}
    functional = torch.nn.functional

    def convolution(x, stride, name, number):
        x = functional.conv2d(x, state[f"{name}conv{number}.weight"], None, stride, 1)
        keys = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{name}bn{number}.{key}"] for key in keys))

    images = x = torch.tensor(normal(2, 3, 32, 32))
    x = functional.relu(convolution(x, 1, "", 1))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(3):
            stride, name = (2 if stage > 1 and block == 0 else 1), f"layer{stage}.{block}."
            y = convolution(functional.relu(convolution(x, stride, name, 1)), 1, name, 2)
            if stride == 2:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, filters // 4, filters // 4))
            x = functional.relu(x + y)
    expected = functional.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])
    model = cifar_resnet()
    found = port_weights(model, path, reference=(images, expected))
    assert found.error < 1e-5 and found.unused == found.missing == ()
    assert [stage.boundary for stage in Backbone.from_model(model).stages]


class Code:
    """What a pickle would run."""

    def __reduce__(self):
        return print, ("run",)


def test_torch_file_with_more_than_tensors_runs_no_code(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch writes and reads the file")
    torch.save({"a.weight": Code()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="tensors alone") as caught:
        port_weights(network(), tmp_path / "a.pt")
    assert "\n" not in str(caught.value) and capsys.readouterr().out == ""
