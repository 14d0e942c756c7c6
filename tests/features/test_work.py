import keras

from keras_transfer.features.work import multiply_adds
from tests.networks import mobilenet


def test_multiplications_are_counted_by_hand():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)  # 8 * 8 * (3 * 3 * 3 * 4) = 6912
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(
        x
    )  # 4 * 4 * (3 * 3 * 4) = 576
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(5)(x)  # 4 * 5 = 20
    assert multiply_adds(keras.Model(inputs, x)) == 6912 + 576 + 20


def test_shared_layer_counts_as_often_as_it_is_called():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4)
    assert multiply_adds(keras.Model(inputs, dense(dense(inputs)))) == 32


def test_published_figure_is_met():
    # The repository of Sandler et al. (2018) gives 59 million for MobileNetV2 0.35 at 224 px,
    # of which the classifier, 1280 * 1000, is no part of a backbone.
    assert 55e6 < multiply_adds(mobilenet(size=224)) < 60e6
