import keras
import numpy as np
import pytest

from keras_transfer.callbacks import BestWeights


def model_of_one_weight():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def run(logs):
    """Plays epochs with these logs; the weight is the number of the epoch."""
    callback = BestWeights()
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


def test_without_validation_the_last_epoch_is_kept():
    callback, weight = run([{"loss": 1.0}, {"loss": 2.0}])
    assert weight == callback.best_epoch == 1


def test_nothing_is_restored_before_the_first_epoch():
    callback = BestWeights()
    callback.set_model(model_of_one_weight())
    before = callback.model.get_weights()
    callback.restore()
    np.testing.assert_array_equal(callback.model.get_weights(), before)
