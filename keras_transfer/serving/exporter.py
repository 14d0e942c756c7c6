"""Export to a folder that TensorFlow Serving loads."""

import os
import pathlib
import shutil
import uuid
from collections.abc import Sequence

import tensorflow as tf

from keras_transfer.backbones.inference_function import constant_function
from keras_transfer.models import TransferModel
from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.parity import check_parity
from keras_transfer.serving.signatures import Signatures
from keras_transfer.serving.warmup import write_warmup


def export(
    model: TransferModel,
    directory: str | os.PathLike,
    class_names: Sequence | dict | None = None,
    examples: Sequence | None = None,
    image_size: tuple | int | None = None,
    reduced_decoding: bool | None = None,
) -> pathlib.Path:
    """Exports a `TransferModel` as the next version in a folder for TensorFlow Serving.

    The new version is written aside, compared with `model.predict` and then renamed to
    `directory/1`, `directory/2`, …: a server that polls the folder never loads an incomplete or
    a wrong model. (A killed export leaves a folder `.writing-…`, which servers ignore.) The
    exported model runs in inference mode and contains no augmentation and no optimizer. Its
    signatures:

    - `serving_default` takes `image_bytes`, encoded JPEG, PNG, GIF or BMP images as strings of
      shape `(batch,)`, and decodes and resizes them as in training. It refuses a request with
      an image that would take too much memory or time, before it decodes any;
    - `images` takes `images`, float32 of shape `(batch, height, width, channels)` in [0, 255].

    If the model does not take 1 or 3 channels, `serving_default` equals `images`.

    Both return, for a `SoftmaxHead`, `probabilities`, `class_index` and `label`; for a
    `SigmoidHead`, `probabilities` and `labels`, the names in the order of the probabilities;
    for a `DenseHead`, `values`. With several heads the names have a prefix: `colour_label`. For
    an empty batch they are empty.

    Args:
        model: a `TransferModel`.
        directory: the folder of the versions; it is made.
        class_names: the names of the classes in the order of the outputs; a dict of head to
            names for several heads. Defaults to None, those that the model remembers from its
            training data; without these there are no labels.
        examples: paths of a few images, of which at most 32 are read, for the comparison and as
            warm-up requests. Defaults to None, noise.
        image_size: `(height, width)`, or one integer for both, for a model without a fixed
            input size.
        reduced_decoding: whether `serving_default` decodes a large JPEG at a part of its size.
            Defaults to None, as in training if the model remembers it, else True.

    Returns:
        The path of the new version.

    Raises:
        ValueError: if names or a size do not fit, an example is not an image, or the model is
            not a `TransferModel`.
        RuntimeError: if the export does not compute the same as `model.predict`; nothing is
            left in `directory`. Also in the scope of a `tf.distribute.Strategy`.
        OSError: if `directory` cannot be written.

    Example:

    >>> model.class_names = ["ant", "bee", "wasp"]
    >>> version = serving.export(model, "serving")
    >>> served = tf.saved_model.load(str(version)).signatures["images"]
    >>> sorted(served(images=tf.zeros((1, 16, 16, 3))))
    ['class_index', 'label', 'probabilities']
    """
    if tf.distribute.has_strategy():
        raise RuntimeError(
            "In the scope of a strategy the export cannot be compared with `predict`: call "
            "`export` after the `with` block."
        )
    signatures = Signatures(model, class_names, image_size, reduced_decoding)
    examples = example_inputs(examples, signatures)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # A server that runs as another user could not read a folder of `mkdtemp`.
    aside = directory / f".writing-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        _write(signatures, aside)
        _compare(signatures, aside, examples)
        write_warmup(aside, examples)
        _flush(aside)
        return _rename_to_next_version(aside, directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(signatures, path):
    images = tf.TensorSpec(signatures.image_shape, tf.float32, name="images")
    infer = constant_function(signatures.model, images)

    def from_images(images):
        return signatures.describe(_inferred(infer, images))

    def from_bytes(encoded):
        return from_images(signatures.pixels(encoded))

    functions = {"images": tf.function(from_images, [images], autograph=False)}
    functions["serving_default"] = functions["images"]
    if signatures.takes_bytes:
        encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")
        functions["serving_default"] = tf.function(from_bytes, [encoded], autograph=False)
    module = tf.Module()
    module.variables_of_graph = list(infer.graph.variables)  # none if they are constants
    try:
        tf.saved_model.save(module, str(path), signatures=functions)
    except tf.errors.OpError as error:
        raise OSError(f"TensorFlow cannot write '{path}': {error.message}") from error


def _inferred(infer, images):
    """The outputs for a batch that may be empty, for which TensorFlow's convolutions fail."""
    count = tf.shape(images)[0]
    some = tf.cond(count > 0, lambda: images, lambda: tf.zeros((1, *images.shape[1:])))
    some.set_shape(images.shape)
    return tf.nest.map_structure(lambda output: output[:count], infer(some))


def _compare(signatures, path, examples):
    served = tf.saved_model.load(str(path)).signatures
    images = signatures.pixels(examples) if signatures.takes_bytes else examples
    for name, inputs in {"serving_default": examples, "images": images}.items():
        (key,) = served[name].structured_input_signature[1]
        check_parity(
            signatures, images, served[name](**{key: inputs}), f"the signature '{name}'"
        )


def _flush(folder):
    # A rename reaches the disk before the data: a power cut would leave half a version.
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "r+b") as file:
                os.fsync(file.fileno())


def _rename_to_next_version(aside, directory):
    while True:
        names = [path.name for path in directory.iterdir()]
        versions = [int(name) for name in names if name.isdecimal()]
        target = directory / str(max(versions, default=0) + 1)
        try:
            os.rename(aside, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target
