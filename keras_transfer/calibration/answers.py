"""What a model answers, beside what is true."""

import keras
import numpy as np
import tensorflow as tf

# Rows of float16 probabilities sum to 1 within this.
_SUM_TOLERANCE = 1e-2


def check_answers(probabilities, labels):
    """Probabilities and labels as arrays that belong together.

    Args:
        probabilities: array-like, `(pictures, classes)`.
        labels: array-like, integers of shape `(pictures,)`.

    Returns:
        A float64 array and an integer array.

    Raises:
        ValueError: for rows that are no probabilities, labels that are no classes, or nothing.
    """
    probabilities = np.asarray(probabilities, "float64")
    is_table = probabilities.ndim == 2 and probabilities.size > 0
    if not is_table or not _are_probabilities(probabilities):
        raise ValueError(
            "`probabilities` must have a row for each picture, at least one, with numbers from "
            "0 to 1 whose sum is 1, as a softmax gives them. "
            f"Received: probabilities of shape {probabilities.shape}"
        )
    labels, (size, num_classes) = np.asarray(labels), probabilities.shape
    is_number = labels.shape == (size,) and np.issubdtype(labels.dtype, np.integer)
    if not is_number or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"`labels` must be the number of a class for each of the {size} pictures, at least "
            f"0 and below {num_classes}. Received: labels of shape {labels.shape} and type "
            f"{labels.dtype}"
        )
    return probabilities, labels


def answers_of(model, dataset):
    """A model's probabilities for the pictures of a data set, and their labels, in one pass.

    Args:
        model: a `keras.Model`, or a function of a batch of pictures, that gives probabilities
            of classes.
        dataset: a `tf.data.Dataset` of batches `(images, labels)` in any order, with labels
            that are numbers of classes or one-hot, or such a pair of arrays.

    Returns:
        What `check_answers` does.

    Raises:
        ValueError: for data without labels, or what `check_answers` refuses.
    """
    if not isinstance(dataset, tf.data.Dataset):
        images, labels = dataset
        return check_answers(_only(model.predict(images, verbose=0)), _numbers(labels))
    predict = model.predict_on_batch if isinstance(model, keras.Model) else model
    probabilities, labels = [], []
    for element in dataset:
        images, truth, _ = keras.utils.unpack_x_y_sample_weight(element)
        if truth is None:
            raise ValueError(
                "The data must have labels. "
                f"Received: elements with the structure {dataset.element_spec}"
            )
        probabilities.append(np.asarray(_only(predict(images))))
        labels.append(_numbers(truth))
    if not labels:
        raise ValueError("The data set is empty.")
    return check_answers(np.concatenate(probabilities), np.concatenate(labels))


def _are_probabilities(rows):
    is_share = np.all((rows >= 0) & (rows <= 1 + _SUM_TOLERANCE))
    return bool(is_share) and np.allclose(rows.sum(axis=1), 1, atol=_SUM_TOLERANCE)


def _only(answers):
    """What a model with a dict of one head answers; of more, `ValueError`."""
    if not isinstance(answers, dict):
        return answers
    if len(answers) != 1:
        raise ValueError(
            "The answers must be of one head. Received: a dict of the heads "
            f"{sorted(answers)}; `keras.Model(model.input, model.output[name])` has one"
        )
    return next(iter(answers.values()))


def _numbers(labels):
    labels = np.asarray(_only(labels))
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    is_whole = np.issubdtype(labels.dtype, np.floating) and np.all(labels == np.round(labels))
    return labels.astype("int64") if is_whole else labels
