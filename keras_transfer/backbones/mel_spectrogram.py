"""The preprocessing of a network of sounds."""

import keras


@keras.saving.register_keras_serializable(package="keras_transfer")
class MelSpectrogram(keras.layers.MelSpectrogram):
    """Converts sounds to the images of their frequencies that a network of sounds takes.

    It is Keras' layer, with time in the rows, one channel, and a floor for each sound: Keras
    counts `top_db` from the loudest sound of the batch, so that the values of a sound change
    with the others. The defaults are those of the speech embedding of Google and openWakeWord,
    whose filters have other heights; `offset` makes up for their mean.

    Args:
        sampling_rate: samples a second. Defaults to 16,000.
        num_mel_bins: columns of the image. Defaults to 32.
        sequence_length: samples of a window. Defaults to 400, 25 ms.
        sequence_stride: samples between two rows. Defaults to 160, 10 ms.
        fft_length: samples of the Fourier transform, at least `sequence_length`. Defaults to
            512.
        min_freq: lowest frequency, in Hz. Defaults to 60.
        max_freq: highest frequency, in Hz. Defaults to 3800.
        top_db: decibels between the loudest value of a sound and its floor. Defaults to 80.
        scale: factor of the decibels. Defaults to 0.1.
        offset: what is added to the scaled decibels. Defaults to 8.8.
        **kwargs: further arguments of `keras.layers.MelSpectrogram`.

    Input shape: `(batch, samples)`, float in [-1, 1].
    Output shape: `(batch, samples // sequence_stride + 1, num_mel_bins, 1)`.

    Example:
        >>> sounds = np.random.default_rng(0).normal(size=(2, 12_000)).astype("float32")
        >>> backbones.MelSpectrogram()(sounds).shape
        TensorShape([2, 76, 32, 1])
    """

    def __init__(
        self,
        sampling_rate: int = 16_000,
        num_mel_bins: int = 32,
        sequence_length: int = 400,
        sequence_stride: int = 160,
        fft_length: int = 512,
        min_freq: float = 60.0,
        max_freq: float = 3800.0,
        top_db: float = 80.0,
        scale: float = 0.1,
        offset: float = 8.8,
        **kwargs,
    ):
        super().__init__(
            fft_length=fft_length, sequence_stride=sequence_stride,
            sequence_length=sequence_length, sampling_rate=sampling_rate,
            num_mel_bins=num_mel_bins, min_freq=min_freq, max_freq=max_freq, top_db=top_db,
            **{"dtype": "float32", **kwargs, "power_to_db": False},
        )  # fmt: skip
        self.scale, self.offset = scale, offset

    def call(self, sounds):
        # LiteRT has no operation for `[..., None]`.
        power = keras.ops.expand_dims(keras.ops.swapaxes(super().call(sounds), -1, -2), -1)
        decibels = keras.ops.log10(keras.ops.maximum(power, self.min_power)) * 10
        loudest = keras.ops.max(decibels, axis=(1, 2, 3), keepdims=True)
        return keras.ops.maximum(decibels, loudest - self.top_db) * self.scale + self.offset

    def num_samples_for(self, inputs):
        """The length of the sounds of a network, None for any.

        Raises `ValueError` if it does not take this layer's images.
        """
        shapes = [tuple(tensor.shape) for tensor in inputs]
        if len(shapes) != 1 or shapes[0][2:] != (self.num_mel_bins, 1):
            raise ValueError(
                f"The network must take images of {self.num_mel_bins} columns, as many as "
                f"`num_mel_bins`, and one channel. Received: inputs of the shapes {shapes}"
            )
        num_rows = shapes[0][1]
        return None if num_rows is None else (num_rows - 1) * self.sequence_stride

    def compute_output_shape(self, input_shape):
        batch, num_samples = input_shape
        num_rows = None if num_samples is None else num_samples // self.sequence_stride + 1
        return (batch, num_rows, self.num_mel_bins, 1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
