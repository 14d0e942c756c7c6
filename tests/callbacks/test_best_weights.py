import keras
import numpy as np
import pytest

from keras_transfer.callbacks import BestWeights


def model_of_one_weight():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def run(logs, num_validation=None):
    """Plays epochs with these logs; the weight is the number of the epoch."""
    callback = BestWeights(num_validation)
    model = model_of_one_weight()
    callback.set_model(model)
    for epoch, values in enumerate(logs):
        model.set_weights([np.full((1, 1), float(epoch))])
        callback.on_epoch_end(epoch, values)
    callback.restore()
    return callback, float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize(
    ("logs", "best"),
    [
        # The highest accuracy, and of equals the lowest loss.
        ([(0.5, 1.0), (0.9, 2.0), (0.9, 1.5), (0.9, 1.7), (0.8, 0.1)], 2),
        ([(None, 1.0), (None, 0.5), (None, 0.7)], 1),
        ([(0.5, float("nan")), (0.4, 1.0)], 0),
    ],
)
def test_best_epoch_is_restored(logs, best):
    logs = [
        {"val_loss": loss} | ({} if accuracy is None else {"val_accuracy": accuracy})
        for accuracy, loss in logs
    ]
    callback, weight = run(logs)
    assert weight == best
    assert callback.best_epoch == best
    assert callback.best_logs == logs[best]


@pytest.mark.parametrize(
    ("accuracies", "num_validation", "best"),
    [
        # Of 100 pictures, the standard error of an accuracy of 0.9 is 0.03.
        ([0.8, 0.9, 0.88, 0.875, 0.86], 100, 3),
        # Of 10,000 it is 0.003.
        ([0.8, 0.9, 0.88, 0.875, 0.86], 10_000, 1),
        # What was near the highest when it came may not be in the end.
        ([0.88, 0.87, 0.95, 0.9], 100, 2),
        ([0.9, 1.0, 1.0, 0.99], 100, 2),
    ],
)
def test_latest_epoch_within_a_standard_error_is_kept(accuracies, num_validation, best):
    logs = [{"val_accuracy": accuracy, "val_loss": 1.0} for accuracy in accuracies]
    callback, weight = run(logs, num_validation)
    assert weight == callback.best_epoch == best


def test_epoch_without_a_loss_is_not_kept_for_being_late():
    logs = [(0.5, 1.0), (0.45, float("nan"))]
    logs = [{"val_accuracy": accuracy, "val_loss": loss} for accuracy, loss in logs]
    callback, weight = run(logs, num_validation=10)
    assert weight == callback.best_epoch == 0


def test_without_validation_the_last_epoch_is_kept():
    callback, weight = run([{"loss": 1.0}, {"loss": 2.0}])
    assert weight == callback.best_epoch == 1


def test_nothing_is_restored_before_the_first_epoch():
    callback = BestWeights()
    callback.set_model(model_of_one_weight())
    before = callback.model.get_weights()
    callback.restore()
    np.testing.assert_array_equal(callback.model.get_weights(), before)
