"""Many multinomial logistic regressions on the same features at once."""

import numpy as np

# Of the largest variance: what is less is mostly rounding.
_NOTHING = 1e-6
# Of a mean: what varies less is the same number, rounded.
_DEAD = 1e-6
_MOST_ITERATIONS, _TOLERANCE = 500, 5e-4
# Probabilities, in float32, of the regressions that are solved together: two arrays of them are
# held. A single regression may take more.
_MOST_AT_ONCE = 2 * 10**7


class FeatureBasis:
    """Features with mean 0 and variance 1, turned into directions that are not correlated.

    A quadratic penalty is the same in any directions, and in these the curvature of the
    cross-entropy has a bound that is diagonal.

    Args:
        features: an array of shape `(pictures, features)` of finite numbers.

    Attributes:
        rows: float32 of shape `(pictures, directions)`, with as many directions as the features
            have: at most the number of pictures.
        variances: float64 of shape `(directions,)`, the mean squares of the columns.
    """

    def __init__(self, features):
        features = np.asarray(features, "float32")
        # In float32 the mean of a constant is not that constant.
        mean, deviation = (
            moment(features, axis=0, dtype="float64") for moment in (np.mean, np.std)
        )
        is_dead = deviation <= _DEAD * np.abs(mean)
        deviation[is_dead] = 1.0
        self._mean, self._deviation = mean.astype("float32"), deviation.astype("float32")
        scaled = (features - self._mean) / self._deviation
        scaled[:, is_dead] = 0.0
        number, width = scaled.shape
        if width <= number:
            variances, turn = _eigen(scaled.T @ scaled / number)
            self.rows, self.variances = scaled @ turn, variances
            self._directions = turn
        else:
            variances, left = _eigen(scaled @ scaled.T / number)
            roots = np.sqrt(variances * number).astype("float32")
            self.rows, self.variances = left * roots, variances
            self._directions = scaled.T @ (left / roots)

    def kernel_and_bias(self, coefficients):
        """What a dense layer on the features themselves needs.

        Args:
            coefficients: those of one regression, of shape `(directions + 1, classes)`.

        Returns:
            `(kernel, bias)` of shapes `(features, classes)` and `(classes,)`.
        """
        kernel = self._directions @ coefficients[:-1] / self._deviation[:, None]
        return kernel, coefficients[-1] - self._mean @ kernel


def fit_regressions(basis, labels, weights, penalties):
    """The coefficients that minimise the penalised cross-entropy, for several regressions.

    Each minimises the weighted mean of the cross-entropy plus half its penalty times the sum of
    the squared coefficients, without that of the bias. All take their steps together, so that
    the features are read once for all of them. A step is the gradient over Boehning's bound of
    the curvature, with Nesterov's momentum that starts again where it leads upwards. They end
    when all are near their minima, or after 500 steps: a regression among others is the one
    alone up to that.

    Args:
        basis: a `FeatureBasis`.
        labels: integers of shape `(pictures,)`, from 0 without gaps.
        weights: an array of shape `(regressions, pictures)`: 0 leaves a picture out.
        penalties: a positive number for each regression.

    Returns:
        A float32 array of shape `(regressions, directions + 1, classes)`, the bias at the end.

    References: Boehning, Multinomial logistic regression algorithm, Annals of the Institute of
    Statistical Mathematics 44, 1992 (the bound); O'Donoghue and Candes, Adaptive restart for
    accelerated gradient schemes, Foundations of Computational Mathematics 15, 2015.
    """
    weights, penalties = np.asarray(weights, "float64"), np.asarray(penalties, "float64")
    num_classes = int(labels.max()) + 1
    inputs = np.column_stack([basis.rows, np.ones(len(labels), "float32")])
    variances = np.append(basis.variances, 1.0)
    at_once = max(1, _MOST_AT_ONCE // (len(labels) * num_classes))
    parts = [slice(start, start + at_once) for start in range(0, len(penalties), at_once)]
    return np.concatenate(
        [
            _fit(inputs, variances, labels, num_classes, weights[part], penalties[part])
            for part in parts
        ]
    )


def probabilities_of(basis, coefficients, chosen=slice(None)):
    """The probabilities of the classes.

    Args:
        basis: a `FeatureBasis`.
        coefficients: those of one regression.
        chosen: which pictures. Defaults to all.

    Returns:
        A float32 array of shape `(pictures, classes)`.
    """
    return _softmax(basis.rows[chosen] @ coefficients[:-1] + coefficients[-1])


def _fit(inputs, variances, labels, num_classes, weights, penalties):
    """As `fit_regressions`, where the last column of the inputs is 1 and is not penalised."""
    (number, width), shape = inputs.shape, (inputs.shape[1], len(penalties), num_classes)
    sums = weights.sum(1)
    shares = (weights / sums[:, None]).T.astype("float32")[:, :, None]
    penalty = np.repeat(penalties[None], width, axis=0)
    penalty[-1] = 0
    # No part of the pictures varies more than all would if each had the largest weight.
    largest = weights.max(1) * number / sums
    bound = 0.5 * np.outer(variances, largest) + penalty
    step, penalty = (part.astype("float32")[:, :, None] for part in (1 / bound, penalty))
    found = ahead = np.zeros(shape, "float32")
    momentum = np.ones(len(penalties))
    for _ in range(_MOST_ITERATIONS):
        scores = (inputs @ ahead.reshape(width, -1)).reshape(number, *shape[1:])
        errors = _softmax(scores)
        errors[np.arange(number), :, labels] -= 1
        errors *= shares
        gradient = (inputs.T @ errors.reshape(number, -1)).reshape(shape) + penalty * ahead
        move = gradient * step
        # The bound is as loose as the weights are uneven, and what is measured by it as small.
        decrease = largest * np.einsum("ijk,ijk->j", gradient, move)
        if decrease.max() < _TOLERANCE**2:
            break
        following = ahead - move
        is_upwards = np.einsum("ijk,ijk->j", gradient, following - found) > 0
        momentum = np.where(is_upwards, 1.0, momentum)
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        share = ((momentum - 1) / grown).astype("float32")[:, None]
        found, ahead, momentum = following, following + share * (following - found), grown
    return ahead.transpose(1, 0, 2)


def _eigen(matrix):
    """Eigenvalues that are not rounding, and their vectors in float32."""
    values, vectors = np.linalg.eigh(matrix.astype("float64"))
    kept = values > _NOTHING * values[-1]
    return values[kept], vectors[:, kept].astype("float32")


def _softmax(scores):
    """Probabilities, in the place of the scores."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores
