"""The head that no further step would improve."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.heads import SoftmaxHead

# Strengths of the penalty that are tried: the inverse of scikit-learn's C, for one picture.
_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_FOLDS = 5
_MOST_ITERATIONS = 500


def solve_head(model, features, class_weight=None):
    """Gives a softmax head on frozen features its exact solution: multinomial regression.

    L-BFGS finds the one minimum of the penalised cross-entropy, on features scaled to unit
    variance; the scale is then folded into the head. The strength of the penalty is the best
    of five by cross-validation on the training pictures. On a few hundred to a few thousand
    pictures it is as accurate as a trained head or more so, and needs no learning rate; from
    some ten thousand on, a trained head is faster.

    Args:
        model: a `TransferModel` of which only a `SoftmaxHead` without hidden layers is
            trained. Its dropout is not used.
        features: `CachedFeatures` of its stem, with integer labels.
        class_weight: dict from label to weight, or None.

    Returns:
        The strength of the penalty that was chosen.

    Raises:
        ValueError: if anything else than such a head is trained, or for other labels.

    Reference: Kornblith et al., Do Better ImageNet Models Transfer Better?, CVPR 2019,
    appendix A.3, for L-BFGS on frozen features.
    """
    dense = _only_dense(model)
    rows = [features.arrays(view) for view in range(features.views)]
    x = np.concatenate([row[0] for row in rows]).reshape(-1, dense.kernel.shape[0])
    labels = np.concatenate([row[1] for row in rows])
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "The exact solution needs integer labels, not mixed ones. "
            f"Received: labels of shape {labels.shape} and type {labels.dtype}"
        )
    mean, deviation = x.mean(0), x.std(0)
    deviation[deviation == 0] = 1.0  # a dead channel
    x = (x - mean) / deviation
    penalty, regression = _best_regression(x, labels, class_weight)
    kernel, bias = np.zeros(dense.kernel.shape), np.full(dense.bias.shape, -100.0)
    coefficients, intercepts = _one_row_a_class(regression)
    kernel[:, regression.classes_] = coefficients.T / deviation[:, None]
    # A class without a picture keeps a probability of zero.
    bias[regression.classes_] = intercepts - coefficients @ (mean / deviation)
    dense.set_weights([kernel, bias])
    return penalty


def can_solve(model, element_spec):
    """Whether `solve_head` takes a model, once its backbone is frozen, and such data.

    Args:
        model: a `TransferModel`.
        element_spec: of a dataset of batches `(images, labels)`.
    """
    head = model.heads
    if not isinstance(head, SoftmaxHead) or head.hidden_units or head.pooling == "gem":
        return False
    if not isinstance(element_spec, tuple) or len(element_spec) != 2:
        return False
    labels = element_spec[1]
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
            "The exact solution exists for a softmax head without hidden layers on a frozen "
            f"backbone. Received: a model that trains {[layer.name for layer in trained]}"
        )
    return trained[0]


def _best_regression(x, labels, class_weight):
    # Slow to import, and few need it.
    from sklearn import linear_model, model_selection

    _, counts = np.unique(labels, return_counts=True)
    folds = min(_FOLDS, counts.min())

    def regression(penalty):
        return linear_model.LogisticRegression(
            C=1 / (penalty * len(x)), max_iter=_MOST_ITERATIONS, class_weight=class_weight
        )

    if folds < 2:  # nothing to validate on: a strong penalty is the safe one
        return _PENALTIES[-1], regression(_PENALTIES[-1]).fit(x, labels)
    scores = [
        model_selection.cross_val_score(regression(penalty), x, labels, cv=folds).mean()
        for penalty in _PENALTIES
    ]
    # Of equals the strongest.
    best = max(zip(scores, _PENALTIES, strict=True))[1]
    return best, regression(best).fit(x, labels)


def _one_row_a_class(regression):
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) > 2:
        return coefficients, intercepts
    # For two classes scikit-learn gives one row, that of the second.
    return np.concatenate([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercepts / 2
