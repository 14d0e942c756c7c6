"""The way out: a folder that TensorFlow Serving loads."""

import os
import pathlib
import shutil
import uuid

import keras
import tensorflow as tf

from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.parity import check_parity
from keras_transfer.serving.signatures import Signatures
from keras_transfer.serving.warmup import write_warmup


def export(
    model,
    directory,
    class_names=None,
    examples=None,
    image_size=None,
    reduced_decoding=None,
):
    """Exports a `TransferModel` as the next version in a folder for TensorFlow Serving.

    The new version is written aside, compared with `model.predict` and then renamed to
    `directory/1`, `directory/2`, …, so that a server that polls the folder never loads half a
    model or a wrong one. (A killed export leaves a folder `.writing-…`, which servers ignore.)
    It runs in inference mode and holds no augmentation and no optimizer. Its signatures:

    - `serving_default` takes `image_bytes`, encoded JPEG, PNG, GIF or BMP pictures as strings
      of shape `(batch,)`, and decodes and resizes them as training does;
    - `images` takes `images`, float32 of shape `(batch, height, width, channels)` in [0, 255].

    A model of other than 1 or 3 channels, for which there are no encoded pictures, has only
    `images`, which `serving_default` then is too.

    Both give, for a `SoftmaxHead`, `probabilities`, `class_index` and `label`; for a
    `SigmoidHead`, `probabilities` and `labels`, the names in the order of the probabilities;
    for a `DenseHead`, `values`. Several heads put their names in front: `colour_label`.

    Args:
        model: a `TransferModel`.
        directory: the folder of the versions; it is made.
        class_names: the names of the classes in the order of the outputs; a dict of head to
            names for several heads. Defaults to None, those that the model remembers from its
            training data; without these there are no labels.
        examples: paths of a few pictures, at most 32 are read, to compare on and to warm the
            server up with. Defaults to made-up ones.
        image_size: `(height, width)`, or one integer for both, for a model whose input size is
            open.
        reduced_decoding: whether `serving_default` decodes a large JPEG at a part of its size.
            Defaults to None, as in training if the model remembers it, else True.

    Returns:
        The path of the new version.

    Raises:
        ValueError: for names or a size that do not fit, an example that is no picture, or no
            `TransferModel`.
        RuntimeError: if the export does not compute what `model.predict` does; nothing is
            left in `directory` then. In the scope of a `tf.distribute.Strategy`.
        OSError: if `directory` cannot be written.
    """
    if tf.distribute.has_strategy():
        raise RuntimeError(
            "A model that is exported in a strategy's scope cannot be compared with `predict`: "
            "call `export` after the `with` block."
        )
    signatures = Signatures(model, class_names, image_size, reduced_decoding)
    examples = example_inputs(examples, signatures)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # Not by `mkdtemp`, whose folder a server that runs as another user could not read.
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
    # The archive finds the variables by itself; `track` would write each a second time.
    archive = keras.export.ExportArchive()
    images = tf.TensorSpec(signatures.image_shape, tf.float32, name="images")
    from_images = archive.add_endpoint("images", signatures.from_images, [images])
    if signatures.takes_bytes:

        def from_bytes(encoded):
            return from_images(signatures.pixels(encoded))

        encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")
        archive.add_endpoint("serving_default", from_bytes, [encoded])
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(f"TensorFlow cannot write '{path}': {error.message}") from error


def _compare(signatures, path, examples):
    served = tf.saved_model.load(str(path)).signatures
    images = signatures.pixels(examples) if signatures.takes_bytes else examples
    for name, inputs in {"serving_default": examples, "images": images}.items():
        (key,) = served[name].structured_input_signature[1]
        check_parity(
            signatures, images, served[name](**{key: inputs}), f"the signature '{name}'"
        )


def _flush(folder):
    # A rename reaches the disk before the data does: a power cut would leave half a version.
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
