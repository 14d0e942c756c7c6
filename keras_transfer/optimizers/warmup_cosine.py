"""A learning rate that rises to its target and falls to zero."""

import math

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_transfer")
class WarmupCosine(keras.optimizers.schedules.CosineDecay):
    """`CosineDecay` of the same arguments and values, without a condition in the graph.

    AdamW reads the rate once for each variable. With the 158 variables of MobileNetV2, the
    conditions were a quarter of the time before the first step.
    """

    def __call__(self, step):
        if self.warmup_target is None:
            return super().__call__(step)
        start, target = self.initial_learning_rate, self.warmup_target
        step = tf.cast(step, "float32")
        warm = (target - start) * (step / self.warmup_steps) + start
        done = tf.minimum((step - self.warmup_steps) / self.decay_steps, 1.0)
        decayed = target * (1 - (1 - self.alpha) / 2 * (1.0 - tf.cos(math.pi * done)))
        return tf.where(step < self.warmup_steps, warm, decayed)
