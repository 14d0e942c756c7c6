"""The classifier that a pretrained network was part of."""

from keras_transfer.backbones import Backbone
from keras_transfer.backbones.registry import find_application
from keras_transfer.backbones.weights import load_weights


def source_classifier(application, input_shape, weights, **application_arguments):
    """A network of `keras.applications` with its classifier of ImageNet, for raw pictures.

    Args:
        application: the name of the network.
        input_shape: `(height, width, 3)`.
        weights: the path of a file with the classifier's weights too.
        **application_arguments: what the application's function takes, such as `alpha`.

    Returns:
        A functional `keras.Model` from pictures in [0, 255] to probabilities.

    Raises:
        FileNotFoundError, ValueError: for a file that is not there or does not fit.
    """
    row = find_application(application)
    network = row.function(
        include_top=True, weights=None, input_shape=input_shape, **application_arguments
    )
    load_weights(network, weights)
    return Backbone.from_model(network, row.preprocessing)
