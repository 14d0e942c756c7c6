"""Which learning rates a model can be trained with."""

import math

import keras
import tensorflow as tf

from keras_transfer.optimizers.slot_carry_over import carry_over
from keras_transfer.training.learning_rate_range import LearningRateRange
from keras_transfer.training.unchanged import unchanged

_FEWEST_STEPS = 10
_BATCH_SIZE = 32


def find_learning_rate(
    model, train, lowest=1e-6, highest=1.0, steps=100, smoothing=0.8, divergence=4.0
):
    """Trains for some steps at learning rates that rise, and sees where the loss falls.

    Afterwards the model is as it was to the last bit, its optimizer, metrics and random
    generators too, so that training goes on as if nothing had happened. (Only data sets that
    `tf.data` shuffles come in their next order.) On cached features it takes seconds:

    >>> features = FeatureCache().extract(model, splits.train)  # doctest: +SKIP
    >>> found = find_learning_rate(model, features.as_inputs())  # doctest: +SKIP

    The rate goes from `lowest` to `highest` by the same factor in each step, whatever rate or
    schedule the optimizer has; a `LearningRateMultiplier` has it for its base rate. The sweep
    ends where the smoothed loss is above `divergence` times its lowest, or not finite.

    Args:
        model: a compiled `keras.Model` on one device.
        train: a `tf.data.Dataset` of batches as for `fit`, begun anew where it ends; or a pair
            of arrays, of which batches of 32 are made.
        lowest: the rate of the first step. Defaults to 1e-6.
        highest: that of the last step. Defaults to 1.0.
        steps: at most how many, at least 10. Defaults to 100.
        smoothing: the weight of what was before in the smoothed loss, in [0, 1). It lags by
            about `smoothing / (1 - smoothing)` steps. Defaults to 0.8.
        divergence: how many times its lowest the smoothed loss may become. Defaults to 4.0.

    Returns:
        A `LearningRateRange`.

    Raises:
        ValueError: for a model that is not compiled or has no weights to train, no data,
            arguments out of range, an optimizer without an update rule of its own, or a loss
            that is not finite from the first step on.

    Reference: Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, section
    3.3.
    """
    _check_model(model)
    _check_range(lowest, highest, steps, smoothing, divergence)
    if not isinstance(train, tf.data.Dataset):
        pairs = tf.data.Dataset.from_tensor_slices(tuple(train))
        train = pairs.shuffle(len(train[0]), seed=0).batch(_BATCH_SIZE)
    factor = (highest / lowest) ** (1 / (steps - 1))
    rates = [lowest * factor**step for step in range(steps)]
    with model.distribute_strategy.scope():
        optimizer = carry_over(model.optimizer, model.trainable_variables)
        rate = keras.Variable(lowest, trainable=False, name="swept_learning_rate")
    # A function takes the place of a schedule too, which a number cannot.
    optimizer.learning_rate = lambda: rate
    with unchanged(model, optimizer, train):
        sweep = _Sweep(model, smoothing, divergence)
        for value, batch in zip(rates, _batches(train), strict=False):
            rate.assign(value)
            if not sweep.go_on(value, batch):
                break
    return sweep.found()


class _Sweep:
    """The steps that were taken."""

    def __init__(self, model, smoothing, divergence):
        self._model, self._step = model, _step_of(model)
        self._smoothing, self._divergence = smoothing, divergence
        self._rates, self._losses, self._smoothed = [], [], []
        self._diverged = False

    def go_on(self, rate, batch):
        """Takes a step, and says whether to take another."""
        self._model.reset_metrics()
        logs = self._step(batch)
        if "loss" not in logs:
            raise ValueError(
                "The `train_step` of the model must give a 'loss' among its logs. "
                f"Received: logs of {sorted(logs)}"
            )
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._note(rate, loss)
        lowest = min(self._smoothed, default=math.inf)
        # A loss that may be negative has no multiple to measure by.
        bound = self._divergence * lowest if lowest > 0 else math.inf
        self._diverged = not math.isfinite(loss) or self._smoothed[-1] > bound
        return not self._diverged

    def _note(self, rate, loss):
        self._rates.append(float(rate))
        self._losses.append(loss)
        # Adam's average with its correction for the start, in one: equal losses stay equal.
        weight = (1 - self._smoothing) / (1 - self._smoothing ** len(self._losses))
        before = self._smoothed[-1] if self._smoothed else loss
        self._smoothed.append(before + weight * (loss - before))

    def found(self):
        if not self._losses:
            raise ValueError(
                "The loss must be finite in the first step, at the lowest learning rate. "
                "Are there pictures with values that are not finite, or weights?"
            )
        return LearningRateRange(
            tuple(self._rates), tuple(self._losses), tuple(self._smoothed), self._diverged
        )


def _step_of(model):
    """The model's own training step; its compiled one stays as it is."""

    def step(batch):
        return model.distribute_strategy.run(model.train_step, args=(batch,))

    return step if model.run_eagerly else tf.function(step, reduce_retracing=True)


def _batches(dataset):
    """The batches of one pass after the other."""
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
            "The model must be compiled: call `model.compile(...)` before, with the optimizer "
            f"that it is to be trained with. Received: model={model.name!r}"
        )
    if not model.built or not model.trainable_variables:
        raise ValueError(
            "The model has no weights to train: build it, or choose a freeze policy that "
            f"leaves some. Received: model={model.name!r}"
        )
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            "The learning rate is looked for on one device: make the model outside of the "
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
