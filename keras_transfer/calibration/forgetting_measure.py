"""How much of an earlier task a backbone forgot."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_transfer._statistics.intervals import difference_interval
from keras_transfer.backbones import Backbone, graph
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import pooled_features
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.image_batches import check_positive


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """The accuracy of a linear probe on an earlier task, before and after a training.

    Attributes:
        before: the accuracy on the features before.
        after: the accuracy on the features after.
        interval: `(low, high)`, the 95% confidence interval of `after - before`.
        num_images: the number of images of the earlier task.
        classifier_before: the accuracy of the earlier classifier, the head of the model before,
            on the features before; None if there is none for these labels.
        classifier_after: the same on the features after. A new probe hides what it lost.
    """

    before: float
    after: float
    interval: tuple[float, float]
    num_images: int
    classifier_before: float | None = None
    classifier_after: float | None = None

    @property
    def conclusion(self) -> str:
        """One sentence: the accuracies, their difference, and whether it is significant."""
        low, high = self.interval
        found = "the difference is not significant"
        if high < 0:
            found = "the backbone forgot"
        elif low > 0:
            found = "the backbone improved"
        return (
            f"A linear probe on the earlier task has an accuracy of {self.before:.1%} before "
            f"and {self.after:.1%} after the training (n = {self.num_images}, 95% CI of the "
            f"difference {low:+.1%} to {high:+.1%}): {found}."
        ) + self._of_classifier()

    def _of_classifier(self):
        if self.classifier_before is None:
            return ""
        return (
            f" The earlier classifier itself has {self.classifier_before:.1%} before and "
            f"{self.classifier_after:.1%} after."
        )

    def to_json(self):
        """The attributes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def forgetting(
    before: TransferModel | Backbone,
    after: TransferModel | Backbone,
    source_dataset: tf.data.Dataset,
    cache: FeatureCache | None = None,
    num_folds: int = 5,
    num_repeats: int = 3,
    seed: int = 0,
) -> Forgetting:
    """How much of an earlier task a backbone forgot in a training.

    New linear classifiers are fitted on the features before and after, on the same folds: what
    the features still hold. If `before` is a `TransferModel` with a head for these labels, that
    head is measured too: what a user of the earlier model loses, since its weights do not fit
    features that were only rotated. If the dataset keeps its order from pass to pass,
    predictions are compared image by image, which makes the interval shorter.

    Args:
        before: a `TransferModel` or a `Backbone` from before the training, such as a
            `backbone.copy()`.
        after: the same network after the training.
        source_dataset: a `tf.data.Dataset` of batches `(images, labels)` of the earlier task.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        num_folds: the number of folds of the cross-validation. Defaults to 5.
        num_repeats: the number of cross-validations, each with other folds. Defaults to 3.
        seed: of the folds. Defaults to 0.

    Returns:
        A `Forgetting`.

    Raises:
        ValueError: if the data have no labels, or `num_repeats` is not positive.

    Example:

    >>> before = model.backbone.copy()
    >>> calibration.forgetting(before, model, train, num_folds=2).num_images
    18

    With the model of the earlier task, its classifier is measured as well:

    >>> found = calibration.forgetting(model.copy(), model, train, num_folds=2)
    >>> found.classifier_before == found.classifier_after
    True

    Reference: McCloskey and Cohen, Catastrophic Interference in Connectionist Networks, 1989;
    Davari et al., Probing Representation Forgetting in Supervised and Unsupervised Continual
    Learning, CVPR 2022, for the linear probe.
    """
    check_positive("num_repeats", num_repeats)
    shares, labels = [], []
    for network in (before, after):
        backbone = getattr(network, "backbone", network)
        found = pooled_features(backbone, source_dataset, cache)
        if found.labels is None:
            raise ValueError(
                "`source_dataset` must have labels. "
                f"Received: elements with the structure {source_dataset.element_spec}"
            )
        hits = [
            found.cross_validate(num_folds=num_folds, seed=seed + repeat).correct
            for repeat in range(num_repeats)
        ]
        labels.append(found.labels)
        shares.append(np.mean(hits, axis=0))
    earlier, later = shares
    classifier = _of_classifier(before, after, source_dataset, labels[0].max())
    return Forgetting(
        before=float(earlier.mean()),
        after=float(later.mean()),
        interval=difference_interval(later, earlier, np.array_equal(*labels), found.groups),
        num_images=len(later),
        **classifier,
    )


def _of_classifier(before, after, dataset, highest_label):
    """The accuracies of the head of the model before, or an empty dict."""
    head = getattr(before, "heads", None)
    if not isinstance(head, SoftmaxHead) or highest_label >= head.num_classes:
        return {}
    moved = before.copy()
    pairs = zip(moved.backbone.layers, getattr(after, "backbone", after).layers, strict=True)
    for layer, later in pairs:
        graph.set_layer_weights(layer, later.get_weights())
    names = ("classifier_before", "classifier_after")
    return dict(zip(names, (_accuracy(one, dataset) for one in (before, moved)), strict=True))


def _accuracy(model, dataset):
    hits = [
        model.predict_on_batch(images).argmax(axis=1) == np.asarray(labels)
        for images, labels, *_ in dataset
    ]
    return float(np.mean(np.concatenate(hits)))
