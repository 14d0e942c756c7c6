"""A `TransferModel` as a part of a larger TensorFlow model.

The larger one looks at a picture and at a few numbers about it (here its mean colour stands
for, say, a price and a weight). It is an ordinary Keras model; a `tf.Module` holds it and is
saved with a function of its own.

    python examples/embed_in_tensorflow.py DATA OUTPUT
"""

import sys

import keras
import tensorflow as tf

from keras_transfer import data, freezing, heads, models


class Appraiser(tf.Module):
    """Gives the index of the class for pictures and their numbers."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    @tf.function
    def appraise(self, images, numbers):
        return tf.argmax(self.model([images, numbers], training=False), axis=-1)


def main(folder, output, backbone="MobileNetV2", image_size=224, epochs=5):
    splits = data.image_folder(folder, image_size)
    embed = models.TransferModel(
        backbone, heads.DenseHead(32, activation="relu"), freezing.UnfreezeLast(1)
    )
    images = keras.Input(embed.input_shape[1:], name="images")
    numbers = keras.Input((3,), name="numbers")
    x = keras.layers.Concatenate()([embed(images), numbers])
    outputs = keras.layers.Dense(len(splits.class_names), activation="softmax")(x)
    model = keras.Model([images, numbers], outputs)

    def with_numbers(images, labels):
        return (images, tf.reduce_mean(images, axis=[1, 2]) / 255.0), labels

    # In a larger model the policy still says what is trained; set it before `compile`.
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    # The dataset shuffles by itself, and Keras warns of a second wish to.
    model.fit(splits.train.map(with_numbers), epochs=epochs, shuffle=False, verbose=2)
    accuracy = model.evaluate(splits.validation.map(with_numbers), verbose=0, return_dict=True)[
        "accuracy"
    ]

    appraiser = Appraiser(model)
    signature = appraiser.appraise.get_concrete_function(
        tf.TensorSpec((None, *embed.input_shape[1:])), tf.TensorSpec((None, 3))
    )
    tf.saved_model.save(appraiser, output, signatures=signature)
    print(f"accuracy {accuracy:.1%}, saved in {output}")
    return model, accuracy


if __name__ == "__main__":
    main(*sys.argv[1:3])
