import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import heads, models, serving, training
from keras_transfer.backbones import Backbone, MelSpectrogram


def sounds(number=4, num_samples=1600):
    return np.random.default_rng(0).normal(0, 0.1, (number, num_samples)).astype("float32")


@pytest.fixture(scope="module")
def backbone():
    """A small network of 11 windows of a tenth of a second."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((11, 32, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(8, 3, name="second")(x)
    return Backbone.from_model(keras.Model(inputs, x), MelSpectrogram())


def test_a_sound_has_the_same_image_beside_louder_ones():
    layer, given = MelSpectrogram(), sounds()
    together = layer(np.concatenate([given, 1000 * given]))
    np.testing.assert_allclose(layer(given), together[:4], atol=1e-4)
    keras_layer = keras.layers.MelSpectrogram(
        fft_length=512, sequence_length=400, sequence_stride=160, num_mel_bins=32, min_freq=60,
        max_freq=3800,
    )  # fmt: skip
    alone = keras_layer(given[:1])
    np.testing.assert_allclose(
        layer(given)[0, ..., 0], keras.ops.transpose(alone[0]) / 10 + 8.8, atol=1e-4
    )
    # Keras' own floor is that of the loudest sound of the batch.
    assert np.ptp(keras_layer(np.concatenate([given[:1], 1e5 * given]))[0] - alone[0]) > 1


def test_config_and_shape():
    layer = MelSpectrogram(num_mel_bins=8, top_db=40.0, scale=1.0, offset=0.0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(layer(sounds()), again(sounds()))
    assert layer.compute_output_shape((2, 1600)) == layer(sounds(2)).shape


def test_network_of_sounds_is_trained_saved_and_served(backbone, tmp_path):
    assert backbone.input_names == ("audio",) and backbone.inputs[0].shape == (None, 1600)
    assert backbone.get_layer("preprocessing").offset == 8.8 and not backbone.takes_images
    assert [stage.boundary for stage in backbone.stages] == ["first", "second"]
    model = models.TransferModel(backbone, heads.SoftmaxHead(2))
    train = tf.data.Dataset.from_tensor_slices((sounds(8), [0, 1] * 4)).batch(4)
    model.compile()
    model.fit(train, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(sounds(), verbose=0)
    np.testing.assert_allclose(loaded.predict(sounds(), verbose=0), expected, atol=1e-6)
    served = tf.saved_model.load(str(serving.export(model, tmp_path / "serving")))
    found = served.signatures["serving_default"](audio=tf.constant(sounds()))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


def test_network_of_other_images_is_refused():
    network = keras.Sequential([keras.Input((11, 20, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match=r"images of 32 columns.*\(None, 11, 20, 1\)"):
        Backbone.from_model(network, MelSpectrogram())


def test_chosen_plan_of_a_network_of_ones_own_solves_the_head(backbone):
    """AdamW takes hundreds of epochs where features have a deviation of 18."""
    model = models.TransferModel(backbone, heads.SoftmaxHead(2))
    train = tf.data.Dataset.from_tensor_slices((sounds(8), [0, 1] * 4)).batch(4)
    history = training.fine_tune(model, train, verbose=0)
    assert history.plan.phases[0].solver == "exact"
