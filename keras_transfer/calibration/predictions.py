"""Predicted probabilities beside the true labels."""

import keras
import numpy as np
import tensorflow as tf

# Rows of float16 probabilities sum to 1 within this.
_SUM_TOLERANCE = 1e-2


def check_predictions(probabilities, labels):
    """Valid probabilities, float64 `(images, classes)`, and labels, integers `(images,)`."""
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or not _are_distributions(probabilities):
        raise ValueError(
            "`probabilities` must have a row for each image, at least one, with numbers from 0 "
            "to 1 whose sum is 1, such as the output of a softmax. "
            f"Received: probabilities of shape {probabilities.shape}"
        )
    size, num_classes = probabilities.shape
    is_number = labels.shape == (size,) and np.issubdtype(labels.dtype, np.integer)
    if not is_number or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"`labels` must be the number of a class for each of the {size} images, at least 0 "
            f"and below {num_classes}. Received: labels of shape {labels.shape} and type "
            f"{labels.dtype}"
            + (f", from {labels.min()} to {labels.max()}" if is_number else "")
        )
    return probabilities, labels


def outputs_of(model, data):
    """A model's outputs for the images of some data, and their labels, from one pass.

    The data are a `tf.data.Dataset` of batches `(images, labels)` in any order, or a pair of
    arrays. Labels are integers or one-hot.
    """
    if not isinstance(data, tf.data.Dataset):
        images, labels = data
        return _only(model.predict(images, verbose=0)), _numbers(labels)
    rows, numbers = [], []
    for element in data:
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(element)
        if labels is None:
            raise ValueError(
                "The data must have labels. "
                f"Received: elements with the structure {data.element_spec}"
            )
        rows.append(_only(model.predict_on_batch(images)))
        numbers.append(_numbers(labels))
    if not rows:
        raise ValueError("The data must have images. Received: an empty dataset")
    return np.concatenate(rows), np.concatenate(numbers)


def _are_distributions(rows):
    are_shares = rows.size and np.all((rows >= 0) & (rows <= 1 + _SUM_TOLERANCE))
    return are_shares and np.allclose(rows.sum(axis=1), 1, atol=_SUM_TOLERANCE)


def _only(values):
    """The values of the only head, if they are in a dict."""
    if isinstance(values, dict):
        (values,) = values.values()
    return values


def _numbers(labels):
    labels = np.asarray(_only(labels))
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    is_whole = np.issubdtype(labels.dtype, np.floating) and np.all(labels == np.round(labels))
    return labels.astype("int64") if is_whole else labels
