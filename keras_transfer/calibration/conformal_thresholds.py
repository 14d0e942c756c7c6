"""Split conformal prediction, and a confidence threshold below which a model abstains."""

import dataclasses
import math

import numpy as np

from keras_transfer.calibration.predictions import check_predictions

# The share of the images that are answered grows in this many steps.
_STEPS = 20


@dataclasses.dataclass(frozen=True)
class ConformalThreshold:
    """Two thresholds on probabilities with a guarantee; `fit_conformal` returns it.

    The guarantees hold for images from the distribution that the thresholds were fitted on, and
    for all classes together, not for each class.

    Attributes:
        error_rate: the share of prediction sets that may miss the true class, and of answers
            that may be wrong.
        set_threshold: a class is in the prediction set if its probability is at least 1 minus
            this.
        answer_threshold: the model answers if the highest probability is above this; -inf
            answers every image, inf none.
        answered: the share of the images that the model answers.
        wrong: the share of these answers that are wrong; None without answers.
        confidence_level: the probability that the answers keep to `error_rate`.
        num_images: the number of images that the thresholds were fitted on.
    """

    error_rate: float
    set_threshold: float
    answer_threshold: float
    answered: float
    wrong: float | None
    confidence_level: float
    num_images: int

    def prediction_sets(self, probabilities: np.ndarray) -> np.ndarray:
        """The classes in each image's prediction set, a bool array `(images, classes)`.

        A set includes the true class with a probability of at least `1 - error_rate`. It may be
        empty.
        """
        return 1 - np.asarray(probabilities, "float64") <= self.set_threshold

    def is_answered(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether the model answers with the most probable class, a bool array `(images,)`."""
        return np.asarray(probabilities, "float64").max(axis=1) > self.answer_threshold

    @property
    def conclusion(self) -> str:
        """Two sentences: on the prediction sets, and on the answers."""
        least = max(0.0, 1 - self.set_threshold)
        sets = (
            f"The classes with a probability of at least {least:.1%} include the true class of "
            f"{1 - self.error_rate:.0%} of the examples."
        )
        if self.wrong is None:
            return (
                f"{sets} No confidence threshold shows an error rate of at most "
                f"{self.error_rate:.1%}: the {self.num_images} examples are too few, or too "
                "many of the most confident predictions are wrong."
            )
        above = ""
        if self.answer_threshold > 0:
            above = f" with a confidence above {self.answer_threshold:.1%}"
        return (
            f"{sets} At most {self.error_rate:.1%} of the predictions{above} "
            f"({self.answered:.0%} of the examples) are wrong, at a confidence level of "
            f"{self.confidence_level:.0%}."
        )

    def to_json(self):
        """The attributes and the conclusion; infinite thresholds are None."""
        finite = {
            key: None if isinstance(value, float) and math.isinf(value) else value
            for key, value in dataclasses.asdict(self).items()
        }
        return {**finite, "conclusion": self.conclusion}


def fit_conformal(
    probabilities: np.ndarray,
    labels: np.ndarray,
    error_rate: float = 0.05,
    confidence_level: float = 0.95,
) -> ConformalThreshold:
    """Thresholds for prediction sets and for answers with a given error rate.

    Prediction sets: with the `ceil((n + 1) (1 - error_rate))`-th smallest of `1 - p` of the
    true classes as threshold, a set includes the true class of a new image with a probability
    of at least `1 - error_rate`, for any model.

    Answers: the share of the images that are answered, most confident first, grows in steps of
    5% until a binomial test no longer shows an error rate of at most `error_rate`. Given how
    many images lie above a quantile of the confidence, they are independent draws, and the
    order of the tests is fixed, so each may use the whole level of `1 - confidence_level`. The
    threshold assumes that the accuracy rises with the confidence; see `plot_reliability`.

    Args:
        probabilities: an array `(images, classes)` of images that neither the model nor its
            temperature was fitted on.
        labels: the true classes, integers of shape `(images,)`.
        error_rate: above 0 and below 1. Defaults to 0.05.
        confidence_level: of the threshold for answers. Defaults to 0.95.

    Returns:
        A `ConformalThreshold`.

    Raises:
        ValueError: if the probabilities, the labels or the rates are not valid.

    Example:

    >>> threshold = calibration.fit_conformal(model.predict(images, verbose=0), labels, 0.2)
    >>> threshold.prediction_sets(model.predict(images, verbose=0)).shape
    (9, 3)

    Reference: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005;
    Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2021, section 1;
    Angelopoulos et al., Learn then Test, 2021, fixed sequence testing, for answers.
    """
    probabilities, labels = check_predictions(probabilities, labels)
    for name, value in {"error_rate": error_rate, "confidence_level": confidence_level}.items():
        if not 0 < value < 1:
            raise ValueError(f"`{name}` must lie between 0 and 1. Received: {name}={value!r}")
    of_truth = probabilities[np.arange(len(labels)), labels]
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    threshold = _answer_threshold(confidence, wrong, error_rate, 1 - confidence_level)
    is_answered = confidence > threshold
    return ConformalThreshold(
        error_rate=float(error_rate),
        set_threshold=_quantile(1 - of_truth, error_rate),
        answer_threshold=threshold,
        answered=float(is_answered.mean()),
        wrong=float(wrong[is_answered].mean()) if is_answered.any() else None,
        confidence_level=float(confidence_level),
        num_images=len(labels),
    )


def _quantile(scores, error_rate):
    # Where the product is a whole number, rounding must not make it the next one.
    rank = math.ceil((len(scores) + 1) * (1 - error_rate) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _answer_threshold(confidence, wrong, error_rate, level):
    from scipy.special import bdtr  # the binomial distribution; `scipy.stats` imports slowly

    size, falling = len(confidence), np.sort(confidence)[::-1]
    # With fewer, not even answers without an error show a rate this low.
    fewest = math.ceil(math.log(level) / math.log(1 - error_rate))
    passed = math.inf
    for rank in (size * step // _STEPS for step in range(1, _STEPS + 1)):
        threshold = float(falling[rank]) if rank < size else -math.inf
        is_above = confidence > threshold  # fewer than `rank` if confidences are equal
        if is_above.sum() < fewest:
            continue
        if bdtr(wrong[is_above].sum(), is_above.sum(), error_rate) > level:
            break
        passed = threshold
    return passed
