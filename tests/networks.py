"""Small networks that the tests make."""

import keras

from keras_transfer.backbones import Backbone


def residual_network(size=16, channels=3, dropout=0.0):
    """A convolution, two residual blocks at falling resolution, BatchNormalization inside."""
    inputs = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv1")(inputs)
    for number in (1, 2):
        x = keras.layers.Conv2D(4 * number, 3, strides=2, padding="same", name=f"down{number}")(
            x
        )
        branch = keras.layers.BatchNormalization(name=f"bn{number}")(x)
        branch = keras.layers.ReLU(name=f"relu{number}")(branch)
        branch = keras.layers.Dropout(dropout, name=f"dropout{number}")(branch)
        branch = keras.layers.Conv2D(
            4 * number, 3, padding="same", kernel_initializer="he_normal", name=f"conv_{number}"
        )(branch)
        x = keras.layers.Add(name=f"add{number}")([x, branch])
    return keras.Model(inputs, x, name="residual")


def residual_backbone(preprocessing="none", **arguments):
    return Backbone.from_model(residual_network(**arguments), preprocessing)


def mobilenet(size=32, **arguments):
    """The smallest network of `keras.applications`, with random weights."""
    arguments = {"weights": None, "alpha": 0.35, **arguments}
    return Backbone("MobileNetV2", input_shape=(size, size, 3), **arguments)


def small_application(input_shape=None, alpha=1.0, include_top=False, weights=None, classes=10):
    """In place of a function of `keras.applications`, where the network is not what is tested.

    It has a convolution at each resolution.
    """
    images = x = keras.Input(input_shape)
    for number in range(1, 6):
        filters = max(4, int(8 * alpha * number))
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"bn{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dense(classes, "softmax", name="predictions")(x)
    assert weights is None
    return keras.Model(images, x, name="small")
