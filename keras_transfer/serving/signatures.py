"""What an exported model answers."""

import keras
import tensorflow as tf

from keras_transfer.data import decode_image, resize
from keras_transfer.heads import SigmoidHead, SoftmaxHead


class Signatures:
    """The functions of an exported model, from images or encoded bytes to named tensors.

    Args:
        model: a `TransferModel`.
        class_names: for each head that predicts classes, by the head's name (None for the
            single head of a model), a tuple of names, or None.
        image_size: `(height, width)` in pixels that encoded pictures are resized to.
    """

    def __init__(self, model, class_names, image_size):
        self._model = model
        self._image_size = image_size
        self._channels = model.input_shape[-1]
        several = isinstance(model.heads, dict)
        heads = model.heads if several else {None: model.heads}
        self._heads = {
            name: (head, class_names.get(name), f"{name}_" if several else "")
            for name, head in heads.items()
        }

    def image_shape(self):
        """The shape of a batch of arrays that the model takes, with None for the batch."""
        return (None, *self._image_size, self._channels)

    def from_images(self, images):
        """Answers for float32 arrays of shape `(batch, height, width, channels)`."""
        outputs = self._model(images, training=False)
        outputs = outputs if isinstance(self._model.heads, dict) else {None: outputs}
        answers = {}
        for name, (head, class_names, prefix) in self._heads.items():
            described = _describe(head, outputs[name], class_names)
            answers.update({f"{prefix}{key}": value for key, value in described.items()})
        return answers

    def from_bytes(self, encoded):
        """Answers for a batch of encoded pictures, a string tensor of shape `(batch,)`."""
        return self.from_images(self.pixels(encoded))

    def pixels(self, encoded):
        """Decodes and resizes pictures as training does."""

        def one(contents):
            return resize(decode_image(contents, self._channels), self._image_size)

        # One picture at a time: they differ in size until they are resized.
        return tf.map_fn(one, encoded, fn_output_signature=tf.float32)


def _describe(head, output, class_names):
    output = keras.ops.cast(output, "float32")
    if isinstance(head, SoftmaxHead):
        index = tf.argmax(output, axis=-1)
        described = {"probabilities": output, "class_index": index}
        if class_names is not None:
            described["label"] = tf.gather(tf.constant(class_names), index)
        return described
    if isinstance(head, SigmoidHead):
        described = {"probabilities": output}
        if class_names is not None:
            described["labels"] = tf.tile(tf.constant([class_names]), [tf.shape(output)[0], 1])
        return described
    return {"values": output}
