import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from keras_transfer.backbones import Backbone, Preprocessing
from tests.networks import residual_network

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def write(path, nodes, constants, shape=(2, 3, 8, 9), outputs=None):
    """An ONNX file; each node is its kind, inputs, output and attributes."""
    nodes = [
        helper.make_node(kind, ins, [out] if isinstance(out, str) else out, **rest)
        for kind, ins, out, rest in nodes
    ]
    tensor, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "network",
        [tensor("x", kind, shape)],
        [tensor(name, kind, None) for name in outputs or nodes[-1].output[:1]],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def expected(path, images, output=None):
    """What the runtime of ONNX computes, its channels last."""
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run([output] if output else None, {"x": images})[:1]
    return np.moveaxis(found, 1, -1) if found.ndim == 4 else found


def check(path, shape=(2, 3, 8, 9), **arguments):
    backbone = Backbone.from_onnx(path, **arguments)
    images = normal(*shape)
    found = backbone.predict(np.moveaxis(images, 1, -1), verbose=0)
    wanted = expected(path, images, arguments.get("output"))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    return backbone


PADS = [1, 1, 1, 1]
CASES = {
    "strided": [("Conv", ["x", "k"], "y", {"strides": [2, 2], "pads": [1, 1, 1, 1]})],
    "uneven": [("Conv", ["x", "k", "b"], "y", {"strides": [2, 1], "pads": [0, 1, 2, 1]})],
    "dilated": [("Conv", ["x", "k"], "y", {"dilations": [2, 2], "pads": [2, 2, 2, 2]})],
    "upper": [("Conv", ["x", "k"], "y", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})],
    "groups": [
        ("Conv", ["x", "k"], "6", {}),
        ("Conv", ["6", "grouped"], "y", {"group": 2}),
    ],
    "depthwise": [("Conv", ["x", "depthwise"], "y", {"group": 3, "strides": [2, 2]})],
    "two strides": [("Conv", ["x", "depthwise"], "y", {"group": 3, "strides": [2, 1]})],
    "transposed": [
        ("ConvTranspose", ["x", "up"], "y", {"strides": [2, 2], "pads": [1, 0, 1, 1]})
    ],
    "norm": [("BatchNormalization", ["x", "s", "s", "s", "s"], "y", {"epsilon": 0.1})],
    "slope": [("PRelu", ["x", "c"], "y", {})],
    "activations": [
        ("LeakyRelu", ["x"], "1", {"alpha": 0.2}),
        ("Sigmoid", ["1"], "2", {}),
        ("Mul", ["x", "2"], "3", {}),
        ("HardSwish", ["3"], "4", {}),
        ("HardSigmoid", ["x"], "5", {"alpha": 0.3, "beta": 0.4}),
        ("Clip", ["x", "", "six"], "6", {}),
        ("Tanh", ["6"], "7", {}),
        ("Elu", ["x"], "8", {"alpha": 0.5}),
        ("Softplus", ["8"], "9", {}),
        ("Concat", ["4", "5", "7", "9"], "y", {"axis": 1}),
    ],
    "clip": [("Clip", ["x", "zero", "six"], "1", {}), ("Relu", ["1"], "y", {})],
    "arithmetic": [
        ("Add", ["x", "c"], "1", {}),
        ("Sub", ["six", "1"], "2", {}),
        ("Div", ["2", "c"], "3", {}),
        ("Max", ["3", "x"], "4", {}),
        ("Min", ["4", "six"], "5", {}),
        ("Add", ["5", "x"], "y", {}),
    ],
    "squeeze and excite": [
        ("GlobalAveragePool", ["x"], "1", {}),
        ("Conv", ["1", "pixel"], "2", {}),
        ("Sigmoid", ["2"], "3", {}),
        ("Mul", ["3", "x"], "y", {}),
    ],
    "dense excitation": [
        ("ReduceMean", ["x"], "1", {"axes": [2, 3], "keepdims": 0}),
        ("Gemm", ["1", "square"], "2", {"transB": 1}),
        ("Reshape", ["2", "as image"], "3", {}),
        ("Mul", ["x", "3"], "y", {}),
    ],
    "max pools": [
        ("MaxPool", ["x"], "1", {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4}),
        ("MaxPool", ["1"], "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    ],
    "rounded up": [
        ("MaxPool", ["x"], "y", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})
    ],
    "average": [
        ("AveragePool", ["x"], "y", {"kernel_shape": [3, 3], "strides": [2, 1], "pads": PADS})
    ],
    "average of zeros too": [
        (
            "AveragePool",
            ["x"],
            "y",
            {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1},
        )
    ],
    "shuffle": [
        ("Split", ["x", "sizes"], ["1", "2"], {"axis": 1}),
        ("Slice", ["x", "one", "two", "one"], "3", {}),
        ("Concat", ["2", "1", "3"], "y", {"axis": -3}),
    ],
    "padded": [
        ("Pad", ["x", "pads", "six"], "1", {}),
        ("Pad", ["1", "pads"], "y", {"mode": "reflect"}),
    ],
    "nearest": [
        ("Resize", ["x", "", "scales"], "y", {"mode": "nearest", "nearest_mode": "floor",
         "coordinate_transformation_mode": "asymmetric"}),
    ],
    "linear": [("Resize", ["x", "", "scales"], "y", {"mode": "linear"})],
    "block of ConvNeXt": [
        ("Transpose", ["x"], "1", {"perm": [0, 2, 3, 1]}),
        ("LayerNormalization", ["1", "s", "s"], "2", {"axis": -1}),
        ("MatMul", ["2", "square"], "3", {}),
        ("Div", ["3", "root"], "4", {}),
        ("Erf", ["4"], "5", {}),
        ("Mul", ["3", "5"], "6", {}),
        ("Transpose", ["6"], "7", {"perm": [0, 3, 1, 2]}),
        ("Add", ["7", "x"], "y", {}),
    ],
    "global maximum": [("Relu", ["x"], "1", {}), ("GlobalMaxPool", ["1"], "2", {}),
                       ("Mul", ["2", "x"], "y", {})],
}  # fmt: skip
CONSTANTS = {
    "k": normal(4, 3, 3, 3),
    "b": normal(4),
    "grouped": normal(6, 2, 3, 3),
    "depthwise": normal(6, 1, 3, 3),
    "pixel": normal(3, 3, 1, 1),
    "square": normal(3, 3),
    "up": normal(3, 5, 3, 3),
    "s": RANDOM.uniform(0.5, 2, 3).astype("float32"),
    "c": normal(3, 1, 1),
    "root": np.float32(2**0.5),
    "zero": np.float32(0),
    "six": np.float32(6),
    "one": np.array([1]),
    "two": np.array([2]),
    "sizes": np.array([1, 2]),
    "pads": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "scales": np.array([1, 1, 2, 3], "float32"),
    "as image": np.array([-1, 3, 1, 1]),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_compute_what_the_runtime_of_onnx_computes(name, tmp_path):
    nodes = CASES[name]
    used = {one for node in nodes for one in node[1]}
    constants = {key: value for key, value in CONSTANTS.items() if key in used}
    check(write(tmp_path / "a.onnx", nodes, constants))


def classifier(path, last="Softmax"):
    nodes = [
        ("Conv", ["x", "k", "b"], "1", {"pads": [1, 1, 1, 1], "name": "/stem/Conv"}),
        ("Relu", ["1"], "features", {}),
        ("GlobalAveragePool", ["features"], "2", {}),
        ("Flatten", ["2"], "3", {}),
        ("MatMul", ["3", "matrix"], "4", {}),
        ("Add", ["4", "bias"], "logits", {}),
        (last, ["logits"], "5", {}),
    ]
    constants = {"k": normal(4, 3, 3, 3), "b": normal(4), "matrix": normal(4, 2)}
    return write(path, nodes, {**constants, "bias": normal(2)}, outputs=["5", "logits"])


@pytest.mark.parametrize("last", ["Softmax", "Sigmoid"])
def test_classifier_is_left_out_unless_it_is_named(last, tmp_path):
    path = classifier(tmp_path / "net.onnx", last)
    backbone = check(path, output="logits")
    assert backbone.output_shape == (None, 2)
    preprocessing = Preprocessing("torch")
    backbone = Backbone.from_onnx(path, preprocessing)
    assert backbone.output_shape == (None, 8, 9, 4)
    assert (backbone.application, backbone.source.origin) == ("net", "net.onnx")
    assert backbone.source.mean == (0.485, 0.456, 0.406)
    assert backbone.get_layer("stem_Conv").trainable_weights


def test_classifier_of_convolutions_after_the_pooling_is_left_out(tmp_path):
    nodes = [
        ("GlobalAveragePool", ["x"], "1", {}),
        ("Mul", ["x", "1"], "features", {}),
        ("GlobalAveragePool", ["features"], "2", {}),
        ("Conv", ["2", "pixel"], "3", {}),
        ("Sigmoid", ["3"], "4", {}),
        ("Mul", ["3", "4"], "5", {}),
        ("Conv", ["5", "pixel"], "6", {}),
        ("Flatten", ["6"], "y", {}),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"pixel": CONSTANTS["pixel"]})
    assert Backbone.from_onnx(path).output_shape == (None, 8, 9, 3)
    check(path, output="y")


def test_flattened_features_keep_the_order_of_onnx(tmp_path):
    nodes = [("Flatten", ["x"], "1", {}), ("Gemm", ["1", "m"], "y", {})]
    path = write(tmp_path / "a.onnx", nodes, {"m": normal(3 * 8 * 9, 4)})
    check(path, output="y")


def test_channels_last_files_of_tensorflow_need_no_transpose(tmp_path):
    nodes = [
        ("Transpose", ["x"], "1", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["1", "k"], "2", {}),
        ("Transpose", ["2"], "y", {"perm": [0, 2, 3, 1]}),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"k": normal(4, 3, 3, 3)}, (2, 8, 9, 3))
    backbone, images = Backbone.from_onnx(path), normal(2, 8, 9, 3)
    assert [type(one).__name__ for one in backbone.layers[2:]] == ["Conv2D"]
    (wanted,) = onnxruntime.InferenceSession(path).run(None, {"x": images})
    np.testing.assert_allclose(backbone(images), wanted, rtol=1e-4, atol=1e-5)


# Keras' exporter asks for names that NumPy will change.
@pytest.mark.filterwarnings("ignore:In the future:FutureWarning")
def test_network_that_keras_wrote_comes_back_equal(tmp_path):
    network = residual_network()
    network.predict(normal(1, 16, 16, 3), verbose=0)
    network.export(tmp_path / "a.onnx", format="onnx", verbose=False)
    backbone, images = Backbone.from_onnx(tmp_path / "a.onnx"), normal(2, 16, 16, 3)
    np.testing.assert_allclose(backbone(images), network(images), rtol=1e-4, atol=1e-5)
    assert len(backbone.stages) == 3


def test_wrong_file_is_an_error_of_one_line(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    lstm = write(tmp_path / "b.onnx", [("Sin", ["x"], "y", {"name": "wave"})], {})
    flat = write(tmp_path / "c.onnx", [("Relu", ["x"], "y", {})], {}, (2, 3))
    cases = [
        (tmp_path / "no.onnx", None, FileNotFoundError, "There is no ONNX file"),
        (tmp_path / "a.onnx", None, ValueError, "not a readable ONNX file"),
        (lstm, None, ValueError, r"operator Sin \('wave'\).* is not supported.*: Abs, Add"),
        (flat, None, ValueError, "one input of images"),
        (classifier(tmp_path / "d.onnx"), "z", ValueError, "computes no tensor 'z'"),
    ]
    for path, output, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            Backbone.from_onnx(path, output=output)
        assert "\n" not in str(caught.value)


def test_backbone_trains_and_reloads(tmp_path):
    backbone = Backbone.from_onnx(classifier(tmp_path / "net.onnx"))
    backbone.save(tmp_path / "b.keras")
    images = normal(2, 8, 9, 3)
    reloaded = keras.saving.load_model(tmp_path / "b.keras")
    np.testing.assert_array_equal(reloaded(images), backbone(images))
    assert reloaded.source == backbone.source
