"""The score of each epoch on a target without labels."""

import keras

from keras_transfer.adaptation.label_free_scores import score


class TargetScore(keras.callbacks.Callback):
    """Adds `target_score` to the logs of an epoch, by which `BestWeights` chooses.

    It comes before the callbacks that read it.

    Attributes:
        data: the target of the phase, a `tf.data.Dataset` of inputs.
    """

    data = None

    def on_epoch_end(self, epoch, logs=None):
        logs["target_score"] = score(self.model.predict(self.data, verbose=0))
