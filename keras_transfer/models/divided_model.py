"""The part of a model that no training changes, and the rest of it."""

import keras

from keras_transfer.backbones import graph
from keras_transfer.backbones.frozen_mode import is_random
from keras_transfer.models.attached_heads import stage_outputs
from keras_transfer.models.objective import SOURCE, is_joined


class DividedModel(keras.Model):
    """A model in two parts: the frozen one, and the rest, which takes its features."""

    @property
    def frozen_boundary(self):
        """The name of the last boundary before which no layer trains and none is random.

        It may be in the head, for example after a pooling without weights. If the first layer
        with weights trains, it is the preprocessing.
        """
        return next(iter(self.frozen_cut))

    @property
    def frozen_cut(self):
        """The tensors of the graph at `frozen_boundary`: a dict of name to tensor.

        The first is that of the boundary; the others, such as a padding mask, ride along.
        """
        operations = graph.forward_operations(self)
        active = next((i for i, op in enumerate(operations) if _is_active(op)), len(operations))
        inert = {operation.name for operation in operations[:active]}
        cuts = [cut for name, cut in self._cuts.items() if name in inert]
        return cuts[-1] if cuts else {tensor.name: tensor for tensor in self.inputs}

    @property
    def _cuts(self):
        """The cuts of the graph; at them, the stages that a head reads may ride along."""
        heads = self.heads.values() if isinstance(self.heads, dict) else [self.heads]
        stages = stage_outputs(self.backbone) if any(h.takes_stages for h in heads) else ()
        return graph.cuts(self, {id(tensor) for tensor in stages})

    def stem(self):
        """The frozen part: a model from images to the features at `frozen_boundary`.

        If the rest needs more than these features, a tuple of the tensors of `frozen_cut`.
        """
        return graph.split_at(self, self.frozen_cut)[0]

    def tail(self):
        """The rest: a model from the features of the stem to the outputs."""
        return graph.split_at(self, self.frozen_cut)[1]

    def __call__(self, inputs, *arguments, **keyword_arguments):
        if is_joined(inputs):  # Keras makes its variables with such a batch
            inputs = inputs[SOURCE]
        if isinstance(inputs, dict):
            names = [tensor.name for tensor in self.inputs]
            if not set(names) <= set(inputs):
                tail, inputs = self._tail_of(inputs)
                return tail(inputs, *arguments, **keyword_arguments)
            if len(names) == 1:
                inputs = inputs[names[0]]
        return super().__call__(inputs, *arguments, **keyword_arguments)

    def _tail_of(self, features):
        """The model after a boundary, and what it takes of a dict of features.

        The tail is cached, since each `fit` and `evaluate` needs it.
        """
        key = frozenset(features)
        if key not in self._parts.tails:
            cuts = self._cuts
            found = [name for name in cuts if name in features]
            cut = cuts[found[-1]] if found else graph.cut(self, next(iter(features)))
            self._parts.tails[key] = (*cut,), graph.split_at(self, cut)[1]
        names, tail = self._parts.tails[key]
        boundary, *others = names
        missing = [name for name in others if name not in features]
        if missing:
            raise ValueError(
                f"The rest of the network needs {missing} beside '{boundary}'. "
                f"Received: features of {sorted(features)}"
            )
        self._check_reached(tail, boundary)
        return tail, tuple(features[name] for name in names) if others else features[boundary]

    def _check_reached(self, tail, boundary):
        """Raises `ValueError` if features from a boundary cannot train what is trainable."""
        reached = {id(variable) for variable in tail.trainable_variables}
        lost = [v.path for v in self.trainable_variables if id(v) not in reached]
        if lost:
            raise ValueError(
                f"Features from '{boundary}' cannot train the weights before it, such as "
                f"'{lost[0]}', which are trainable. Train on images, or freeze up to "
                f"'{boundary}'."
            )


def _is_active(operation):
    if not isinstance(operation, keras.Layer):
        return False
    # Not `trainable_variables`: BatchNormalization with frozen statistics may train the rest.
    trains = any(variable.trainable for variable in operation.variables)
    return trains or is_random(operation)
