"""Checks of the parts of a model."""

import warnings

import keras

from keras_transfer.backbones import Backbone
from keras_transfer.freezing import FreezePolicy
from keras_transfer.heads import Head, SoftmaxHead


def as_backbone(backbone):
    """A `Backbone` from a name, a `Backbone` or a functional model."""
    if isinstance(backbone, Backbone):
        return backbone
    if isinstance(backbone, str):
        return Backbone(backbone)
    if isinstance(backbone, keras.Model):
        return Backbone.from_model(backbone)
    raise ValueError(
        "A network must be a name, a `Backbone` or a functional `keras.Model`. "
        f"Received: {backbone!r} (of type {type(backbone).__name__})"
    )


def check_model(model, otherwise=""):
    """Raises a `ValueError` unless a model is a `TransferModel`.

    Args:
        model: the model.
        otherwise: what to do with another one, the end of a sentence. Defaults to nothing else.
    """
    if not hasattr(model, "freeze_policy"):
        raise ValueError(
            "`model` must be a `TransferModel`; make one with "
            f"`models.TransferModel(backbone, heads)`{otherwise}. "
            f"Received: model of type {type(model).__name__}"
        )


def check_heads(heads):
    """Raises a `ValueError` unless `heads` is a head or a dict of heads."""
    several = heads.values() if isinstance(heads, dict) else [heads]
    if not several or not all(isinstance(head, Head) for head in several):
        raise ValueError(
            "`heads` must be a head, such as `heads.SoftmaxHead(10)`, or a dict of name to "
            f"head. Received: heads={heads!r}"
        )


def check_number_of_classes(heads, dataset):
    """Compares a `SoftmaxHead` with the number of `class_names` of a dataset.

    Raises a `ValueError` if it has fewer classes, and warns if it has more.
    """
    number = len(dataset.class_names)
    # A `LabeledDataset` without a source may have other labels than its files.
    is_known = getattr(dataset, "source", dataset) is not None
    task = None if isinstance(heads, dict) else heads.task
    if not is_known or not isinstance(task, SoftmaxHead) or task.num_classes == number:
        return
    message = (
        f"The images have {number} classes: use `SoftmaxHead({number})`. "
        f"Received: SoftmaxHead({task.num_classes})"
    )
    if task.num_classes < number:
        raise ValueError(message)
    warnings.warn(f"{message}, some of whose outputs have no images", stacklevel=4)


def warn_of_classifier(backbone):
    """Warns of a backbone that ends in the probabilities of its own classes."""
    last = backbone.outputs[0]._keras_history.operation
    is_softmax = getattr(last, "activation", None) is keras.activations.softmax
    if is_softmax or isinstance(last, keras.layers.Softmax):
        boundaries = [name for name in backbone.boundaries if name != last.name]
        names = f", for example {boundaries[-1]!r}" if boundaries else ""
        warnings.warn(
            f"The last layer of '{backbone.name}', '{last.name}', gives the probabilities of "
            "its own classes: a new head learns little from these. Cut it off: "
            f"`TransferModel(..., truncate_at=)` takes the name of a boundary{names}.",
            stacklevel=3,
        )


def check_policy(policy):
    """Raises a `ValueError` unless `policy` is a `FreezePolicy`."""
    if not isinstance(policy, FreezePolicy):
        raise ValueError(
            "`freeze_policy` must be a freeze policy, such as `freezing.UnfreezeLast(2)`. "
            f"Received: freeze_policy={policy!r} (of type {type(policy).__name__})"
        )


def check_multipliers(optimizer, variables):
    """Checks patterns against all variables: a frozen stage may train later."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    for candidate in (optimizer, inner):
        if hasattr(candidate, "multiplier_for"):
            candidate.check(variables)
            return
