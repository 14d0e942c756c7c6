"""What can be said of a model on a target without labels."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._statistics.bootstrap import resampled, span
from keras_transfer.adaptation.importance import importance_weights
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models.checks import check_model
from keras_transfer.models.objective import without_labels

_TINY, _DRAWS = 1e-7, 1000
# Beneath this effective share of the images, a handful decides about the estimate.
_LEAST_SHARE = 0.1


def score(probabilities: np.ndarray, method: str = "information") -> float:
    """How well predictions separate unlabelled images into classes; higher is better.

    Use it to choose among models, phases, weights of objectives, and the model without
    adaptation, on the same images of the target. It cannot find an error that is both certain
    and diverse, such as two exchanged classes.

    Args:
        probabilities: an array `(images, classes)`, the predictions for the target.
        method: "information" (the default), the mutual information of image and class in nats,
            of at most `log(classes)`; or "nuclear", the nuclear norm divided by its maximum.

    Returns:
        A float.

    Raises:
        ValueError: if `probabilities` or `method` is something else.

    Example:

    >>> adaptation.score(np.array([[1.0, 0.0], [0.0, 1.0]]))  # log(2)
    0.6931...

    Reference: Musgrave et al., Unsupervised Domain Adaptation: A Reality Check, 2021, for the
    choice by information maximization; Cui et al., Towards Discriminability and Diversity,
    CVPR 2020, for the nuclear norm.
    """
    p = np.asarray(probabilities, "float64")
    if p.ndim != 2 or not len(p):
        raise ValueError(
            "`probabilities` must have the shape (images, classes). "
            f"Received: an array of shape {p.shape}"
        )
    if method == "nuclear":
        return float(np.linalg.norm(p, "nuc") / np.sqrt(min(p.shape) * len(p)))
    if method != "information":
        raise ValueError(
            f"`method` must be 'information' or 'nuclear'. Received: method={method!r}"
        )
    return float(_entropy(p.mean(axis=0)) - _entropy(p).mean())


def _entropy(p):
    return -np.sum(p * np.log(p + _TINY), axis=-1)


@dataclasses.dataclass(frozen=True)
class AccuracyEstimate:
    """The accuracy that a model is expected to have on a target without labels.

    Attributes:
        accuracy: the weighted accuracy on the labelled images.
        interval: its 95% bootstrap interval, which counts groups if the labelled images have
            some and are not shuffled. It holds if both domains differ only by how frequent
            images are.
        unweighted: the accuracy on the labelled images as they are.
        num_images: the number of labelled images.
        effective_number: the number of equally weighted images with the same precision.
    """

    accuracy: float
    interval: tuple[float, float]
    unweighted: float
    num_images: int
    effective_number: float

    @property
    def conclusion(self) -> str:
        """One sentence: the estimate, its interval, and how far it can be trusted."""
        low, high = self.interval
        caution = ""
        if self.effective_number < _LEAST_SHARE * self.num_images:
            caution = (
                " Few labelled images are like the target: label some images of the target, "
                "and measure."
            )
        return (
            f"Expected accuracy on the target: {self.accuracy:.1%} (95% CI {100 * low:.1f} to "
            f"{100 * high:.1f}; {self.unweighted:.1%} on the labelled images, n = "
            f"{self.num_images}, effectively {self.effective_number:.0f})." + caution
        )

    def to_json(self):
        """The attributes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def estimate_accuracy(
    model: keras.Model,
    labelled: tf.data.Dataset,
    target: tf.data.Dataset,
    method: str = "classifier",
    before: keras.Model | None = None,
) -> AccuracyEstimate:
    """What accuracy to expect on a target, from labelled images that no training used.

    Each labelled image is weighted by how frequent predictions like its own are in the target
    (`importance_weights` of the logits). The estimate is right if the model errs as often on
    such images in both domains. It is wrong if the target has images on which the model is
    certain and mistaken: label a few, and measure.

    Args:
        model: a `TransferModel` with one `SoftmaxHead`.
        labelled: a `tf.data.Dataset` of batches `(images, labels)` of the source.
        target: a `tf.data.Dataset` of batches of images; labels are dropped.
        method: as in `importance_weights`. Defaults to "classifier".
        before: for a model that was adapted to these images, one that was not: its predictions
            then describe the images. An adapted model is certain of them, right or wrong.
            Defaults to None: `model`.

    Returns:
        An `AccuracyEstimate`.

    Raises:
        ValueError: if the model has another head.

    Example:

    >>> found = adaptation.estimate_accuracy(model, train, validation.unlabelled)
    >>> found.num_images
    18

    Reference: Sugiyama et al., Covariate Shift Adaptation by Importance Weighted Cross
    Validation, JMLR 2007, on the logits.
    """
    check_model(model)
    if not isinstance(model.heads, SoftmaxHead):
        raise ValueError(
            "`estimate_accuracy` needs a model with one `SoftmaxHead`. "
            f"Received: {type(model.heads).__name__}"
        )
    found = [(model.predict_on_batch(images), labels) for images, labels, *_ in labelled]
    p = np.concatenate([one for one, _ in found])
    labels = np.concatenate([np.asarray(labels) for _, labels in found])
    labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
    describing, here = model, p
    if before is not None:
        describing = before
        here = np.concatenate([before.predict_on_batch(images) for images, *_ in labelled])
    there = np.concatenate([describing.predict_on_batch(one) for one in without_labels(target)])
    weights = importance_weights(descriptions(here), descriptions(there), method)
    hits = p.argmax(axis=1) == labels
    source = getattr(labelled, "source", None)
    groups = None if source is None or source.shuffle else source.groups
    counts = resampled(len(hits), _DRAWS, groups=groups) * weights
    accuracies = counts @ hits / np.maximum(counts.sum(axis=1), _TINY)
    return AccuracyEstimate(
        accuracy=float(accuracies[0]),
        interval=span(accuracies) or (0.0, 1.0),
        unweighted=float(hits.mean()),
        num_images=len(hits),
        effective_number=float(weights.sum() ** 2 / np.square(weights).sum()),
    )


def descriptions(p):
    """What is compared of predictions: their logarithms, and the two highest ones."""
    highest = np.sort(p, axis=1)[:, ::-1][:, :2]
    logs = [np.log(np.maximum(one, 1e-6)) for one in (p, highest)]
    return np.concatenate([*logs, highest], axis=1)
