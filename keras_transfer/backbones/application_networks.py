"""The networks of `keras.applications`, as a `Backbone` builds them."""

import dataclasses
import os

import keras

from keras_transfer.backbones import weights as weights_files

_RESERVED = {
    "include_top": "a backbone has no classifier; `TransferModel` attaches heads",
    "classes": "the head sets the number of classes",
    "classifier_activation": "the head sets the activation",
    "pooling": "the head sets the pooling",
    "input_tensor": "a backbone creates its own input; `Backbone.from_model` takes any model",
    "include_preprocessing": "a backbone always takes raw images and preprocesses them",
    "name": "a backbone has the name of its application",
}


def check_arguments(row, arguments):
    """Raises `ValueError` for an argument that `Backbone` or the application does not take."""
    for name in arguments:
        if name in _RESERVED:
            raise ValueError(
                f"`Backbone` does not take `{name}`: {_RESERVED[name]}. "
                f"Received: {name}={arguments[name]!r}"
            )
        if name not in row.arguments:
            known = ", ".join(row.arguments) or "no further arguments"
            raise ValueError(
                f"{row.name} does not take `{name}`; it takes {known}. "
                f"Received: {name}={arguments[name]!r}"
            )
    if not arguments.get("alpha", 1.0) > 0:
        raise ValueError(f"`alpha` must be positive. Received: alpha={arguments['alpha']!r}")


def check_input_shape(row, input_shape):
    """The shape of the images, with the default size; `ValueError` if it is wrong."""
    if input_shape is None:
        return (row.default_size, row.default_size, 3)
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == 3
    if not is_shape or not isinstance(input_shape[2], int) or input_shape[2] < 1:
        raise ValueError(
            "`input_shape` must be (height, width, channels); height and width may be None. "
            f"Received: input_shape={input_shape!r}"
        )
    if any(size is not None and size < row.min_size for size in input_shape[:2]):
        raise ValueError(
            f"{row.name} needs images of at least {row.min_size} pixels in height and "
            f"width. Received: {tuple(input_shape)}"
        )
    return tuple(input_shape)


def build_network(row, size, weights, arguments):
    """The network of an application with its weights."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "keras_transfer needs the image data format 'channels_last'. Call "
            "`keras.config.set_image_data_format('channels_last')`. "
            f"Received: {keras.config.image_data_format()!r}"
        )
    arguments = {"input_shape": (*size, 3), **arguments}
    if weights == "imagenet":
        return weights_files.build_with_imagenet(row, **arguments)
    network = row.function(include_top=False, weights=None, **arguments)
    if weights is not None:
        weights_files.load_weights(network, weights)
    return network


def source_of(row, weights):
    """The `Source` of these weights."""
    if weights == "imagenet":
        return row.source
    origin = "random weights" if weights is None else os.path.basename(os.fspath(weights))
    return dataclasses.replace(row.source, origin=origin, licence=None)
