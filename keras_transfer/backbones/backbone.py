"""The network that is transferred."""

import functools

import keras

from keras_transfer.backbones import channels, graph
from keras_transfer.backbones import weights as weights_files
from keras_transfer.backbones.frozen_mode import follow_trainable
from keras_transfer.backbones.preprocessing import Preprocessing
from keras_transfer.backbones.registry import find_application
from keras_transfer.backbones.stages import compute_stages

_RESERVED = {
    "include_top": "a backbone has no classifier; heads are attached by `TransferModel`",
    "classes": "the number of classes is a head's",
    "classifier_activation": "the activation of the classifier is a head's",
    "pooling": "pooling is a head's",
    "input_tensor": "a backbone makes its own input; use `Backbone.from_model` for others",
    "include_preprocessing": "a backbone always takes raw images and preprocesses them",
    "name": "a backbone is named after its application",
}


@keras.saving.register_keras_serializable(package="keras_transfer")
class Backbone(keras.Model):
    """A pretrained network without its classifier, for raw images.

    It is a functional `keras.Model` with a flat graph: every layer is reached by `get_layer`,
    and the preprocessing is a layer of its own, named `preprocessing`. Its output equals
    `preprocess_input` followed by the application, to the last bit. Frozen layers run in
    inference mode whatever `training` says, dropout and stochastic depth included.

    Args:
        application: the name of a network in `keras.applications`; `list_backbones()` has all.
        input_shape: `(height, width, channels)`. Height and width may be None and differ from
            those the weights were trained at. With 1 channel the first convolution is summed
            over the colours, with n it is repeated and rescaled. Defaults to the size of the
            ImageNet weights and 3 channels.
        weights: `"imagenet"` (from Keras' cache, or downloaded), the path of an `.h5`,
            `.weights.h5` or `.keras` file, or None for random ones.
        **application_arguments: what the application's function takes, such as `alpha`.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255].
    Output shape: `(batch, rows, columns, features)`.

    Raises:
        ValueError: for an unknown name or argument, too small a picture, a file that does not
            fit.
        FileNotFoundError: where the weights are not there.

    Example:

    >>> backbone = Backbone("MobileNetV2", input_shape=(96, 96, 3), weights=None, alpha=0.35)
    >>> backbone.output_shape
    (None, 3, 3, 1280)
    >>> [stage.boundary for stage in backbone.stages][-2:]
    ['block_12_add', 'out_relu']
    """

    def __init__(
        self, application, input_shape=None, weights="imagenet", **application_arguments
    ):
        row = find_application(application)
        _check_arguments(row, application_arguments)
        shape = _check_input_shape(row, input_shape)
        network = _build(row, shape[:2], weights, application_arguments)
        self._assemble(network, shape, row.preprocessing, application=application)

    @classmethod
    def from_model(cls, model, preprocessing="none", application=None):
        """Makes a backbone of any functional or sequential model.

        The model is copied, weights included: its layers and their `trainable` flags stay as
        they are. Nested models are dissolved, so that the graph is flat, and layers that Keras
        named by itself are numbered anew.

        Args:
            model: a `keras.Model` with one input and one output tensor, such as a KerasHub
                backbone or a network of your own, without a classifier.
            preprocessing: what its input needs: `"none"`, `"tf"`, `"caffe"` or `"torch"`, as in
                `keras.applications.imagenet_utils.preprocess_input`.
            application: what to call it where it is described. Defaults to its name.

        Raises:
            ValueError: for a subclassed model, or several inputs or outputs.
        """
        if isinstance(model, cls):
            return model.copy()
        graph_model = graph.as_functional(model)
        if len(graph_model.inputs) != 1 or len(graph_model.outputs) != 1:
            raise ValueError(
                "A backbone has one input and one output tensor. Make one with "
                "`keras.Model(model.inputs[0], model.outputs[0])`. Received: "
                f"'{model.name}' with {len(graph_model.inputs)} inputs and "
                f"{len(graph_model.outputs)} outputs"
            )
        backbone = cls.__new__(cls)
        shape = tuple(graph_model.inputs[0].shape[1:])
        backbone._assemble(model, shape, preprocessing, application or model.name)
        return backbone

    def _assemble(self, network, input_shape, preprocessing, application):
        inputs = keras.Input(input_shape, name="images")
        images = Preprocessing(preprocessing, name="preprocessing")(inputs)
        num_channels = input_shape[-1]
        changes_colour = num_channels != graph.as_functional(network).inputs[0].shape[-1]
        output, copies = graph.flat_copy(
            network, images, channels.colourless_config if changes_colour else None
        )
        if changes_colour:
            channels.adapt_weights(copies, num_channels)
        self._from_tensors(inputs, output, application, name=network.name)

    def _from_tensors(self, inputs, output, application, name):
        super().__init__(inputs=inputs, outputs=output, name=name)
        self.application = application
        for layer in self.layers:
            follow_trainable(layer)

    @classmethod
    def from_tensors(cls, inputs, output, application, name):
        """The backbone that reaches from one tensor of a flat graph to another.

        Its layers are those of the graph. This is how a reloaded model finds its backbone.
        """
        backbone = cls.__new__(cls)
        backbone._from_tensors(inputs, output, application, name)
        return backbone

    def copy(self):
        """A backbone with layers and weights of its own, equal to this one.

        Two models made of the same `Backbone` share its layers, and with them what is frozen.
        """
        copy = type(self).from_config(self.get_config())
        for original, layer in zip(self.layers, copy.layers, strict=True):
            graph.set_layer_weights(layer, original.get_weights())
        return copy

    def truncated(self, boundary):
        """The backbone up to a boundary, without the layers after it.

        Args:
            boundary: the name of one of `boundaries`.

        Returns:
            A `Backbone` that shares its layers with this one.

        Raises:
            ValueError: if it is no boundary, or nothing before it learns.
        """
        tensor = graph.boundary_tensor(self, boundary)
        kept = type(self).from_tensors(self.inputs[0], tensor, self.application, self.name)
        if not kept.weights:
            raise ValueError(
                f"Nothing before '{boundary}' has weights: there is nothing to transfer. "
                f"The stages end at {[stage.boundary for stage in self.stages]}. "
                f"Received: boundary={boundary!r}"
            )
        return kept

    @functools.cached_property
    def stages(self):
        """A tuple of `Stage`: where the resolution changes; where it does not, blocks."""
        return compute_stages(self)

    @functools.cached_property
    def boundaries(self):
        """The names of the boundaries, where the graph can be cut in two, in order."""
        return tuple(graph.boundaries(self))

    def get_config(self):
        return {
            "name": self.name,
            "application": self.application,
            "graph": keras.Model(self.inputs[0], self.outputs[0], name=self.name).get_config(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        plain = keras.Model.from_config(dict(config["graph"]), custom_objects=custom_objects)
        return cls.from_tensors(
            plain.inputs[0], plain.outputs[0], config["application"], config["name"]
        )


def _check_arguments(row, arguments):
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


def _check_input_shape(row, input_shape):
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
            f"{row.name} needs pictures of at least {row.min_size} pixels in height and "
            f"width. Received: input_shape={tuple(input_shape)}"
        )
    return tuple(input_shape)


def _build(row, size, weights, arguments):
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
