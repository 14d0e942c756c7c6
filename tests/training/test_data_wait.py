import time

import numpy as np
import tensorflow as tf

from keras_transfer.freezing import FreezeNone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune
from keras_transfer.training.phase_data import DataWait
from tests.networks import residual_backbone

IMAGES = np.zeros((8, 16, 16, 3), "float32")
LABELS = np.arange(8) % 3


def dataset():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(2)


def slow(seconds):
    def sleep(images):
        time.sleep(seconds)
        return images

    def slowed(images, labels):
        images = tf.numpy_function(sleep, [images], "float32")
        return tf.ensure_shape(images, (None, 16, 16, 3)), labels

    return dataset().map(slowed)


def test_wait_is_the_time_until_the_next_batch():
    wait = DataWait()
    for _ in wait.measured(slow(0.05)):
        time.sleep(0.05)  # the step's own time is no wait
    assert 4 * 0.05 <= float(wait.seconds) < 4 * 0.09


def test_batches_that_are_ready_are_not_waited_for():
    wait = DataWait()
    for _ in wait.measured(slow(0.02).prefetch(4)):
        time.sleep(0.1)
    # The first of four batches is waited for.
    assert float(wait.seconds) < 2 * 0.05


def test_elements_and_their_number_stay():
    measured = DataWait().measured(dataset())
    assert measured.element_spec == dataset().element_spec
    assert int(measured.cardinality()) == 4
    images, labels = next(iter(measured))
    np.testing.assert_array_equal(labels, LABELS[:2])
    assert images.shape == (2, 16, 16, 3)


def test_training_on_pictures_says_how_long_it_waited(capsys):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    plan = Plan([Phase(FreezeNone(), 2, 1e-3)])
    fine_tune(model, slow(0.2), plan=plan, cache=False, verbose=2)
    printed = capsys.readouterr().out
    assert "of the time waiting for data" in printed


def test_the_clock_is_not_on_a_gpu():
    with tf.Graph().as_default(), tf.device("GPU:0"):
        assert DataWait().seconds.device == "/device:CPU:0"
