"""A step of `TransferModel.fit` beside one of Keras' `fit` with the same layers trained."""

import keras
import tensorflow as tf

from benchmarks import child, library_models, plain_keras, timing
from benchmarks.optimizer_steps import batch
from keras_transfer import freezing, heads, models

_CLASSES, _LEARNING_RATE = 10, 1e-4
_POLICY = freezing.UnfreezeLast(2)


def measure(network, image_size, batch_size, steps, rounds):
    """Times epochs of a data set in memory, by `fit`."""
    keras.utils.set_random_seed(0)
    dataset = tf.data.Dataset.from_tensors(batch(batch_size, image_size)).cache()
    dataset = dataset.repeat(steps).apply(tf.data.experimental.assert_cardinality(steps))
    ours = models.build(
        library_models.backbone(network, image_size),
        heads=heads.SoftmaxHead(_CLASSES, dropout=0.2),
        freeze_policy=_POLICY,
        learning_rate=_LEARNING_RATE,
        layerwise_decay=0.75,
    )
    contestants = {
        "TransferModel.fit": _epochs_of(ours, dataset, steps),
        "Keras' fit": _epochs_of(_plain(network, image_size, ours), dataset, steps),
    }
    return timing.alternate(contestants, rounds)


def _plain(network, image_size, model):
    """The guide's model, in which the same layers are trained as in `model`."""
    base = plain_keras.base_model(network, image_size)
    trained = set(_POLICY.trainable_layers(model.backbone))
    for layer in base.layers:
        layer.trainable = layer.name in trained
    plain = plain_keras.classifier(base, _CLASSES)
    plain_keras.compile_classifier(plain, keras.optimizers.AdamW(_LEARNING_RATE))
    shapes = [sorted(map(_shape, m.trainable_variables)) for m in (plain, model)]
    if shapes[0] != shapes[1]:
        raise ValueError("The two models do not train the same weights.")
    return plain


def _shape(variable):
    return tuple(variable.shape)


def _epochs_of(model, dataset, steps):
    def run():
        model.fit(dataset, epochs=1, verbose=0, shuffle=False)
        return {"steps": steps}

    run()
    return run


if __name__ == "__main__":
    child.main(measure)
