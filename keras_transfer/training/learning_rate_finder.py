"""The learning-rate range test."""

import math

import keras
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer.models.regression import targets_of
from keras_transfer.optimizers.slot_carry_over import carry_over
from keras_transfer.training.given_data import slices
from keras_transfer.training.learning_rate_range import LearningRateRange
from keras_transfer.training.unchanged import unchanged

_FEWEST_STEPS = 10
_BATCH_SIZE = 32


def find_learning_rate(
    model: keras.Model,
    train: tf.data.Dataset | tuple,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    smoothing: float = 0.8,
    divergence: float = 4.0,
) -> LearningRateRange:
    """Trains for some steps at a rising learning rate, and records the loss.

    Afterwards the model, its optimizer, its metrics and all random generators are restored to
    the last bit. (Only the next order of a `tf.data` shuffle is not.) On cached features it
    takes seconds.

    The learning rate rises from `lowest` to `highest` by the same factor in each step, whatever
    rate or schedule the optimizer has; for a `LearningRateMultiplier` it is the base rate. The
    sweep ends when the smoothed loss exceeds `divergence` times its minimum, or is not finite.

    Args:
        model: a compiled `keras.Model` on one device.
        train: a `tf.data.Dataset` of batches as for `fit`, repeated as needed; or a pair of
            arrays, which is divided into batches of 32.
        lowest: the rate of the first step. Defaults to 1e-6.
        highest: that of the last step. Defaults to 1.0.
        steps: the maximum number of steps, at least 10. Defaults to 100.
        smoothing: the weight of earlier losses in the smoothed loss, in [0, 1). It lags by
            about `smoothing / (1 - smoothing)` steps. Defaults to 0.8.
        divergence: the multiple of its minimum at which the smoothed loss counts as diverged.
            Defaults to 4.0.

    Returns:
        A `LearningRateRange`.

    Raises:
        ValueError: if the model is not compiled or has no trainable weights, the data are
            empty, an argument is out of range, or the first loss is not finite.

    Example:

    >>> model.compile()
    >>> cached = features.FeatureCache("cache").extract(model, train)
    >>> found = training.find_learning_rate(model, cached.as_inputs(), steps=20)
    >>> len(found.rates) <= 20
    True

    Reference: Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, section
    3.3.
    """
    _check_model(model)
    _check_range(lowest, highest, steps, smoothing, divergence)
    if not isinstance(train, tf.data.Dataset):
        pairs = slices(tuple(train))
        train = pairs.shuffle(len(train[0]), seed=0).batch(_BATCH_SIZE)
    factor = (highest / lowest) ** (1 / (steps - 1))
    rates = [lowest * factor**step for step in range(steps)]
    with model.distribute_strategy.scope():
        optimizer = carry_over(model.optimizer, model.trainable_variables)
        rate = keras.Variable(lowest, trainable=False, name="swept_learning_rate")
    # A function can replace a schedule; a number cannot.
    optimizer.learning_rate = lambda: rate
    with (
        unchanged(model, optimizer, train),
        _progress.step("raising the learning rate", steps) as advance,
    ):
        if hasattr(model, "adapt_heads"):
            model.adapt_heads(targets_of(train))
        sweep = _Sweep(model, smoothing, divergence)
        for value, batch in zip(rates, _batches(train), strict=False):
            rate.assign(value)
            if not sweep.step(value, batch):
                break
            advance()
    return sweep.found()


class _Sweep:
    """The steps of a sweep."""

    def __init__(self, model, smoothing, divergence):
        self._model, self._step = model, _step_of(model)
        self._smoothing, self._divergence = smoothing, divergence
        self._rates, self._losses, self._smoothed = [], [], []
        self._diverged = False

    def step(self, rate, batch):
        """Takes a step; returns whether to take another."""
        self._model.reset_metrics()
        logs = self._step(batch)
        if "loss" not in logs:
            raise ValueError(
                "The `train_step` of the model must return 'loss' among its logs. "
                f"Received: logs of {sorted(logs)}"
            )
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._note(rate, loss)
        lowest = min(self._smoothed, default=math.inf)
        # A multiple of a negative loss is no bound.
        bound = self._divergence * lowest if lowest > 0 else math.inf
        self._diverged = not math.isfinite(loss) or self._smoothed[-1] > bound
        return not self._diverged

    def _note(self, rate, loss):
        self._rates.append(float(rate))
        self._losses.append(loss)
        # An exponential average with bias correction: equal losses stay equal.
        weight = (1 - self._smoothing) / (1 - self._smoothing ** len(self._losses))
        before = self._smoothed[-1] if self._smoothed else loss
        self._smoothed.append(before + weight * (loss - before))

    def found(self):
        if not self._losses:
            raise ValueError(
                "The loss is not finite in the first step, at the lowest learning rate. Look "
                "for NaN or infinity in the images and the weights."
            )
        return LearningRateRange(
            tuple(self._rates), tuple(self._losses), tuple(self._smoothed), self._diverged
        )


def _step_of(model):
    """The training step of the model, without changing its compiled one."""

    def step(batch):
        return model.distribute_strategy.run(model.train_step, args=(batch,))

    return step if model.run_eagerly else tf.function(step, reduce_retracing=True)


def _batches(dataset):
    """Batches, from as many passes as needed."""
    while True:
        is_empty = True
        for batch in dataset:
            is_empty = False
            yield batch
        if is_empty:
            raise ValueError("The data set is empty.")


def _check_model(model):
    if not model.compiled or model.optimizer is None:
        raise ValueError(
            "The model must be compiled: call `model.compile(...)` first, with the optimizer "
            f"to train with. Received: model={model.name!r}"
        )
    if not model.built or not model.trainable_variables:
        raise ValueError(
            "The model has no trainable weights: build it, or choose a freeze policy that "
            f"trains some. Received: model={model.name!r}"
        )
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            "The learning-rate finder runs on one device: make the model outside of the "
            f"strategy's scope. Received: a model on {replicas} replicas"
        )


def _check_range(lowest, highest, steps, smoothing, divergence):
    if not 0 < lowest < highest < math.inf:
        raise ValueError(
            "`lowest` must be positive and below `highest`. "
            f"Received: lowest={lowest}, highest={highest}"
        )
    if not isinstance(steps, int) or steps < _FEWEST_STEPS:
        raise ValueError(
            f"`steps` must be an integer of at least {_FEWEST_STEPS}. Received: steps={steps!r}"
        )
    if not 0 <= smoothing < 1 or not 1 < divergence < math.inf:
        raise ValueError(
            "`smoothing` must be in [0, 1) and `divergence` above 1. "
            f"Received: smoothing={smoothing}, divergence={divergence}"
        )
