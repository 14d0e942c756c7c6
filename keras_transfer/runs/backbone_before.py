"""The backbone as it was before a training."""

import functools

from keras_transfer.backbones import graph
from keras_transfer.explanations.stage_changes import change_since, weights_of


class BackboneBefore:
    """The weights of a backbone; a network that has them is made only if something needs it.

    Args:
        backbone: the `Backbone`, before the training changes it.
    """

    def __init__(self, backbone):
        self._backbone = backbone
        self._weights = weights_of(backbone)

    @functools.cached_property
    def network(self):
        """A `Backbone` of its own with these weights."""
        copy = self._backbone.copy()
        for layer in copy.layers:
            graph.set_layer_weights(layer, self._weights[layer.name])
        return copy

    def change_to(self, backbone):
        """The relative change of the weights of each stage, see `weight_change`."""
        return change_since(self._weights, backbone)
