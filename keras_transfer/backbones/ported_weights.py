"""Weights of PyTorch in a network of Keras."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_transfer._text import counted, did_you_mean, some_of
from keras_transfer.backbones import graph, port_checks
from keras_transfer.backbones.checkpoints import modules_of, parts_of, read_checkpoint

_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class PortedWeights:
    """What `port_weights` did.

    Attributes:
        modules: the module of the checkpoint by the name of the layer that has its weights.
        by_order: the layers that were matched by order and shape, since no name fits.
        missing: the weights of the network that are not in the checkpoint; they stay.
        unused: the tensors of the checkpoint that the network has no place for.
        notes: how the network may compute something else than PyTorch with these weights.
        error: largest difference from the reference, as a fraction of its largest value;
            None without a reference.
    """

    modules: dict[str, str]
    by_order: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    error: float | None

    @property
    def conclusion(self) -> str:
        """What was matched, what was left, and how far the output is from the reference."""
        lines = [f"{counted(len(self.modules), 'layer has', 'layers have')} new weights"]
        if self.by_order:
            lines[0] += f", {len(self.by_order)} of them by order and shape alone"
        if self.missing:
            lines.append(f"Weights without a tensor: {_listed(self.missing)}")
        if self.unused:
            lines.append(f"Tensors without a place: {_listed(self.unused)}")
        if self.error is not None:
            lines.append(f"The output differs from the reference by {self.error:.1e} of it")
        return " ".join(f"{line}." for line in [*lines, *self.notes])

    def to_json(self) -> dict:
        """The attributes and the conclusion as JSON values."""
        found = dataclasses.asdict(self)
        found = {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}
        return {**found, "conclusion": self.conclusion}


def port_weights(
    network: keras.Model,
    checkpoint: str | os.PathLike | Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    reference: tuple | None = None,
) -> PortedWeights:
    """Gives a network of Keras the weights of the same network in PyTorch.

    Build the network in Keras, port its weights, then make it a backbone. A layer gets the
    module of its name (`layer1_0_conv1` is `layer1.0.conv1`); the others get the next module of
    their kind and shape, in the order of both. Kernels are transposed. Pass a reference: with
    all weights in place, another padding, epsilon or channel order still gives other outputs.

    Args:
        network: a functional or sequential `keras.Model`; its weights change.
        checkpoint: a `.safetensors` file, a `.pth`, `.th` or `.pt` file of tensors alone (needs
            PyTorch), or a dict of name to tensor or array.
        names: the module of the checkpoint for the layers whose names differ, by the name of
            the layer. Defaults to None.
        reference: an input of the network and PyTorch's output for it, as arrays; images may
            have their channels first. Defaults to None, no comparison.

    Returns:
        A `PortedWeights`; print its `conclusion`.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if the format needs a package that is not installed.
        ValueError: if the network has no graph, the file holds more than tensors, nothing
            fits, a name is wrong, or the output is not that of the reference. The network then
            has its former weights.

    Example:
        >>> network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="fc")])
        >>> state = {"fc.weight": np.ones((2, 4)), "fc.bias": np.zeros(2), "old.bias": [0.0]}
        >>> state = {name: np.asarray(tensor) for name, tensor in state.items()}
        >>> reference = np.ones((1, 4)), np.full((1, 2), 4.0)
        >>> found = backbones.port_weights(network, state, reference=reference)
        >>> found.unused, found.error
        (('old.bias',), 0.0)
    """
    graph.as_functional(network)  # or an error
    tensors = read_checkpoint(checkpoint)
    slots = [slot for layer in _leaves(network) for slot in _slots(layer)]
    matched = _match(slots, tensors, dict(names or {}))
    if not matched:
        raise ValueError(
            f"No tensor of the checkpoint fits a layer of '{network.name}'. Its modules are "
            f"{_listed(list(modules_of(tensors)))}. Received: checkpoint with "
            f"{len(tensors)} tensors"
        )
    former = network.get_weights()
    filled, used = _assign(matched, tensors)
    try:
        for layer in _leaves(network):
            port_checks.check_finite(layer)
        error = None if reference is None else port_checks.compare(network, *reference)
    except ValueError:
        network.set_weights(former)
        raise
    return PortedWeights(
        modules={slot.name: module for slot, (module, _) in matched.items()},
        by_order=tuple(slot.name for slot, (_, how) in matched.items() if how == "order"),
        missing=tuple(
            w.path for w in network.weights if id(w) not in filled | _random(network)
        ),
        unused=tuple(name for name in tensors if name not in used),
        notes=tuple(port_checks.notes(network)) if reference is None else (),
        error=error,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Slot:
    """A layer, or a part of it, that takes the weights of one module."""

    name: str
    layer: Any
    values: dict[str, Callable]

    def read(self, parameters, tensors):
        """The pairs of a weight and its value, and whether all tensors are used, or None."""
        read: set[str] = set()
        found = _Recorded({key: tensors[name] for key, name in parameters.items()}, read)
        pairs = []
        for weight in self.layer.weights:
            if weight.name not in self.values:
                continue
            try:
                value = self.values[weight.name](found)
            except (KeyError, ValueError, IndexError):
                return None
            if value.shape != tuple(weight.shape):
                return None
            pairs.append((weight, value))
        return pairs, {parameters[key] for key in read}


class _Recorded(dict):
    """The tensors of a module; it remembers which of them were read."""

    def __init__(self, tensors, read):
        super().__init__(tensors)
        self._read = read

    def __getitem__(self, key):
        self._read.add(key)
        return super().__getitem__(key)


def _leaves(network):
    """The layers that have weights of their own, in the order of the graph."""
    if isinstance(network, keras.Sequential) or hasattr(network, "_nodes_by_depth"):
        operations = graph.leaf_operations(network)
    else:
        operations = network._layers
    found = []
    for layer in operations:
        if not isinstance(layer, keras.Layer) or not layer.weights:
            continue
        nested = [] if parts_of(layer) else _leaves(layer)
        found.extend(nested or [layer])
    return list(dict.fromkeys(found))


def _slots(layer):
    parts = parts_of(layer)
    if len(parts) < 2:
        return [_Slot(layer.name, layer, part) for part in parts]
    return [
        _Slot(f"{layer.name}_{end}", layer, part)
        for end, part in zip(("depthwise", "pointwise"), parts, strict=True)
    ]


def _match(slots, tensors, names):
    """The module of each slot, and whether its name or its order found it."""
    modules = modules_of(tensors)
    _check_names(names, slots, modules)
    by_plain_name: dict[str, list[str]] = {}
    for module in modules:
        by_plain_name.setdefault(_plain(module), []).append(module)
    matched = {}

    def take(slot, module, how):
        matched[slot] = (module, how)

    for slot in slots:
        given = names.get(slot.name)
        alike = by_plain_name.get(_plain(slot.name), []) + by_plain_name.get(
            _plain(getattr(slot.layer, "path", slot.name)), []
        )
        if given is not None:
            if slot.read(modules[given], tensors) is None:
                raise ValueError(_no_fit(slot, given, modules, tensors))
            take(slot, given, "name")
        elif alike and slot.read(modules[alike[0]], tensors) is not None:
            take(slot, alike[0], "name")
    order = list(modules)
    for slot in slots:
        if slot not in matched:
            taken = {module for module, _ in matched.values()}
            after = _module_before(slot, matched)
            candidates = order[order.index(after) + 1 :][:1] if after else []
            for module in [*candidates, *order]:
                if module not in taken and _is_complete(slot, modules[module], tensors):
                    take(slot, module, "order")
                    break
    return matched


def _is_complete(slot, parameters, tensors):
    found = slot.read(parameters, tensors)
    return found is not None and len(found[1]) == len(parameters)


def _module_before(slot, matched):
    """The module of the layer right before a normalization: its own is the next one.

    Blocks with a shortcut have several normalizations of one shape.
    """
    if not slot.name or "Normalization" not in type(slot.layer).__name__:
        return None
    if len(slot.layer._inbound_nodes) != 1:
        return None
    before = slot.layer._inbound_nodes[0].input_tensors[0]._keras_history.operation
    found = [module for one, (module, _) in matched.items() if one.layer is before]
    return found[-1] if found else None


def _check_names(names, slots, modules):
    for layer, module in names.items():
        for name, known, what in (
            (layer, [slot.name for slot in slots], "layer of the network"),
            (module, list(modules), "module of the checkpoint"),
        ):
            if name not in known:
                raise ValueError(
                    f"`names` has {name!r}, which is no {what} with weights."
                    f"{did_you_mean(name, known)} Received: names[{layer!r}]={module!r}"
                )


def _no_fit(slot, module, modules, tensors):
    theirs = {key: tensors[name].shape for key, name in modules[module].items()}
    ours = {weight.name: tuple(weight.shape) for weight in slot.layer.weights}
    return (
        f"Module '{module}' does not fit layer '{slot.name}' "
        f"({type(slot.layer).__name__}): it has {theirs}, the layer {ours}. "
        f"Received: names[{slot.name!r}]={module!r}"
    )


def _assign(matched, tensors):
    """Sets the weights; returns the ids of those, and the names of what was read."""
    modules = modules_of(tensors)
    filled, used = set(), set()
    for slot, (module, _) in matched.items():
        pairs, read = slot.read(modules[module], tensors)
        for weight, value in pairs:
            weight.assign(np.ascontiguousarray(value))
            filled.add(id(weight))
        used |= read
    return filled, used


def _random(network):
    """The ids of the states of random generators, which no checkpoint has."""
    return {id(w) for w in network.weights if "seed_generator" in w.path}


def _plain(name):
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _listed(names):
    return some_of((f"'{name}'" for name in names), _SHOWN)
