"""Export to a folder that TensorFlow Serving loads."""

import os
import pathlib
import shutil
import uuid
from collections.abc import Sequence

import tensorflow as tf

from keras_transfer._graph_rewriting import graphs_as_traced
from keras_transfer.backbones.inference_function import constant_function
from keras_transfer.data.labeled_dataset import IMAGES
from keras_transfer.models import TransferModel
from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.parity import check_parity
from keras_transfer.serving.signatures import Signatures, check_exportable
from keras_transfer.serving.warmup import write_warmup

_TABLES = (
    tf.lookup.StaticHashTable,
    tf.lookup.StaticVocabularyTable,
    tf.lookup.experimental.MutableHashTable,
)


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

    If the images have neither 1 nor 3 channels, `serving_default` equals `images`. Inputs other
    than images, such as `text`, go into `serving_default` as the model takes them, by name,
    with `_` in the place of what a name of an argument cannot hold, such as a space. A
    network of KerasHub for texts needs the operations of `tensorflow_text`, which TensorFlow
    Serving has.

    Both return, for a `SoftmaxHead`, `probabilities`, `class_index` and `label`; for a
    `SigmoidHead`, `probabilities` and `labels`, the names in the order of the probabilities;
    for a `DenseHead`, `values`; for a `SegmentationHead`, `mask`, the class index of each
    pixel, and `mask_png`, the same as a grey PNG file; for a `CenterHead`, `boxes`, `scores`,
    `class_index`, `num_boxes` and `label`. With several heads the names have a
    prefix: `colour_label`. For an empty batch they are empty.

    Args:
        model: a `TransferModel`.
        directory: the folder of the versions; it is made.
        class_names: the names of the classes in the order of the outputs; a dict of head to
            names for several heads. Defaults to None, those that the model remembers from its
            training data; without these there are no labels.
        examples: paths of a few images, or a dict of the inputs by name, for the comparison and
            as warm-up requests; at most 32 are used. Defaults to None, noise.
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
    check_exportable(model)
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
    specs = signatures.specs
    infer = constant_function(signatures.model, signatures.packed(specs))

    def from_inputs(**inputs):
        outputs = _inferred(infer, signatures.packed(inputs))
        named = signatures.describe(outputs)
        return {**named, **signatures.encoded(outputs, named)}

    def from_served(**inputs):
        return from_inputs(**signatures.decoded(inputs))

    functions = {
        "serving_default": _function(from_served, signatures.served_specs),
        **({IMAGES: _function(from_inputs, specs)} if signatures.takes_images else {}),
    }
    module = tf.Module()
    module.variables_of_graph = list(infer.graph.variables)  # none if they are constants
    module.tables = _tables(signatures.model)
    try:
        # What is served only infers, and gradients would take a third of the time.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(path), functions, options)
    except tf.errors.OpError as error:
        raise OSError(f"TensorFlow cannot write '{path}': {error.message}") from error


def _function(function, specs):
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def _tables(model):
    """The lookup tables of the vocabularies, which TensorFlow saves if it finds them."""
    owners = [*model._flatten_layers()]
    for layer in list(owners):
        preprocessor = getattr(layer, "preprocessor", None)
        owners += [*preprocessor._flatten_layers()] if preprocessor is not None else []
    values = [value for owner in owners for value in vars(owner).values()]
    return [value for value in values if isinstance(value, _TABLES)]


def _inferred(infer, inputs):
    """The outputs for a batch that may be empty, for which TensorFlow's convolutions fail."""
    count = tf.shape(tf.nest.flatten(inputs)[0])[0]

    def one_row():
        return tf.nest.map_structure(lambda x: tf.zeros((1, *x.shape[1:]), x.dtype), inputs)

    some = tf.cond(count > 0, lambda: inputs, one_row)
    some = tf.nest.map_structure(lambda x, given: tf.ensure_shape(x, given.shape), some, inputs)
    return tf.nest.map_structure(lambda output: output[:count], infer(some))


@graphs_as_traced()
def _compare(signatures, path, examples):
    # What the other signature computes is a part of it.
    name = "serving_default"
    served = tf.saved_model.load(str(path)).signatures[name]
    inputs = signatures.decoded(examples)
    check_parity(signatures, inputs, served(**examples), f"the signature '{name}'")


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
