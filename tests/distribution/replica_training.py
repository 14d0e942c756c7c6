"""Trains on two devices, and compares the weights of the replicas."""

import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import features, freezing, heads, models, pretraining
from keras_transfer.backbones import Backbone
from tests.distribution.devices import divide_cpu
from tests.networks import small_application

SIZE, NUMBER = 32, 16


def main(kind):
    divide_cpu(2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (NUMBER, SIZE, SIZE, 3)).astype("float32")
    masks = (images[..., 0] > 127).astype("uint8")
    boxes = np.array([[[0.2, 0.2, 0.6, 0.6, 0], [0, 0, 0, 0, -1]]] * NUMBER, "float32")
    head, labels = {
        "masks": (heads.SegmentationHead(2, width=4, dice=0.5), masks),
        "boxes": (heads.CenterHead(2, width=4), boxes),
        "pairs": (heads.SoftmaxHead(2), masks[:, 0, 0]),
    }[kind]
    keras.utils.set_random_seed(0)
    with strategy.scope():
        backbone = Backbone.from_model(small_application((SIZE, SIZE, 3)))
        model = models.TransferModel(backbone, head, freezing.UnfreezeLast(2))
        model.compile()
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    before = [variable.numpy() for variable in model.trainable_variables]
    if kind == "pairs":
        with tempfile.TemporaryDirectory() as folder:
            pretraining.self_supervised(
                model, dataset, epochs=2, views=4, batch_size=8,
                cache=features.FeatureCache(folder),
            )  # fmt: skip
    else:
        history = model.fit(dataset, validation_data=dataset, epochs=2, verbose=0)
        assert all(np.isfinite(values).all() for values in history.history.values())
    assert any(
        (variable.numpy() != value).any()
        for variable, value in zip(model.trainable_variables, before, strict=True)
    )
    for variable in model.variables:
        first, second = strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second, err_msg=variable.path)
    if kind == "masks":
        # The metric counts the pixels of both replicas.
        measured = model.evaluate(dataset, verbose=0, return_dict=True)
        own = heads.SegmentationHead(2).metrics()[0]
        own.update_state(masks, model.predict(dataset, verbose=0))
        np.testing.assert_allclose(measured["mean_iou"], own.result(), rtol=1e-5)


if __name__ == "__main__":
    main(sys.argv[1])
