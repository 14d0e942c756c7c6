"""A head for a picture, or a text, with further inputs beside it."""

import json
from collections.abc import Sequence

import keras

from keras_transfer.backbones import graph
from keras_transfer.heads.head import Head
from keras_transfer.heads.pooling import pool

# The statistics of raw columns must settle within an epoch of a small data set.
_MOMENTUM = 0.8


@keras.saving.register_keras_serializable(package="keras_transfer")
class JoinedHead(Head):
    """A head that joins the features of the backbone with further inputs, such as a table row.

    Each part is normalized by its own statistics, and a dense layer brings it to the same
    number of units: thousands of features of an image would drown five columns. The inputs of
    the model are then a dict, by name.

    Args:
        inputs: the further inputs, each made with `keras.Input` and a name: numbers of shape
            `(batch, columns)`. Or the preprocessing of a table, such as
            `Backbone.from_table(splits.columns["train"], hidden_units=())`: each column is then
            an input, numbers or texts, and its statistics are part of the model.
        head: the head for the joined parts, such as `SoftmaxHead(3)`.
        units: number of units of each part. Defaults to 64.
        pooling: of the features, as in `DenseHead`. Defaults to "avg".

    Raises:
        ValueError: if `inputs` is empty, an input is not a row of numbers, a network has
            weights to learn, or `head` is not a head for the last features.

    Example:
        >>> row = keras.Input((5,), name="row")
        >>> model = models.TransferModel(
        ...     backbone, heads=heads.JoinedHead([row], heads.SoftmaxHead(3))
        ... )
        >>> both = {"images": images, "row": np.zeros((len(images), 5))}
        >>> model.predict(both, verbose=0).shape == (len(images), 3)
        True
    """

    def __init__(
        self,
        inputs: Sequence[keras.KerasTensor] | keras.Model,
        head: Head,
        units: int = 64,
        pooling: str = "avg",
    ):
        self.network = _as_preprocessing(inputs) if isinstance(inputs, keras.Model) else None
        rows = self.network.inputs if self.network else [_as_input(one) for one in inputs]
        self.inputs = [*rows]
        if not self.inputs:
            raise ValueError("`inputs` must hold an input. Received: inputs=[]")
        if not isinstance(head, Head) or head.takes_stages or head.inputs:
            raise ValueError(
                "`head` must be a head for features, such as `heads.SoftmaxHead(3)`. "
                f"Received: head={head!r}"
            )
        self.head, self.units, self.pooling = head, units, pooling

    def __call__(self, features, name="head", output_name=None):
        features, *rows = features
        names = ["features", *(one.name for one in self.inputs)]
        if self.network:
            rows, names = [graph.flat_copy(self.network, rows)[0]], ["features", "row"]
        parts = [pool(features, self.pooling, f"{name}_pooling"), *rows]
        joined = [
            self._part(part, f"{name}_{which}")
            for part, which in zip(parts, names, strict=True)
        ]
        joined = keras.layers.Concatenate(name=f"{name}_joined")(joined)
        return self.head(joined, name, output_name)

    def _part(self, part, name):
        normalize = keras.layers.BatchNormalization(
            momentum=_MOMENTUM, center=False, scale=False, name=f"{name}_normalization"
        )
        return keras.layers.Dense(self.units, activation="relu", name=name)(normalize(part))

    @property
    def loss_weight(self):
        """That of `head`."""
        return self.head.loss_weight

    def loss(self):
        """The loss of `head`."""
        return self.head.loss()

    def metrics(self):
        """The metrics of `head`."""
        return self.head.metrics()

    @property
    def task(self):
        """That of `head`."""
        return self.head.task

    @property
    def num_names(self):
        return self.head.num_names

    def named_outputs(self, output, class_names=None):
        """Those of `head`."""
        return self.head.named_outputs(output, class_names)

    def get_config(self):
        """The arguments of the head."""
        inputs = [
            {"name": one.name, "shape": list(one.shape[1:]), "dtype": one.dtype}
            for one in self.inputs
        ]
        if self.network:
            # As JSON gives it back: with lists in the place of tuples.
            inputs = json.loads(json.dumps(keras.saving.serialize_keras_object(self.network)))
        return {
            "inputs": inputs,
            "head": keras.saving.serialize_keras_object(self.head),
            "units": self.units,
            "pooling": self.pooling,
        }

    @classmethod
    def from_config(cls, config):
        head = keras.saving.deserialize_keras_object(config["head"])
        inputs = config["inputs"]
        if isinstance(inputs, dict):
            inputs = keras.saving.deserialize_keras_object(inputs)
        else:
            inputs = [keras.Input(**each) for each in inputs]
        return cls(**{**config, "inputs": inputs, "head": head})


def _as_preprocessing(network):
    learned = [one.name for one in network.layers if graph.is_learned(one)]
    if learned:
        raise ValueError(
            "A network of the row has no weights to learn: make it with "
            "`Backbone.from_table(columns, hidden_units=())`. "
            f"Received: a network that learns {learned}"
        )
    return network


def _as_input(given):
    is_row = isinstance(given, keras.KerasTensor) and len(given.shape) == 2
    if not is_row or given.shape[1] is None or given.dtype == "string":
        raise ValueError(
            "Each of `inputs` must be a row of numbers, such as "
            f"`keras.Input((5,), name='row')`. Received: {given!r}"
        )
    return given
