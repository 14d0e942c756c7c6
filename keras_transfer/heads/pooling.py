"""From a feature map to one vector."""

import keras

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


def pool(features, pooling, name):
    """Applies one of `POOLINGS`; `name` is the prefix of the names of the layers.

    It returns features without positions, `(batch, features)`, unchanged.
    """
    rank = len(features.shape)
    if pooling == "none" or rank == 2:
        return features
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
