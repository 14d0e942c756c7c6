"""The exact solution of a softmax head on frozen features."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._statistics.groups import unit_numbers
from keras_transfer._statistics.linear_models import (
    best_penalty,
    fit_regressions,
    standardized,
    stratified_folds,
)
from keras_transfer.features import CachedFeatures
from keras_transfer.heads import SoftmaxHead

# Strengths of the penalty that are tried.
_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_FOLDS = 5
# The same for the distance to a start. With one image of each class there is no fold to choose
# on: on ants and bees, and on clothing, this times the number of images kept most of the start.
_PULLS, _PULL_OF_ONE = (1e-3, 1e-2, 1e-1, 1.0, 10.0), 20.0


def solve_head(
    model: keras.Model, features: CachedFeatures, class_weight: dict | None = None
) -> float:
    """Solves a softmax head on frozen features exactly, by multinomial regression.

    The solution is the minimum of the penalised cross-entropy, to a tolerance, on features
    scaled to unit variance; the scale is then folded into the head. Cross-validation on the
    training images chooses the penalty. On a few hundred to a few thousand images the head is
    at least as accurate as a trained one, and needs no learning rate.

    After `relations.start_head`, the penalty is on the distance to that start.

    Args:
        model: a `TransferModel` whose only trainable part is a `SoftmaxHead` without hidden
            layers. Its dropout is not used.
        features: `CachedFeatures` of its stem, with integer labels and, if there are any,
            sample weights.
        class_weight: dict from label to weight, or None.

    Returns:
        The chosen strength of the penalty.

    Raises:
        ValueError: if another part is trainable, labels are not integers or have no output in
            the head, all images are of one class, all weights are zero, or features are not
            finite.

    Example:

    >>> cached = features.FeatureCache("cache").extract(model, train)
    >>> penalty = training.solve_head(model, cached)

    Reference: Kornblith et al., Do Better ImageNet Models Transfer Better?, CVPR 2019,
    appendix A.3, for multinomial regression on frozen features.
    """
    dense = _only_dense(model)
    rows = [features.arrays(view) for view in range(features.views)]
    x = np.concatenate([row[0] for row in rows]).reshape(-1, dense.kernel.shape[0])
    labels = np.concatenate([row[1] for row in rows])
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "The exact solution needs integer labels. "
            f"Received: labels of shape {labels.shape} and type {labels.dtype}"
        )
    if not np.isfinite(x).all():
        raise ValueError("The features must be finite. Received: NaN or infinity")
    classes, labels = np.unique(labels, return_inverse=True)
    if classes[0] < 0 or classes[-1] >= dense.units:
        raise ValueError(
            f"The labels lie between {classes[0]} and {classes[-1]}, and the head has "
            f"{dense.units} classes."
        )
    weights = np.array([(class_weight or {}).get(int(label), 1.0) for label in classes])[labels]
    if len(rows[0]) > 2:
        weights = weights * np.concatenate([row[2] for row in rows])
    if len(classes) < 2 or not weights.any():
        raise ValueError(
            "A head needs images of two classes, and a weight that is not zero. Received: "
            f"{len(classes)} classes and class_weight={class_weight!r}"
        )
    start = model.head_start and [part[..., classes] for part in model.head_start]
    solution, constant, penalty = head_solution(x, labels, weights, start, _groups(features))
    # A class without an image keeps its start, or a probability of zero.
    kernel, bias = np.zeros(dense.kernel.shape), np.full(dense.bias.shape, -100.0)
    if model.head_start is not None:
        kernel, bias = (part.copy() for part in model.head_start)
    kernel[:, classes], bias[classes] = solution, constant
    dense.set_weights([kernel, bias])
    return penalty


def head_solution(features, labels, weights=1.0, start=None, groups=None):
    """The kernel and the bias of a softmax on features, and the penalty that folds chose.

    Args:
        features: an array of shape `(images, features)`.
        labels: classes from 0 without gaps.
        weights: of the images.
        start: the kernel and the bias that the solution is pulled to instead of zero, or None.
        groups: as in `stratified_folds`.
    """
    rows, mean, deviation = standardized(features)
    folds = stratified_folds(labels, _FOLDS, groups=groups)
    if start is not None:
        kernel, bias = start
        start = kernel * deviation[:, None], bias + mean @ kernel
    if start is None or folds:
        penalties = _PENALTIES if start is None else _PULLS
        penalty = best_penalty(rows, labels, penalties, folds, weights, start)
    else:
        penalty = _PULL_OF_ONE / len(labels)
    weights = np.broadcast_to(weights, (1, len(labels)))
    (((kernel, bias),),) = fit_regressions(rows, labels, weights, [penalty], start)
    # The head takes the features as they are.
    kernel = kernel / deviation[:, None]
    return kernel, bias - mean @ kernel, penalty


def _groups(features):
    """The groups of all rows; the views of an image are in one."""
    groups = features.source.groups
    if features.views == 1:
        return groups
    return np.tile(unit_numbers(groups, features.num_images), features.views)


def can_solve(model, element_spec):
    """Whether `solve_head` can solve a model, once its backbone is frozen, on such data.

    Args:
        model: a `TransferModel`.
        element_spec: of a dataset of batches `(images, labels)`.
    """
    head = model.heads
    if type(head) is not SoftmaxHead or head.hidden_units or head.pooling in ("gem", "flatten"):
        return False
    if not isinstance(element_spec, tuple) or len(element_spec) != 2:
        return False
    inputs, labels = element_spec
    if not all(one.shape[1:].is_fully_defined() for one in tf.nest.flatten(inputs)):
        return False  # features are not cached
    return (
        isinstance(labels, tf.TensorSpec) and labels.shape.rank == 1 and labels.dtype.is_integer
    )


def _only_dense(model):
    trained = [layer for layer in model.layers if layer.trainable_variables]
    if (
        len(trained) != 1
        or not isinstance(trained[0], keras.layers.Dense)
        or trained[0].activation is not keras.activations.softmax
        or trained[0] not in model.layers[-1:]
    ):
        raise ValueError(
            "The exact solution needs a softmax head without hidden layers on a frozen "
            f"backbone. Received: a model that trains {[layer.name for layer in trained]}"
        )
    return trained[0]
