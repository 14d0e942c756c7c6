"""The networks of the measurements, in this library and in plain Keras."""

import dataclasses

import keras

from benchmarks.images import data_folder
from keras_transfer import backbones, heads, models


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of `keras.applications`.

    Attributes:
        application: its name there.
        arguments: its further arguments.
        weights_file: in the folder of weights; None for random weights.
    """

    application: str
    arguments: dict = dataclasses.field(default_factory=dict)
    weights_file: str | None = None

    @property
    def weights(self):
        """The path of the weights, or None for random ones."""
        if self.weights_file is None:
            return None
        return str(data_folder() / "weights" / self.weights_file)


NETWORKS = {
    "MobileNetV2": Network(
        "MobileNetV2",
        {"alpha": 0.35},
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
    ),
    "MobileNet": Network("MobileNet", {"alpha": 0.75}, "mobilenet_7_5_224_tf_no_top.h5"),
    "MobileNet-0.25": Network("MobileNet", {"alpha": 0.25}, "mobilenet_2_5_224_tf_no_top.h5"),
    "MobileNetV2-random": Network("MobileNetV2", {"alpha": 0.35}),
    "ResNet50-random": Network("ResNet50"),
}


def backbone(network, image_size):
    """A `Backbone` for images of that size."""
    row = NETWORKS[network]
    shape = (image_size, image_size, 3)
    return backbones.Backbone(row.application, shape, row.weights, **row.arguments)


def transfer_model(network, image_size, num_classes, freeze_policy=None, truncate_at=None):
    """A `TransferModel` with the head that the Keras guide uses, too."""
    return models.TransferModel(
        backbone(network, image_size),
        heads.SoftmaxHead(num_classes, dropout=0.2),
        freeze_policy=freeze_policy,
        truncate_at=truncate_at,
    )


def plain_model(network, image_size, num_classes):
    """The guide's base model, and its model around that: images in [0, 255] in, logits out."""
    row = NETWORKS[network]
    shape = (image_size, image_size, 3)
    base = getattr(keras.applications, row.application)(
        input_shape=shape, include_top=False, weights=row.weights, **row.arguments
    )
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    # `training=False` keeps BatchNormalization frozen when the base model is unfrozen.
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    x = keras.layers.Dropout(0.2)(x)
    return base, keras.Model(inputs, keras.layers.Dense(num_classes)(x))
