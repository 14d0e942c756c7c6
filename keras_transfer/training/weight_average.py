"""The average of the weights over the last part of a phase, which is validated and kept."""

import keras
import tensorflow as tf

# Of Karras et al.: the average then spans about a tenth of the steps so far.
_GAMMA = 6.94


class WeightAverage(keras.callbacks.Callback):
    """Averages the trained weights over the steps of a phase, the latest counting most.

    At a high learning rate each step is noisy: the weights of a single step are less accurate
    than the average, which validation sees. After `t` steps, the average moves by
    `1 - (1 - 1 / t) ** (gamma + 1)` of the way to the weights of the step.

    It must be the first callback: at the end of an epoch the model has the average, for the
    other callbacks and for checkpoints, until the next epoch begins.

    Reference: Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models,
    CVPR 2024, equation 5 (power function averaging); Izmailov et al., Averaging Weights Leads
    to Wider Optima and Better Generalization, UAI 2018.
    """

    def __init__(self):
        super().__init__()
        self._variables, self._others, self._is_average = [], [], False

    def on_train_begin(self, logs=None):
        self._is_average = False
        self._begin()

    def _begin(self):
        """Starts an average of the variables that are trained now."""
        self._variables = list(self.model.trainable_variables)
        steps = self.model.optimizer.iterations
        with self.model.distribute_strategy.scope():
            self._others = [tf.Variable(one.value, trainable=False) for one in self._variables]
            self._begun = tf.Variable(steps.value, trainable=False)
            self._counted = tf.Variable(0, dtype=self._begun.dtype, trainable=False)

        @tf.function(autograph=False)
        def update():
            total = steps.value - self._begun
            # Several steps may be done in one call, or none where a resumed epoch is read.
            share = 1 - tf.maximum(self._counted, 0) / tf.maximum(total, 1)
            kept = tf.cast((1 - share) ** (_GAMMA + 1), "float32")
            for average, variable in zip(self._others, self._variables, strict=True):
                weight = tf.cast(kept, average.dtype)
                average.assign(weight * average + (1 - weight) * variable.value)
            self._counted.assign(total)

        self._update = update

    def on_epoch_begin(self, epoch, logs=None):
        self._show(average=False)
        # A callback may have changed what is trained.
        if list(map(id, self._variables)) != list(map(id, self.model.trainable_variables)):
            self._begin()

    def on_train_batch_end(self, batch, logs=None):
        self._update()

    def on_test_begin(self, logs=None):
        self._show(average=True)

    def on_epoch_end(self, epoch, logs=None):
        self._show(average=True)

    def _show(self, average):
        """Gives the model the average, or the weights of the last step."""
        if self._is_average is average:
            return
        for variable, other in zip(self._variables, self._others, strict=True):
            shown = keras.ops.convert_to_numpy(variable)
            variable.assign(other.numpy())
            other.assign(shown)
        self._is_average = average

    def get_state(self):
        """What a resumed training needs: a dict of numbers and arrays."""
        return {
            "is_average": self._is_average,
            "counted": int(self._counted.numpy()) if self._others else 0,
            "others": [other.numpy() for other in self._others],
        }

    def set_state(self, state):
        """Continues from what `get_state` returned, after `on_train_begin`."""
        if not self._others:
            return
        self._is_average = state["is_average"]
        self._counted.assign(state["counted"])
        self._begun.assign(self.model.optimizer.iterations.value - state["counted"])
        for other, array in zip(self._others, state["others"], strict=True):
            other.assign(array)
