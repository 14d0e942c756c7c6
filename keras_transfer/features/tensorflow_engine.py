"""The stem as a compiled TensorFlow function."""

import tensorflow as tf

from keras_transfer.features.engine import Engine


class TensorFlowEngine(Engine):
    """Runs a network as a `tf.function`, on the GPU where there is one.

    It computes in the precision of the network's dtype policy: a backbone that was built under
    `keras.mixed_precision.set_global_policy("mixed_float16")` runs in mixed precision, any
    other in float32 (TensorFloat-32 on GPUs that have it, unless TensorFlow is told otherwise).
    """

    name = "tensorflow"

    @classmethod
    def is_available(cls):
        return True

    def compile(self, stem):
        forward = inference_function(stem)

        def run(batches):
            pending = None
            for images in batches:
                # A GPU computes this batch while the one before is copied and written.
                features = forward(images)
                if pending is not None:
                    yield pending.numpy()
                pending = features
            if pending is not None:
                yield pending.numpy()

        return run


def inference_function(stem, dtype="float32"):
    """A `tf.function` from a batch of any number of pictures to the network's output.

    Args:
        stem: a `keras.Model` with one input.
        dtype: what the pictures are cast to. Defaults to "float32".
    """
    signature = tf.TensorSpec((None, *stem.input_shape[1:]), dtype)

    @tf.function(input_signature=[signature], autograph=False)
    def forward(images):
        return stem(images, training=False)

    return forward
