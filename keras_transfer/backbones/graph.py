"""The graph of a functional model: its nodes, where it can be cut in two, and its flat copy.

Keras has no public view of the nodes of a model: only this file reads `_nodes_by_depth`.
"""

import re
import tempfile

import keras
from keras import tree

from keras_transfer._text import did_you_mean


def forward_nodes(model):
    """The calls in the graph of `model`, inputs included, in topological order."""
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def forward_operations(model):
    """The operations of `model` (layers and bare operations, inputs excluded), in order."""
    nodes = [node for node in forward_nodes(model) if not node.is_input]
    return list(dict.fromkeys(node.operation for node in nodes))


def boundaries(model):
    """The tensors where the graph can be cut in two, by the name of their operation, in order.

    The rest of the graph needs, beside the tensor of a boundary, only tensors that have no
    weights before them, such as a padding mask or another input; see `cuts`. Bare operations
    (the additions of ConvNeXt and MobileNetV3) count like layers.
    """
    return {name: tensors[name] for name, tensors in cuts(model).items()}


def cuts(model, taps=()):
    """What `boundaries` returns, each with all tensors that the rest of the graph needs.

    Each cut is a dict of name to tensor. The first is that of the boundary, the others are
    those that ride along, in the order of the graph. `taps` are the ids of tensors that may
    ride along although they have weights before them. Operations on texts come first, so that
    what crosses a cut are numbers, which can be cached.
    """
    nodes = sorted(forward_nodes(model), key=_reads_texts)
    last_reader = {}
    for index, node in enumerate(nodes):
        for tensor in [] if node.is_input else node.input_tensors:
            last_reader[id(tensor)] = index
    for tensor in model.outputs:
        last_reader[id(tensor)] = len(nodes)

    found, learned = {}, set()
    live = {id(tensor): tensor for tensor in model.inputs}
    for index, node in enumerate(nodes):
        reads_learned = any(id(tensor) in learned for tensor in node.input_tensors)
        live.update({id(tensor): tensor for tensor in node.outputs})
        if reads_learned or is_learned(node.operation):
            learned.update(id(tensor) for tensor in node.outputs)
        live = {key: one for key, one in live.items() if last_reader.get(key, -1) > index}
        if node.is_input or len(node.outputs) != 1 or id(node.outputs[0]) not in live:
            continue
        (own,) = node.outputs
        beside = [one for one in live.values() if one is not own]
        if all(id(one) not in learned or id(one) in taps for one in beside):
            name = node.operation.name
            found[name] = {name: own, **{tensor_name(one): one for one in beside}}
    return found


def _reads_texts(node):
    """The place of a node among others: inputs, operations on texts, all others."""
    if node.is_input:
        return 0
    return 1 if all(tensor.dtype == "string" for tensor in node.input_tensors) else 2


def tensor_name(tensor):
    """The name of a tensor in a cut: that of its operation, numbered if that has several."""
    operation, node, index = tensor._keras_history
    several = len(operation._inbound_nodes[node].outputs) > 1
    return f"{operation.name}_{index}" if several else operation.name


def is_learned(operation):
    """Whether an operation has weights that are learned.

    The statistics of preprocessing, of `Normalization` for example, are not.
    """
    fixed = isinstance(operation, keras.layers.Normalization)
    fixed = fixed or getattr(operation, "holds_statistics", False)
    return isinstance(operation, keras.Layer) and not fixed and bool(operation.weights)


def split(model: keras.Model, at: str) -> tuple[keras.Model, keras.Model]:
    """Cuts a model in two at a boundary.

    Use it to run or to export a part of a network alone.

    Args:
        model: a functional or sequential `keras.Model`.
        at: the name of a boundary.

    Returns:
        `(stem, tail)`, two models that share their layers with `model`; `tail(stem(x))` equals
        `model(x)`. If the tail also needs other tensors, such as a padding mask, the stem
        returns a tuple that starts with the tensor of the boundary.

    Raises:
        ValueError: if `at` is not a boundary; the message names the nearest ones.

    Example:
        >>> stem, tail = backbones.split(backbone, backbone.boundaries[3])
        >>> stem.output_shape == tail.input_shape
        True
    """
    model = as_functional(model)
    return split_at(model, cut(model, at))


def split_at(model, tensors):
    """The two parts of a model at a cut, a dict of name to tensor."""
    (first, *others), name = tensors.values(), f"{model.name}_tail"
    between = (first, *others) if others else first
    stem = keras.Model(model.input, between, name=f"{model.name}_stem")
    if not others and any(first is output for output in model.outputs):
        nothing = keras.Input(batch_shape=first.shape, dtype=first.dtype)
        return stem, keras.Model(nothing, keras.layers.Identity()(nothing), name=name)
    return stem, keras.Model(between, model._outputs_struct, name=name)


def boundary_tensor(model, at):
    """The tensor of the boundary `at`, or an error that names the nearest boundaries."""
    return cut(model, at)[at]


def cut(model, at):
    """All tensors of the boundary `at`, or an error that names the nearest boundaries."""
    found = cuts(model)
    if at in found:
        return found[at]
    names = [operation.name for operation in forward_operations(model)]
    if at not in names:
        raise ValueError(
            f"'{model.name}' has no layer or operation of this name.{did_you_mean(at, names)} "
            f"Received: {at!r}"
        )
    here = names.index(at)
    before = next((name for name in reversed(names[:here]) if name in found), None)
    after = next((name for name in names[here:] if name in found), None)
    raise ValueError(
        f"Cannot cut at '{at}': another path, such as a residual connection, bypasses it. "
        f"Nearest boundaries: {before!r} "
        f"(earlier), {after!r} (later); `boundaries` lists them all. Received: {at!r}"
    )


def sequence_mask(model):
    """Which positions of the output `(batch, positions, features)` are no padding, or None.

    Keras keeps this tensor beside those that an `Embedding(mask_zero=True)` begins; the layers
    of KerasHub take it as the argument `padding_mask`.
    """
    output = model.outputs[0]
    if len(output.shape) != 3:
        return None
    mask = getattr(output, "_keras_mask", None)
    if mask is not None:
        return mask
    masks = (node.arguments.kwargs.get("padding_mask") for node in forward_nodes(model)[::-1])
    return next((mask for mask in masks if isinstance(mask, keras.KerasTensor)), None)


def name_mask(model):
    """Names the operation of the mask, which Keras numbers through the whole process."""
    operation = sequence_mask(model)._keras_history.operation
    if not isinstance(operation, keras.Layer) and _is_automatic(operation):
        operation.name = f"{model.outputs[0]._keras_history.operation.name}_mask"


def masked(model, tensors):
    """The same tensors, with the padding mask of the output where layers of Keras look for it.

    Tensors with other positions than those of the output get none.
    """
    mask, positions = sequence_mask(model), model.outputs[0].shape[:-1]
    for tensor in tensors:
        if mask is not None and tensor.shape[:-1] == positions:
            tensor._keras_mask = mask
    return tensors


def same_input(tensor):
    """A new input with the name, the shape and the dtype of another one."""
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def described_inputs(model):
    """The inputs of a model, for messages: `name (shape, dtype)`."""
    return ", ".join(f"{one.name} {tuple(one.shape)} {one.dtype}" for one in model.inputs)


def output_of(model, name):
    """The output tensor of the operation called `name`."""
    nodes = {node.operation.name: node for node in forward_nodes(model)}
    return nodes[name].outputs[0]


def replay(model, inputs, clone):
    """Calls copies of the operations of `model` on new inputs, those of nested models included.

    It drops a `training` flag in the call of a nested model (`base(x, training=False)`): the
    freeze policy decides the mode of a frozen layer. `clone` maps an operation to the one to
    call in its place.
    """
    model = as_functional(model)
    tensors = dict(zip(map(id, model.inputs), tree.flatten(inputs), strict=True))
    for node in forward_nodes(model):
        if node.is_input:
            continue
        args, kwargs = node.arguments.fill_in(tensors)
        if isinstance(node.operation, keras.Model):
            outputs = replay(node.operation, args[0], clone)
        else:
            kwargs.pop("training", None)
            outputs = clone(node.operation)(*args, **kwargs)
        tensors.update(zip(map(id, node.outputs), tree.flatten(outputs), strict=True))
    return tree.map_structure(lambda tensor: tensors[id(tensor)], model._outputs_struct)


def as_functional(model):
    """The functional model behind a functional or sequential model."""
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(
                f"The sequential model '{model.name}' has no input shape yet. Start it with "
                "`keras.Input(shape)` or call `model.build(shape)`."
            )
        return model._functional
    if not hasattr(model, "_nodes_by_depth"):
        raise ValueError(
            "Only functional and sequential models have a graph. "
            f"Received: '{model.name}' (of type {type(model).__name__}), a subclassed model. "
            "Build it with the functional API: `keras.Model(inputs, outputs)`."
        )
    return model


def leaf_operations(model):
    """The operations of `model`, with those of nested models in place of the models."""
    found = []
    for operation in forward_operations(as_functional(model)):
        nested = isinstance(operation, keras.Model)
        found.extend(leaf_operations(operation) if nested else [operation])
    return list(dict.fromkeys(found))


def stable_names(operations, taken=()):
    """Names of operations that do not depend on the models built before, by their id.

    Keras counts its automatic names through the whole process (`conv2d`, then `conv2d_94` in
    the second model). These get new numbers in the order of the graph; names that a user chose
    stay, unless two operations share one, or it is among the names `taken`.
    """
    chosen, automatic = {}, {}
    taken = set(taken)
    for operation in operations:
        if _is_automatic(operation):
            automatic[id(operation)] = snake_case(type(operation).__name__)
        else:
            chosen[id(operation)] = _unused(operation.name, taken)
            taken.add(chosen[id(operation)])
    for key, prefix in automatic.items():
        chosen[key] = _unused(prefix, taken)
        taken.add(chosen[key])
    return chosen


def _is_automatic(operation):
    prefix = re.escape(snake_case(type(operation).__name__))
    return bool(re.fullmatch(rf"{prefix}(_\d+)?", operation.name))


def _unused(name, taken):
    if name not in taken:
        return name
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def snake_case(name):
    """`Conv2D` to `conv2d`, as in the automatic names of Keras."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def flat_copy(model, inputs, change_config=None):
    """A flat copy of `model` on `inputs`, with stable names and the same weights.

    `change_config` maps a layer and its config to the config of the copy; if that changes the
    shape of a weight, the caller sets the weight. Returns the output tensor, and a dict from
    operation to copy.
    """
    originals = leaf_operations(model)
    names = stable_names(originals, _names_before(inputs))
    copies = {}

    def clone(operation):
        if operation not in copies:
            copies[operation] = _copy_operation(operation, names[id(operation)], change_config)
        return copies[operation]

    output = replay(model, inputs, clone)
    for original, copy in copies.items():
        if isinstance(original, keras.Layer) and _same_shapes(original, copy):
            copy_state(original, copy)
    return output, copies


def _names_before(tensors):
    """The names of the operations that lead to tensors, those of the inputs included."""
    names, waiting, seen = set(), tree.flatten(tensors), set()
    while waiting:
        operation, index, _ = waiting.pop()._keras_history
        node = operation._inbound_nodes[index]
        names.add(operation.name)
        if not node.is_input and id(node) not in seen:
            waiting.extend(node.input_tensors)
        seen.add(id(node))
    return names


def copy_state(original, copy):
    """Gives a layer the weights and the vocabularies of another one of the same config."""
    parts = zip(original._flatten_layers(), copy._flatten_layers(), strict=True)
    for part, twin in parts:
        if hasattr(part, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                part.save_assets(folder)
                twin.load_assets(folder)
    set_layer_weights(copy, original.get_weights())


def set_layer_weights(layer, values):
    """Sets the weights of a layer, and what `Normalization` computes from them."""
    layer.set_weights(values)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def _same_shapes(original, copy):
    return [w.shape for w in original.weights] == [w.shape for w in copy.weights]


def _copy_operation(operation, name, change_config):
    try:
        config = operation.get_config()
        if isinstance(operation, keras.Layer):
            config["name"] = name
            if change_config is not None:
                config = change_config(operation, config)
        copy = type(operation).from_config(config)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"Cannot copy '{operation.name}' (of type {type(operation).__name__}): {error} "
            "A backbone is a copy with another input and a flat graph, so its layers need "
            "`get_config`."
        ) from error
    copy.name = name
    return copy
