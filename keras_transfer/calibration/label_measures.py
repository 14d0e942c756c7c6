"""Measures of several labels per image: mean average precision, AUC, F1."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer._statistics.bootstrap import resampled, span
from keras_transfer._statistics.ranking_measures import ranking_measures

# Candidates for the threshold; of equal ones the nearest to a half counts.
_THRESHOLDS = np.round(np.arange(0.02, 0.99, 0.01), 2)


@dataclasses.dataclass(frozen=True)
class LabelMeasures:
    """Measures of one label.

    Attributes:
        name: the name of the label.
        images: the number of images that have it.
        average_precision: the area under the precision-recall curve; None unless some images
            have the label and some do not.
        average_precision_interval: `(low, high)`, its 95% bootstrap interval, or None.
        auc: the area under the ROC curve, or None.
        precision: the share of the images above the threshold that have the label, or None.
        recall: the share of the images with the label that are above the threshold, or None.
        f1: the harmonic mean of precision and recall; 0 if no image is above the threshold,
            None if no image has the label.
    """

    name: str
    images: int
    average_precision: float | None
    average_precision_interval: tuple[float, float] | None
    auc: float | None
    precision: float | None
    recall: float | None
    f1: float | None


@dataclasses.dataclass(frozen=True)
class PerLabel:
    """Measures of several labels per image, each with its 95% bootstrap interval.

    Attributes:
        labels: a tuple of `LabelMeasures`.
        images: the number of images.
        threshold: the probability from which on a label is predicted.
        mean_average_precision: over the labels that have one; None without any.
        macro_auc: the mean of the areas under the ROC curves; None without any.
        macro_f1: the mean F1 of the labels at the threshold.
        micro_f1: the F1 of all decisions at the threshold.
        intervals: a dict from the names of the four measures to `(low, high)`.
        chance: the mean average precision of random probabilities: the mean share of images
            with a label.
        always: the micro F1 of always predicting the most frequent label; None if no image has
            a label.
    """

    labels: tuple[LabelMeasures, ...]
    images: int
    threshold: float
    mean_average_precision: float | None
    macro_auc: float | None
    macro_f1: float
    micro_f1: float
    intervals: dict
    chance: float
    always: float | None

    def rows(self):
        """A row for each label, the first one the header."""
        found = [("label", "images", "average precision", "AUC", "precision", "recall", "F1")]
        for one in self.labels:
            shares = (one.average_precision, one.auc, one.precision, one.recall, one.f1)
            texts = ("-" if share is None else f"{share:.1%}" for share in shares)
            found.append((one.name, str(one.images), *texts))
        return found

    def to_json(self):
        """The measures as a dict, and those of each label by its name."""
        values = dataclasses.asdict(self)
        values["intervals"] = {
            name: found and list(found) for name, found in self.intervals.items()
        }
        values["labels"] = {one.pop("name"): one for one in values["labels"]}
        return values


def per_label(
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    threshold: float = 0.5,
    num_draws: int = 500,
    seed: int = 0,
    groups: Sequence | np.ndarray | None = None,
) -> PerLabel:
    """Average precision, AUC, precision, recall and F1 of each label, and their means.

    Use it for a `SigmoidHead`. Average precision and AUC judge the order of the images, at all
    thresholds; precision, recall and F1 the decisions at one.

    Args:
        labels: 0 or 1 for each image and label, an array `(images, labels)`.
        probabilities: of the same shape.
        names: the names of the labels.
        threshold: from which on a label is predicted. Defaults to 0.5.
        num_draws: the number of bootstrap samples of the images. Defaults to 500.
        seed: of the samples. Defaults to 0.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `PerLabel`.

    Raises:
        ValueError: if the arrays do not fit.

    Example:

    >>> found = calibration.per_label([[1, 0], [0, 1]], [[0.9, 0.2], [0.4, 0.6]], ["a", "b"])
    >>> found.mean_average_precision, found.micro_f1
    (1.0, 1.0)

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3, for
    the intervals.
    """
    labels, probabilities = check_labels(labels, probabilities, names)
    weights = resampled(len(labels), num_draws, seed, groups)
    precisions, areas = zip(
        *(ranking_measures(p, y, weights) for p, y in zip(probabilities.T, labels.T,
        strict=True)), strict=True,
    )  # fmt: skip
    decided = probabilities >= threshold
    hits, named, present = (weights @ one for one in (decided & labels, decided, labels))
    f1 = _f1(hits, named, present)
    # Sums of shares may exceed 1 by rounding.
    precisions, areas = (np.clip(found, 0.0, 1.0) for found in (precisions, areas))
    samples = {
        "mean_average_precision": _mean(precisions.T),
        "macro_auc": _mean(areas.T),
        "macro_f1": _mean(f1),
        "micro_f1": _f1(*(one.sum(axis=1) for one in (hits, named, present))),
    }
    sizes = labels.sum(axis=0)
    always = np.zeros_like(labels)
    always[:, sizes.argmax()] = True
    return PerLabel(
        labels=tuple(
            LabelMeasures(
                name=str(name),
                images=int(sizes[i]),
                average_precision=_number(precisions[i][0], is_known),
                average_precision_interval=span(precisions[i]) if is_known else None,
                auc=_number(areas[i][0], is_known),
                precision=_number(hits[0, i] / max(named[0, i], 1), named[0, i]),
                recall=_number(hits[0, i] / max(sizes[i], 1), sizes[i]),
                f1=_number(f1[0, i], sizes[i]),
            )
            for i, name in enumerate(names)
            for is_known in [0 < sizes[i] < len(labels)]
        ),
        images=len(labels),
        threshold=float(threshold),
        **{name: _number(found[0], np.isfinite(found[0])) for name, found in samples.items()},
        intervals={name: span(found) for name, found in samples.items()},
        chance=float(labels.mean()),
        always=_number(_f1((always & labels).sum(), always.sum(), labels.sum()), labels.any()),
    )


def choose_threshold(labels, probabilities):
    """The threshold with the highest macro F1, between 0.02 and 0.98."""
    labels, probabilities = np.asarray(labels, bool), np.asarray(probabilities)
    scores = []
    for threshold in _THRESHOLDS:
        decided = probabilities >= threshold
        sums = (one.sum(axis=0) for one in (decided & labels, decided, labels))
        scores.append(float(_mean(_f1(*sums)[None])[0]))
    best = np.flatnonzero(np.isclose(scores, max(scores)))
    return float(_THRESHOLDS[min(best, key=lambda i: abs(_THRESHOLDS[i] - 0.5))])


def check_labels(labels, probabilities, names):
    """Valid labels, bool `(images, labels)`, and probabilities, float64 of the same shape."""
    labels, probabilities = np.asarray(labels, "float64"), np.asarray(probabilities, "float64")
    are_valid = (
        labels.ndim == 2
        and labels.shape == probabilities.shape
        and labels.shape[1] == len(names)
        and labels.size
        and np.isin(labels, (0, 1)).all()
        and ((probabilities >= 0) & (probabilities <= 1)).all()
    )
    if not are_valid:
        raise ValueError(
            "`labels` and `probabilities` must have the shape (images, labels), with 0 or 1 "
            f"and with numbers from 0 to 1, for {len(names)} labels. Received: labels of shape "
            f"{labels.shape}, probabilities of shape {probabilities.shape}"
        )
    return labels.astype(bool), probabilities


def _f1(hits, named, present):
    """F1 from the numbers of hits, of predictions and of labels; NaN without labels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(present > 0, 2 * hits / (named + present), np.nan)


def _mean(rows):
    """The mean of each row without NaN; NaN for a row without numbers."""
    known = np.isfinite(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known, rows, 0.0).sum(axis=1) / known.sum(axis=1)


def _number(value, is_known):
    return float(value) if is_known else None
