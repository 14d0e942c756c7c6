"""Weights by the names of their layers, in files of Keras 2 and in older formats of Keras 3."""

import collections
import re

_NUMBER = re.compile(r"(.+?)(?:_(\d+))?")


def match(model, saved):
    """Finds the weights of a network in a model that has other layers too.

    Args:
        model: the network.
        saved: `[(layer name, {weight name: array})]` of the file. The name of a weight ends in
            the name of its own layer and of the variable: "Conv1/kernel:0".

    Returns:
        The pairs of a weight and the array of equal name and shape, and the number of weights.
        If the network is in several places, those of the place with most pairs.
    """
    wanted = [
        (layer.name, _variable_name(weight.name), weight)
        for layer in model.layers
        for weight in layer.weights
    ]
    best = []
    for table in _places(saved).values():
        for renamed in ({}, _by_rank(model, table)):
            pairs = [
                (weight, table.get((renamed.get(layer, layer), name)))
                for layer, name, weight in wanted
            ]
            pairs = [
                (weight, array)
                for weight, array in pairs
                if array is not None and array.shape == tuple(weight.shape)
            ]
            best = max(best, pairs, key=len)
    return best, len(wanted)


def _places(saved):
    """`{(layer, variable): array}` for each nested model, and for all other layers under ""."""
    places = collections.defaultdict(dict)
    for group, weights in saved:
        for path, array in weights.items():
            layer, name = [group, *path.split("/")][-2:]
            place = "" if layer == group else group
            places[place][layer, _variable_name(name.split(":")[0])] = array
    return places


def _variable_name(name):
    """The name of a variable: Keras 2 calls the kernel of a `DepthwiseConv2D` another name."""
    return "kernel" if name == "depthwise_kernel" else name


def _by_rank(model, table):
    """From our layers to theirs of the same rank among those with equal names but the number.

    Keras numbers the layers without a name of their own, and starts anew in each process.
    """
    ours = _numbered([layer.name for layer in model.layers if layer.weights])
    theirs = _numbered({layer for layer, _ in table})
    return {
        name: other
        for base, names in ours.items()
        for name, other in zip(names, theirs.get(base, []), strict=False)
    }


def _numbered(names):
    """The names by what they are without their number, in the order of the numbers."""
    found = collections.defaultdict(list)
    for name in names:
        base, number = _NUMBER.fullmatch(name).groups()
        found[base].append((int(number or 0), name))
    return {base: [name for _, name in sorted(pairs)] for base, pairs in found.items()}
