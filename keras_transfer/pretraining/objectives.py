"""Losses of two views of the same images."""

import keras
from keras import ops

_EPSILON = 1e-4


@keras.saving.register_keras_serializable(package="keras_transfer")
class VICReg(keras.losses.Loss):
    """Both views of an image get the same embedding, and embeddings keep their variance.

    It needs no other images to tell one from, so small batches work. The three weights are
    those of the paper.

    Args:
        invariance: weight of the squared difference of the two views. Defaults to 25.0.
        variance: weight of the deviations that are below 1. Defaults to 25.0.
        covariance: weight of the squared covariances. Defaults to 1.0.
        reduction: as for `keras.losses.Loss`.
        name: name of the loss.
        **kwargs: further arguments of `keras.losses.Loss`.

    Example:
        >>> embeddings = np.random.default_rng(0).normal(size=(64, 2, 8))
        >>> loss = pretraining.VICReg()
        >>> float(loss(None, embeddings)) > float(loss(None, embeddings[:, [0, 0]]))
        True

    Reference:
        Bardes et al., VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
        Learning, ICLR 2022, equation 6.
    """

    def __init__(
        self,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str = "vicreg",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.invariance, self.variance, self.covariance = invariance, variance, covariance

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Pairs have no labels.
        return self.call(y_true, ops.convert_to_tensor(y_pred, "float32"))

    def call(self, y_true, y_pred):
        first, second = y_pred[:, 0], y_pred[:, 1]
        spread = _hinge(first) + _hinge(second)
        together = _covariances(first) + _covariances(second)
        return (
            self.invariance * ops.mean(ops.square(first - second))
            + self.variance * spread / 2
            + self.covariance * together
        )

    def get_config(self):
        weights = ("invariance", "variance", "covariance")
        return {**super().get_config(), **{name: getattr(self, name) for name in weights}}


@keras.saving.register_keras_serializable(package="keras_transfer")
class SimCLR(keras.losses.Loss):
    """The two views of an image find each other among all views of the batch.

    Larger batches are better, since the other images are what it tells an image from.

    Args:
        temperature: of the softmax over cosine similarities. Defaults to 0.2.
        reduction: as for `keras.losses.Loss`.
        name: name of the loss.
        **kwargs: further arguments of `keras.losses.Loss`.

    Raises:
        ValueError: if `temperature` is not positive.

    Example:
        >>> same = np.repeat(np.eye(8)[:, None], 2, axis=1)
        >>> float(pretraining.SimCLR()(None, same)) < 0.1
        True

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML
        2020, equation 1.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        reduction: str = "sum_over_batch_size",
        name: str = "simclr",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if not temperature > 0:
            raise ValueError(
                f"`temperature` must be positive. Received: temperature={temperature!r}"
            )
        self.temperature = temperature

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Pairs have no labels.
        return self.call(y_true, ops.convert_to_tensor(y_pred, "float32"))

    def call(self, y_true, y_pred):
        size = ops.shape(y_pred)[0]
        rows = ops.normalize(ops.concatenate([y_pred[:, 0], y_pred[:, 1]]), axis=-1)
        logits = rows @ ops.transpose(rows) / self.temperature
        logits -= 1e9 * ops.eye(2 * size)  # a view does not find itself
        partners = ops.roll(ops.arange(2 * size), size)
        losses = keras.losses.sparse_categorical_crossentropy(
            partners, logits, from_logits=True
        )
        return ops.mean(losses)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


def _hinge(rows):
    deviations = ops.sqrt(ops.var(rows, axis=0) + _EPSILON)
    return ops.mean(ops.relu(1.0 - deviations))


def _covariances(rows):
    centered = rows - ops.mean(rows, axis=0)
    number = ops.cast(ops.shape(rows)[0] - 1, "float32")
    covariances = ops.transpose(centered) @ centered / ops.maximum(number, 1.0)
    width = rows.shape[-1]
    return ops.sum(ops.square(covariances * (1.0 - ops.eye(width)))) / width
