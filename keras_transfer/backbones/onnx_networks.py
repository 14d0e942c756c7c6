"""Convolutional networks from ONNX files."""

import os
import pathlib
import re

import keras
import numpy as np

from keras_transfer._text import reason_of
from keras_transfer.backbones.onnx_operators import SUPPORTED, convert
from keras_transfer.backbones.onnx_values import Images, Operator

# What follows the last features of a classifier.
_TOP = (
    "Cast", "Dropout", "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity",
    "LogSoftmax", "MatMul", "ReduceMean", "Reshape", "Softmax", "Squeeze", "Unsqueeze",
)  # fmt: skip
_COLORS = (1, 3, 4)


def read_onnx(path: str | os.PathLike, output: str | None = None) -> keras.Model:
    """The network of an ONNX file, with its channels last and weights that can train.

    The arguments are those of `Backbone.from_onnx`.
    """
    path = pathlib.Path(path).expanduser()
    graph = _load(path)
    constants = _constants(graph)
    producers = {name: node for node in graph.node for name in node.output}
    (given,) = _inputs(graph, constants, path)
    name = output or _features(graph, producers, constants)
    if name not in producers:
        raise ValueError(
            f"'{path}' computes no tensor '{name}'; its outputs are "
            f"{[one.name for one in graph.output]}. Received: output={output!r}"
        )
    inputs, tensor = _input_tensor(given)
    values = {**constants, given.name: tensor, "": None}
    names: set[str] = set()
    for node in _needed(graph, producers, name):
        _convert_node(node, values, constants, names, path)
    found = values[name]
    found = found.tensor if isinstance(found, Images) else found
    return keras.Model(inputs, found, name=_layer_name(path.stem) or "network")


def _load(path):
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            f"An ONNX file needs one more package: pip install 'keras-transfer[onnx]'. "
            f"Received: {error}"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"There is no ONNX file '{path}'. Received: {str(path)!r}")
    try:
        return onnx.load(path).graph
    except Exception as error:  # a protobuf of another kind, or weights in a missing file
        raise ValueError(f"'{path}' is not a readable ONNX file: {reason_of(error)}") from error


def _constants(graph):
    import onnx

    return {one.name: _floats(onnx.numpy_helper.to_array(one)) for one in graph.initializer}


def _floats(array):
    """An array, with float32 in the place of other floats."""
    return array.astype("float32") if array.dtype.kind == "f" else array


def _inputs(graph, constants, path):
    found = [one for one in graph.input if one.name not in constants]
    rank = [len(one.type.tensor_type.shape.dim) for one in found]
    if rank != [4]:
        named = [(one.name, size) for one, size in zip(found, rank, strict=True)]
        raise ValueError(
            "`from_onnx` takes a network with one input of images, four axes. "
            f"Received: '{path}' with the inputs and their axes {named}"
        )
    return found


def _input_tensor(given):
    """The input of Keras, and what it is in the graph.

    Files from TensorFlow have the channels last in their input and transpose it.
    """
    _, *sizes = [one.dim_value or None for one in given.type.tensor_type.shape.dim]
    if sizes[-1] in _COLORS and sizes[0] not in _COLORS:
        inputs = keras.Input(sizes, name="images")
        return inputs, inputs
    channels, height, width = sizes
    inputs = keras.Input((height, width, channels), name="images")
    return inputs, Images(inputs)


def _features(graph, producers, constants):
    """The tensor before the pooling and the classifier, or the output if there is none."""
    for node in graph.node:
        if _is_pooling(node, constants) and _is_on_every_path(
            node, graph, constants, producers
        ):
            return node.input[0]
    name = graph.output[0].name
    while name in producers:
        node = producers[name]
        before = [one for one in node.input if one not in constants]
        is_bias = node.op_type == "Add" and len(before) == 1
        is_bias = is_bias and getattr(producers.get(before[0]), "op_type", None) == "MatMul"
        if not (is_bias or node.op_type in _TOP) or not before or before[0] not in producers:
            break
        name = before[0]
    return name


def _is_pooling(node, constants):
    """Whether it leaves one number of each channel."""
    if node.op_type != "ReduceMean":
        return node.op_type in ("GlobalAveragePool", "GlobalMaxPool")
    given = _attributes(node).get("axes")
    axes = constants.get(node.input[1]) if len(node.input) > 1 else given
    return axes is not None and sorted(int(axis) % 4 for axis in axes) in ([2, 3], [1, 2])


def _is_on_every_path(node, graph, constants, producers):
    """Whether the output depends on the input only through a node.

    It does not in squeeze and excitation.
    """
    seen, waiting = set(), [graph.output[0].name]
    while waiting:
        name = waiting.pop()
        if name in seen or name in node.output:
            continue
        seen.add(name)
        if name in producers:
            waiting.extend(producers[name].input)
    return not any(given.name in seen for given in graph.input if given.name not in constants)


def _needed(graph, producers, name):
    """The nodes that a tensor depends on, in order."""
    wanted, waiting = set(), [name]
    while waiting:
        node = producers.get(waiting.pop())
        if node is not None and id(node) not in wanted:
            wanted.add(id(node))
            waiting.extend(node.input)
    kept = {name for name in producers if id(producers[name]) in wanted}
    return [node for node in graph.node if kept & set(node.output)]


def _convert_node(node, values, constants, names, path):
    inputs = [values[name] for name in node.input]
    try:
        if all(name in constants for name in node.input):
            found = _folded(node, inputs)
        else:
            name = _new_name(node, names)
            found = convert(Operator(node.op_type, name, _attributes(node), inputs))
    except Exception as error:  # of Keras, ONNX and NumPy at an unusual use of an operator
        raise ValueError(
            f"Cannot convert the operator {node.op_type} ('{node.name or node.output[0]}') of "
            f"'{path}': {reason_of(error)}. An `output` before it, or a network of these "
            f"operators, can be converted: {', '.join(SUPPORTED)}."
        ) from error
    results = found if isinstance(found, list) else [found]
    for name, value in zip(node.output, results, strict=False):
        values[name] = value
        if isinstance(value, np.ndarray):
            constants[name] = value


def _folded(node, arrays):
    """What a node of constants computes."""
    from onnx import helper, reference

    names = list(node.input)
    kind = helper.np_dtype_to_tensor_dtype
    inputs = [
        helper.make_tensor_value_info(name, kind(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "constants", inputs, outputs)
    evaluator = reference.ReferenceEvaluator(helper.make_model(graph))
    found = evaluator.run(None, dict(zip(names, arrays, strict=True)))
    return [_floats(np.asarray(one)) for one in found]


def _attributes(node):
    from onnx import helper

    found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}


def _new_name(node, names):
    """The name of the layer; None lets Keras number it."""
    name = _layer_name(node.name)
    if not name or name in names:
        return None
    names.add(name)
    return name


def _layer_name(name):
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_")
