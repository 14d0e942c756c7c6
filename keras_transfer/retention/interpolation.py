"""Models between two ends of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_transfer._figures import BLUE, panel_figure, set_title
from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.features import FeatureCache
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import check_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def interpolate(before: TransferModel, after: TransferModel, share: float) -> TransferModel:
    """A model whose backbone is between those before and after a training.

    The backbone before knows the earlier task, the one after the new task; between them there
    is often a model that is good at both, and it costs nothing but its measurement.

    Args:
        before: a `TransferModel` from before the training, such as a `model.copy()`.
        after: the same network after it.
        share: from 0, the weights before, to 1, the weights after.

    Returns:
        A copy of `after`. Its head is between both if `before` has the same head with the same
        class names; otherwise it is that of `after`.

    Raises:
        ValueError: if the backbones differ, or `share` is out of its range.

    Example:

    >>> before = model.copy()
    >>> retention.interpolate(before, model, 0.5).output_shape
    (None, 3)

    Reference: Wortsman et al., Robust Fine-Tuning of Zero-Shot Models, CVPR 2022 (WiSE-FT).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` must be from 0 to 1. Received: share={share!r}")
    check_model(before)
    check_model(after)
    model = after.copy()
    pairs = [(model.backbone, before.backbone)]
    if before.heads == after.heads and before.class_names == after.class_names:
        pairs = [(model, before)]
    for network, other in pairs:
        shapes = [[tuple(weight.shape) for weight in one.weights] for one in (network, other)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "`before` and `after` must have the same backbone. Received: "
                f"'{before.backbone.name}' and '{after.backbone.name}'"
            )
        for weight, earlier in zip(network.weights, other.weights, strict=True):
            if share < 1:
                mixed = (1 - share) * earlier + share * weight
                weight.assign(earlier if share == 0 else mixed)
    return model


@dataclasses.dataclass(frozen=True)
class InterpolationCurve:
    """The accuracies on a new and on an earlier task along `interpolate`.

    Attributes:
        shares: the shares of the weights after the training.
        new: the accuracy on the new task at each of them.
        old: the accuracy of the earlier classifier on the earlier task.
        num_images: the numbers of images of the new and of the earlier task.
    """

    shares: tuple[float, ...]
    new: tuple[float, ...]
    old: tuple[float, ...]
    num_images: tuple[int, int]

    @property
    def best_share(self) -> float:
        """The share with the highest sum of both accuracies."""
        return self.shares[int(np.argmax(np.add(self.new, self.old)))]

    @property
    def conclusion(self) -> str:
        """One sentence: both accuracies at the ends and at the best share."""
        at = self.shares.index(self.best_share)
        return (
            f"The training changed the accuracy on the earlier task from {self.old[0]:.1%} to "
            f"{self.old[-1]:.1%} and reached {self.new[-1]:.1%} on the new one; with a share "
            f"of {self.best_share:g} of the new weights they are {self.old[at]:.1%} and "
            f"{self.new[at]:.1%} (n = {self.num_images[1]} and {self.num_images[0]})."
        )

    def rows(self) -> list[tuple]:
        """A table: a row for each share, with 95% confidence intervals."""
        found: list[tuple] = [("share", "new task", "earlier task")]
        for share, *accuracies in zip(self.shares, self.new, self.old, strict=True):
            cells = []
            for accuracy, number in zip(accuracies, self.num_images, strict=True):
                low, high = wilson_interval(round(accuracy * number), number)
                cells.append(f"{accuracy:.1%} ({100 * low:.1f} to {100 * high:.1f})")
            found.append((f"{share:g}", *cells))
        return found

    def to_json(self):
        """The attributes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def interpolation_curve(
    before: TransferModel,
    after: TransferModel,
    new_dataset: tf.data.Dataset,
    old_dataset: tf.data.Dataset,
    shares: Sequence[float] = _SHARES,
    cache: FeatureCache | None = None,
) -> InterpolationCurve:
    """The accuracies of models between two ends, on the new and on the earlier task.

    Args:
        before: the `TransferModel` of the earlier task, with its head.
        after: the `TransferModel` of the new task, trained from the same backbone.
        new_dataset: a `tf.data.Dataset` of batches `(images, labels)` of the new task.
        old_dataset: the same of the earlier task.
        shares: the shares to measure, increasing. Defaults to 0, 0.25, 0.5, 0.75 and 1.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.

    Returns:
        An `InterpolationCurve`.

    Example:

    >>> curve = retention.interpolation_curve(model.copy(), model, train, validation)
    >>> curve.num_images
    (18, 18)
    """
    check_model(before)
    check_model(after)
    cache = FeatureCache() if cache is None else cache
    sets = [_inputs(before, after, one, cache) for one in (new_dataset, old_dataset)]
    accuracies: list[list[float]] = [[], []]
    for share in shares:
        ends = (before, after, share), (after, before, 1 - share)
        for found, end, (inputs, labels) in zip(accuracies, ends, sets, strict=True):
            predicted = interpolate(*end).predict(inputs, verbose=0).argmax(axis=1)
            found.append(float(np.mean(predicted == labels)))
    new, old = map(tuple, accuracies)
    return InterpolationCurve(tuple(shares), new, old, (len(sets[0][1]), len(sets[1][1])))


def plot_interpolation(curve: InterpolationCurve) -> Figure:
    """Draws the accuracy on the new task over that on the earlier task, along the shares.

    Args:
        curve: an `InterpolationCurve`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:

    >>> curve = retention.interpolation_curve(model.copy(), model, train, validation)
    >>> figure = retention.plot_interpolation(curve)
    """
    return panel_figure(draw_interpolation, curve.to_json())


def draw_interpolation(panel, found):
    """Draws what `InterpolationCurve.to_json` returned."""
    panel.plot(found["old"], found["new"], marker="o", color=BLUE)
    for share, old, new in zip(found["shares"], found["old"], found["new"], strict=True):
        panel.annotate(f"{share:g}", (old, new), textcoords="offset points", xytext=(5, 5))
    panel.set_xlabel("accuracy on the earlier task")
    panel.set_ylabel("accuracy on the new task")
    set_title(panel, "Share of the weights after the training")


def _inputs(before, after, dataset, cache):
    """The features that both models share, or the images, and the labels."""
    stem, policy = after.stem(), before.freeze_policy
    before.freeze_policy = after.freeze_policy
    earlier = before.stem()
    before.freeze_policy = policy
    pairs = zip(stem.weights, earlier.weights, strict=True)
    is_shared = all(np.array_equal(one, other) for one, other in pairs)
    labels = np.concatenate([np.asarray(element[1]) for element in dataset])
    if not is_shared:
        return dataset, labels
    found = cache.extract(after, dataset)
    return found.as_inputs(), found.arrays()[1]
