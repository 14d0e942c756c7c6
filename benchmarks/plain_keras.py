"""Models in plain Keras, as its guides build them; nothing here is of keras_transfer."""

import keras

from benchmarks.networks import NETWORKS


def base_model(network, image_size):
    """A network of `keras.applications` without its classifier."""
    row = NETWORKS[network]
    return getattr(keras.applications, row.application)(
        input_shape=(image_size, image_size, 3),
        include_top=False,
        weights=row.weights,
        **row.arguments,
    )


def classifier(base, num_classes):
    """The guide's model around a base model: pictures in [0, 255] in, logits out.

    `training=False` is meant to keep BatchNormalization as it is when the base model is
    unfrozen.
    """
    inputs = keras.Input(base.input_shape[1:])
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))


def compile_classifier(model, optimizer):
    """Compiles for integer labels and logits."""
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
