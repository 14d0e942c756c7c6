"""Models, caches and engines of keras_transfer for the measurements."""

from benchmarks.child import UnavailableError
from benchmarks.networks import NETWORKS
from keras_transfer import backbones, heads, models

try:
    from keras_transfer import features
except ImportError:
    features = None


def transfer_model(network, image_size, num_classes, freeze_policy=None):
    """A `TransferModel` with the head that the Keras guide uses, too."""
    return models.TransferModel(
        backbone(network, image_size),
        heads=heads.SoftmaxHead(num_classes, dropout=0.2),
        freeze_policy=freeze_policy,
    )


def backbone(network, image_size):
    """A `Backbone` for pictures of that size."""
    row = NETWORKS[network]
    return backbones.Backbone(
        row.application,
        input_shape=(image_size, image_size, 3),
        weights=row.weights,
        **row.arguments,
    )


def feature_cache(directory, **arguments):
    """A `FeatureCache`.

    Raises:
        UnavailableError: this version of the library has none.
    """
    _check_features()
    return features.FeatureCache(directory, **arguments)


def prepared_engine(engine, stem):
    """An engine that was compiled for a stem, so that its set-up is in no measurement.

    Args:
        engine: the name of an engine.
        stem: the model that it will run, and no other.
    """
    _check_features()
    engine = features.get_engine(engine)
    run = engine.compile(stem)

    class Prepared(type(engine)):
        """The engine, which does not compile again."""

        def compile(self, stem):
            return run

    return Prepared()


def _check_features():
    if features is None:
        raise UnavailableError("this version of the library has no feature cache")
