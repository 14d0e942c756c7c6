"""From a feature map to one vector."""

import keras
import numpy as np

POOLINGS = ("avg", "max", "avgmax", "gem", "flatten", "none")


@keras.saving.register_keras_serializable(package="keras_transfer")
class GeneralizedMeanPooling(keras.layers.Layer):
    """Pools a feature map by a generalized mean with a learned exponent.

    It computes `mean(x ** p) ** (1 / p)` over the positions, with one `p` for all features:
    1 is the average, infinity the maximum. It computes in float32, since powers overflow in
    half precision. `pooling="gem"` of a head uses it.

    Args:
        p: initial exponent. Defaults to 3.0.
        epsilon: lower bound of the features, which makes the power defined. Defaults to 1e-6.
        dtype: dtype or dtype policy of the layer. Defaults to "float32".

    Input shape: `(batch, ..., features)`; values below `epsilon` are clipped.
    Output shape: `(batch, features)`.

    Example:
        >>> layer = heads.GeneralizedMeanPooling(p=1.0)
        >>> float(layer(np.array([[[1.0], [3.0]]]))[0, 0])
        2.0

    Reference:
        Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", 2018,
        equation 3.
    """

    def __init__(self, p: float = 3.0, epsilon: float = 1e-6, dtype: str = "float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.p = p
        self.epsilon = epsilon

    def build(self, input_shape):
        self.exponent = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.p), name="exponent"
        )
        self.built = True

    def call(self, features):
        axes = tuple(range(1, len(features.shape) - 1))
        powers = keras.ops.power(keras.ops.maximum(features, self.epsilon), self.exponent)
        return keras.ops.power(keras.ops.mean(powers, axis=axes), 1.0 / self.exponent)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "p": self.p, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="keras_transfer")
class MaskedPooling(keras.layers.Layer):
    """The mean or the maximum of the positions that are no padding.

    Keras' own layers divide by zero where all positions are padding (an empty text), and take
    the maximum of the padding too.

    Args:
        pooling: "avg" (the default) or "max".

    Input shape: features `(batch, positions, features)`, and a mask `(batch, positions)`.
    Output shape: `(batch, features)`; zeros where all positions are padding.
    """

    def __init__(self, pooling: str = "avg", **kwargs):
        super().__init__(**kwargs)
        self.pooling = pooling
        self.supports_masking = True

    def compute_mask(self, features, previous_mask=None):
        return None

    def call(self, features, mask):
        kept = keras.ops.expand_dims(keras.ops.cast(mask, features.dtype), -1)
        count = keras.ops.sum(kept, axis=1)
        if self.pooling == "avg":
            return keras.ops.sum(features * kept, axis=1) / keras.ops.maximum(count, 1)
        lowest = keras.ops.cast(np.finfo("float16").min, features.dtype)
        highest = keras.ops.max(keras.ops.where(kept > 0, features, lowest), axis=1)
        return keras.ops.where(count > 0, highest, keras.ops.zeros_like(highest))

    def compute_output_shape(self, features_shape, mask_shape=None):
        return (features_shape[0], features_shape[-1])

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}


def pool(features, pooling, name):
    """Applies one of `POOLINGS`; `name` is the prefix of the names of the layers.

    It returns features without positions, `(batch, features)`, unchanged. Positions that are
    padding by the mask that Keras keeps beside features have no part in it.
    """
    rank = len(features.shape)
    if pooling == "none" or rank == 2:
        return features
    mask = getattr(features, "_keras_mask", None)
    if mask is not None and pooling in ("avg", "max", "avgmax"):
        return _pool_masked(features, mask, pooling, name)
    if pooling == "flatten":
        return keras.layers.Flatten(name=name)(features)
    if pooling == "gem":
        return GeneralizedMeanPooling(name=name)(features)
    if rank not in (3, 4):
        raise ValueError(
            f"pooling='{pooling}' takes (batch, positions, features) or (batch, rows, columns, "
            f"features). Received: features of shape {features.shape}"
        )
    dimension = rank - 2
    average = getattr(keras.layers, f"GlobalAveragePooling{dimension}D")
    maximum = getattr(keras.layers, f"GlobalMaxPooling{dimension}D")
    if pooling == "avg":
        return average(name=name)(features)
    if pooling == "max":
        return maximum(name=name)(features)
    both = [average(name=f"{name}_avg")(features), maximum(name=f"{name}_max")(features)]
    return keras.layers.Concatenate(name=name)(both)


def _pool_masked(features, mask, pooling, name):
    if pooling != "avgmax":
        return MaskedPooling(pooling, name=name)(features, mask)
    both = [MaskedPooling(one, name=f"{name}_{one}")(features, mask) for one in ("avg", "max")]
    return keras.layers.Concatenate(name=name)(both)
