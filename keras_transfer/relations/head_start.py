"""A head that starts from related classes of the network's own classifier."""

import dataclasses
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.relations.hierarchies import Hierarchy

# A term above more than this share of the source classes says nothing about one of them.
_WIDEST = 0.1


@dataclasses.dataclass(frozen=True)
class HeadStart:
    """From which source classes each class of a head starts.

    Attributes:
        related: a dict from each class to the names of related source classes; an empty tuple
            if there is none.
    """

    related: dict[str, tuple[str, ...]]

    @property
    def conclusion(self) -> str:
        """How many classes have related ones, in a sentence."""
        lost = [name for name, found in self.related.items() if not found]
        number = f"{len(self.related) - len(lost)} of {len(self.related)} classes"
        rest = f"; nothing is related to {', '.join(lost)}" if lost else ""
        return f"{number} start from classes that the network knows{rest}."

    def rows(self) -> list[tuple[str, str]]:
        """The table of classes and what they start from, the header first."""
        lines = [(name, ", ".join(found) or "-") for name, found in self.related.items()]
        return [("class", "starts from"), *lines]

    def to_json(self) -> dict:
        """The related classes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def imagenet_ids() -> tuple[str, ...]:
    """The WordNet ids of the 1000 classes of ImageNet, in the order of Keras' classifiers.

    Example:
        >>> relations.imagenet_ids()[310]
        'n02219486'
    """
    path = pathlib.Path(__file__).with_name("imagenet_ids.txt")
    return tuple(path.read_text("ascii").split())


def start_head(
    model: TransferModel,
    source_classifier: keras.Model,
    hierarchy: Hierarchy,
    source_names: Sequence[str] | None = None,
) -> HeadStart:
    """Sets a new head to what the network's own classifier knows of related classes.

    For few labels, or none: each class gets the mean of the weights of those source classes
    that share its narrowest term. `fine_tune` then pulls the exact solution of the head to
    this start instead of zero.

    Args:
        model: a `TransferModel` with a `SoftmaxHead` without hidden layers. Its backbone is not
            trained yet, and its outputs are in the order of `hierarchy.class_names`.
        source_classifier: the same network with its classifier, for example
            `keras.applications.MobileNet(alpha=0.25)`.
        hierarchy: a `Hierarchy` in which the classes and the source classes stand; that of
            WordNet has all ImageNet classes.
        source_names: the name of each source class in the hierarchy, None where it is unknown.
            Defaults to None, `imagenet_ids()`.

    Returns:
        A `HeadStart`: the related classes of each class.

    Raises:
        ValueError: if the classifier is not that of the backbone, or the names do not fit.

    Example:
        >>> inputs = keras.Input((16, 16, 3), name="pixels")
        >>> x = keras.layers.Conv2D(4, 3)(inputs)
        >>> source = keras.layers.GlobalAveragePooling2D()(x)
        >>> source = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(source))
        >>> backbone = backbones.Backbone.from_model(keras.Model(inputs, x))
        >>> model = models.TransferModel(backbone, heads.SoftmaxHead(2))
        >>> kinds = {"ants": "ant", "ant": "insect", "bees": "insect", "wasp": "insect"}
        >>> hierarchy = relations.Hierarchy.from_edges(kinds, ["ants", "bees"])
        >>> start = relations.start_head(model, source, hierarchy, ["ant", "wasp", None])
        >>> start.related
        {'ants': ('ant',), 'bees': ('ant', 'wasp')}
    """
    dense = _output_of(model, len(hierarchy.class_names))
    kernel, bias = _classifier_of(source_classifier, model.backbone, dense)
    names = imagenet_ids() if source_names is None else source_names
    if len(names) != len(bias):
        raise ValueError(
            "`source_names` must have a name or None for each of the "
            f"{len(bias)} classes of the source classifier. Received: {len(names)} names"
        )
    groups = related_classes(hierarchy, names)
    # Without a relation, all source classes: no preference.
    columns = [group or range(len(bias)) for group in groups]
    start = (
        np.stack([kernel[:, list(group)].mean(axis=1) for group in columns], axis=1),
        np.stack([bias[list(group)].mean() for group in columns]),
    )
    dense.set_weights(start)
    model.head_start = start
    called = [tuple(hierarchy.word(names[place]) for place in group) for group in groups]
    return HeadStart(dict(zip(hierarchy.class_names, called, strict=True)))


def related_classes(hierarchy, names):
    """For each class the places of the source names below its narrowest term that has some."""
    below: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        for node in hierarchy.ancestors(name) if name is not None else ():
            below.setdefault(node, []).append(place)
    most = max(1.0, _WIDEST * len(names)) if len(names) > 1 / _WIDEST else len(names)
    found = []
    for name in hierarchy.class_names:
        groups = [below[node] for node in sorted(hierarchy.ancestors(name)) if node in below]
        narrowest = min(groups, key=len, default=[])
        found.append(narrowest if len(narrowest) <= most else [])
    return found


def _output_of(model, num_classes):
    """The last layer of a model whose head is one dense layer on averaged features."""
    head = getattr(model, "heads", None)
    is_plain = isinstance(head, SoftmaxHead) and not head.hidden_units and head.pooling == "avg"
    if not is_plain or head.num_classes != num_classes:
        raise ValueError(
            f"`start_head` needs a `TransferModel` with `SoftmaxHead({num_classes})`, without "
            f"hidden layers and with pooling='avg'. Received: {head!r:.80}"
        )
    return model.layers[-1]


def _classifier_of(source, backbone, dense):
    """Kernel and bias of the last layer of the classifier of a backbone."""
    *others, kernel, bias = [np.asarray(weight) for weight in source.weights] or [0, 0]
    own = [np.asarray(weight) for weight in backbone.weights]
    is_same = len(own) == len(others) and all(map(np.array_equal, own, others))
    width = dense.kernel.shape[0]
    if not is_same or np.size(kernel) != width * np.size(bias):
        raise ValueError(
            f"'{source.name}' is not the classifier of '{backbone.name}': all its weights but "
            "the last kernel and bias must equal those of the backbone, before that trains. "
            f"Received: {len(source.weights)} weights for the backbone's {len(own)} and 2"
        )
    return kernel.reshape(width, -1), bias
