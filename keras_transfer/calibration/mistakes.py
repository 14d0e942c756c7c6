"""The pictures that a model is most wrong about."""

import dataclasses

import numpy as np

from keras_transfer.calibration.answers import check_answers


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A picture that is told wrongly.

    Attributes:
        index: its row.
        true_class: the number of its class.
        predicted_class: the number of the class that is predicted.
        true_probability: what the model gives the true class.
        predicted_probability: what it gives the predicted one.
        loss: the cross-entropy, `-log(true_probability)`.
    """

    index: int
    true_class: int
    predicted_class: int
    true_probability: float
    predicted_probability: float
    loss: float

    def to_json(self):
        """The figures as a dict."""
        return dataclasses.asdict(self)


def worst_mistakes(probabilities, labels, number=12):
    """The wrong predictions with the highest loss, the worst first.

    They are worth a look: a label may be wrong, a picture may show two things, or there may be
    nothing of its kind to train on.

    Args:
        probabilities: an array of shape `(pictures, classes)`.
        labels: the true classes, integers of shape `(pictures,)`.
        number: at most how many. Defaults to 12.

    Returns:
        A tuple of `Mistake`; fewer than `number` where there are fewer.

    Raises:
        ValueError: for probabilities or labels that are none, or a `number` below 1.
    """
    probabilities, labels = check_answers(probabilities, labels)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError(f"`number` must be a positive integer. Received: number={number!r}")
    predicted = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    # A probability of zero would have an infinite loss, which JSON has not.
    losses = -np.log(np.maximum(of_truth, np.finfo("float32").tiny))
    order = np.argsort(-losses, kind="stable")
    wrong = [int(index) for index in order if predicted[index] != labels[index]]
    return tuple(
        Mistake(
            index=index,
            true_class=int(labels[index]),
            predicted_class=int(predicted[index]),
            true_probability=float(of_truth[index]),
            predicted_probability=float(probabilities[index, predicted[index]]),
            loss=float(losses[index]),
        )
        for index in wrong[:number]
    )
