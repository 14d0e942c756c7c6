"""What an exported model takes and returns."""

import functools
import re

import keras
import tensorflow as tf

from keras_transfer.data.decoding import check_image_size, decode_and_resize
from keras_transfer.data.decoding_limits import map_images
from keras_transfer.data.labeled_dataset import IMAGE_BYTES, IMAGES
from keras_transfer.models.checks import check_model


def check_exportable(model):
    """Raises `ValueError` if another library computes a part of a model."""
    backbone = getattr(model, "backbone", None)
    if backbone is not None and not backbone.can_train:
        raise ValueError(
            "OpenVINO runs the network of this model, which an export cannot hold: save it "
            "with `model.save('model.keras')`, or make the network with `Backbone.from_onnx`. "
            f"Received: a model of '{backbone.name}'"
        )


class Signatures:
    """The functions of an exported model, from its inputs to named tensors.

    Args:
        model: a `TransferModel`.
        class_names: the names of the classes in the order of the outputs; a dict of head to
            names for several heads. Defaults to None, those that the model remembers.
        image_size: `(height, width)` in pixels, or one integer for both; needed only where
            the model leaves its input size open.
        reduced_decoding: whether a large JPEG may be decoded at a part of its size, as
            `decode_and_resize` does it. Defaults to None, as in training if the model remembers
            it, else True.

    Raises:
        ValueError: if the model is not a `TransferModel`, names do not fit, or the image size
            is missing or not that of the model.
    """

    def __init__(self, model, class_names=None, image_size=None, reduced_decoding=None):
        check_model(model, ", or export a model of Keras with its own `model.export(path)`")
        self.model = model
        if class_names is None:
            class_names = model.class_names
        self.class_names = _names_by_head(model, class_names)
        self.takes_images = model.backbone.takes_images
        if self.takes_images:
            self.image_size = _image_size(model.backbone.input_shape, image_size)
            self.channels = model.backbone.input_shape[-1]
        elif image_size is not None:
            raise ValueError(f"The model takes no images. Received: image_size={image_size!r}")
        if reduced_decoding is None:
            reduced_decoding = model.reduced_decoding
        self.reduced_decoding = True if reduced_decoding is None else reduced_decoding

    @property
    def image_shape(self):
        """The shape of a batch of images, with None for the batch."""
        return (None, *self.image_size, self.channels)

    @property
    def takes_bytes(self):
        """Whether the model takes grey or RGB images, which can be decoded from bytes."""
        return self.takes_images and self.channels in (1, 3)

    @property
    def specs(self):
        """A dict of the name of each input, as an argument, to its `TensorSpec`."""
        arguments = self.arguments
        specs = {
            arguments[one.name]: tf.TensorSpec(one.shape, one.dtype, name=arguments[one.name])
            for one in self.model.inputs
        }
        if self.takes_images:
            (images,) = self.model.backbone.input_names
            specs[images] = tf.TensorSpec(self.image_shape, tf.float32, name=images)
        return specs

    @property
    def served_specs(self):
        """The same for the signature `serving_default`, with encoded images."""
        if not self.takes_bytes:
            return self.specs
        specs = dict(self.specs)
        del specs[IMAGES]
        return {IMAGE_BYTES: tf.TensorSpec((None,), tf.string, name=IMAGE_BYTES), **specs}

    def decoded(self, inputs):
        """The inputs of the model from those of `serving_default`, dicts by name."""
        if not self.takes_bytes:
            return inputs
        rest = {name: value for name, value in inputs.items() if name != IMAGE_BYTES}
        return {IMAGES: self.pixels(inputs[IMAGE_BYTES]), **rest}

    def packed(self, inputs):
        """A dict by argument in the structure that the model takes."""
        named = {name: inputs[argument] for name, argument in self.arguments.items()}
        return named if self.model.inputs[1:] else next(iter(named.values()))

    @functools.cached_property
    def arguments(self):
        """A dict of the name of each input to an argument: names of columns may hold spaces."""
        found: dict = {}
        for one in self.model.inputs:
            argument = re.sub(r"\W", "_", one.name)
            # TensorFlow takes no name that begins with a digit.
            argument = f"input_{argument}" if not argument[:1].isalpha() else argument
            while argument in found.values():
                argument = f"{argument}_{len(found)}"
            found[one.name] = argument
        return found

    def infer(self, inputs):
        """The named outputs for a dict of inputs, in inference mode."""
        return self.describe(self.model(self.packed(inputs), training=False))

    def describe(self, outputs):
        """The outputs of the model as named tensors."""
        if not isinstance(self.model.heads, dict):
            return _describe(self.model.heads, outputs, self.class_names[None])
        return {
            f"{name}_{key}": value
            for name, head in self.model.heads.items()
            for key, value in _describe(head, outputs[name], self.class_names[name]).items()
        }

    @property
    def pixels(self):
        """A function from encoded images, shape `(batch,)`, to pixels, as in training."""
        return _pixels(
            self.image_size, self.channels, self.reduced_decoding, self.model.value_range
        )

    def encoded(self, outputs, named):
        """What an export for TensorFlow Serving returns beside `describe`."""
        heads = self.model.heads
        if not isinstance(heads, dict):
            return _encoded(heads, outputs, named, self.class_names[None])
        found = {}
        for name, head in heads.items():
            own = {key.removeprefix(f"{name}_"): one for key, one in named.items()}
            more = _encoded(head, outputs[name], own, self.class_names[name])
            found |= {f"{name}_{key}": one for key, one in more.items()}
        return found


@functools.lru_cache(maxsize=16)
def _pixels(image_size, channels, reduced_decoding, value_range):
    """Traced once for a process, which may export several models and versions."""

    def one(contents):
        return decode_and_resize(
            contents,
            image_size,
            channels,
            reduced_decoding=reduced_decoding,
            value_range=value_range,
        )

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def pixels(encoded):
        return map_images(one, encoded)

    return pixels.get_concrete_function()


def _names_by_head(model, class_names):
    if not isinstance(model.heads, dict):
        return {None: _names_of(model.heads, class_names, "The head")}
    class_names = {} if class_names is None else class_names
    if not isinstance(class_names, dict) or not class_names.keys() <= model.heads.keys():
        raise ValueError(
            f"The model has the heads {sorted(model.heads)}: `class_names` must be a dict with "
            f"the names for any of them. Received: class_names={class_names!r}"
        )
    return {
        name: _names_of(head, class_names.get(name), f"The head '{name}'")
        for name, head in model.heads.items()
    }


def _names_of(head, names, which):
    if names is None:
        return None
    if not head.num_names:
        raise ValueError(
            f"{which} predicts numbers, not classes: it takes no names. "
            f"Received: class_names={names!r}"
        )
    if isinstance(names, str | bytes | dict) or len(names) != head.num_names:
        raise ValueError(
            f"{which} has {head.num_names} outputs: pass a list with a name for each. "
            f"Received: class_names={names!r}"
        )
    try:
        return tuple(str(name).encode().decode() for name in names)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Names must be valid Unicode. Received: class_names={names!r}"
        ) from error


def _image_size(input_shape, image_size):
    expected = input_shape[1:3]
    if image_size is None:
        if None in expected:
            raise ValueError(
                "The model takes images of any size, but those of a batch must be equal: pass "
                "`image_size=(height, width)`. Received: image_size=None"
            )
        return expected
    size = check_image_size(image_size)
    if any(side not in (None, given) for side, given in zip(expected, size, strict=True)):
        raise ValueError(
            f"The model takes images of {expected[0]} x {expected[1]} pixels. "
            f"Received: image_size={image_size!r}"
        )
    return size


def _describe(head, output, class_names):
    return head.named_outputs(keras.ops.cast(output, "float32"), class_names)


def _encoded(head, output, named, class_names):
    return head.encoded_outputs(keras.ops.cast(output, "float32"), named, class_names)
