import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.optimizers.warmup_cosine import WarmupCosine


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_rates_are_those_of_keras_without_a_condition(warmup):
    arguments = (
        {"initial_learning_rate": 0.0, "warmup_target": 0.1, "warmup_steps": warmup}
        if warmup
        else {"initial_learning_rate": 0.1}
    )
    own = WarmupCosine(decay_steps=5, alpha=0.01, **arguments)
    keras_own = keras.optimizers.schedules.CosineDecay(decay_steps=5, alpha=0.01, **arguments)
    steps = tf.range(10)
    rates = [float(own(step)) for step in steps]
    np.testing.assert_allclose(rates, [float(keras_own(step)) for step in steps], rtol=1e-5)
    graph = tf.function(own).get_concrete_function(tf.TensorSpec((), tf.int64)).graph
    assert not [one for one in graph.get_operations() if one.type in ("If", "StatelessIf")]
