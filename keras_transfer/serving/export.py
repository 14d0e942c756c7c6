"""The way out: a folder that TensorFlow Serving loads."""

import os
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.serving.signatures import Signatures
from keras_transfer.serving.warmup import write_warmup

# float32 in another order of summation; half precision has 3 digits.
_TOLERANCE = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}


def export(model, directory, class_names=None, examples=None, image_size=None):
    """Exports a `TransferModel` as the next version in a folder for TensorFlow Serving.

    The new version is written aside, compared with `model.predict` and then renamed to
    `directory/1`, `directory/2`, …, so that a server that polls the folder never loads half a
    model or a wrong one. It runs in inference mode and holds no augmentation. Its signatures:

    - `serving_default` takes `image_bytes`, encoded JPEG, PNG, GIF or BMP pictures as strings
      of shape `(batch,)`, and decodes and resizes them as training does;
    - `images` takes `images`, float32 of shape `(batch, height, width, channels)` in [0, 255].

    Both give, for a `SoftmaxHead`, `probabilities`, `class_index` and `label`; for a
    `SigmoidHead`, `probabilities` and `labels`, the names in the order of the probabilities;
    for a `DenseHead`, `values`. Several heads put their names in front: `colour_label`.

    Args:
        model: a `TransferModel`.
        directory: the folder of the versions; it is made.
        class_names: the names of the classes in the order of the outputs; a dict of head to
            names for several heads. Defaults to None: no labels.
        examples: paths of a few pictures to compare on and to warm the server up with.
            Defaults to made-up ones.
        image_size: `(height, width)` for a model whose input size is open.

    Returns:
        The path of the new version.

    Raises:
        ValueError: for names that do not fit, a model without an input size, or no
            `TransferModel`.
        RuntimeError: if the export does not compute what `model.predict` does; nothing is
            left in `directory` then.
        OSError: if `directory` cannot be written.
    """
    if not hasattr(model, "freeze_policy"):
        raise ValueError(
            f"`model` must be a `TransferModel`. Received: model of type {type(model).__name__}"
        )
    names = _checked_names(model, class_names)
    signatures = Signatures(model, names, _image_size(model, image_size))
    encoded = _encoded_examples(examples, signatures.image_shape())
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(dir=directory, prefix=".writing-"))
    try:
        _write(model, signatures, aside)
        _compare(model, signatures, aside, encoded)
        write_warmup(aside, encoded)
        aside.chmod(0o755)  # mkdtemp makes it private; a server runs as another user
        return _rename_to_next_version(aside, directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _checked_names(model, class_names):
    if not isinstance(model.heads, dict):
        class_names = {None: class_names}
        heads = {None: model.heads}
    else:
        class_names = class_names or {}
        heads = model.heads
        unknown = set(class_names) - set(heads)
        if unknown:
            raise ValueError(
                f"`class_names` names heads that the model does not have: {sorted(unknown)}. "
                f"It has {sorted(heads)}. Received: class_names={class_names!r}"
            )
    for name, names in class_names.items():
        if names is not None and len(names) != heads[name].units:
            head = "The head" if name is None else f"The head '{name}'"
            raise ValueError(
                f"{head} has {heads[name].units} outputs, which need as many names. "
                f"Received: {len(names)} class names"
            )
    return {name: names and tuple(map(str, names)) for name, names in class_names.items()}


def _image_size(model, image_size):
    size = model.input_shape[1:3] if image_size is None else image_size
    size = (size, size) if isinstance(size, int) else tuple(size)
    if None in size:
        raise ValueError(
            "The model takes pictures of any size, but those of a batch must be alike. Say "
            f"which: `image_size=(height, width)`. Received: image_size={image_size!r}"
        )
    return size


def _encoded_examples(examples, image_shape):
    if examples is not None:
        if not len(examples):
            raise ValueError("`examples` must be paths of pictures. Received: an empty list")
        return [pathlib.Path(path).read_bytes() for path in examples]
    random = np.random.default_rng(0)
    shape = (2, *image_shape[1:3], 1 if image_shape[3] == 1 else 3)
    pictures = random.integers(0, 256, shape, dtype=np.uint8)
    return [tf.io.encode_png(picture).numpy() for picture in pictures]


def _write(model, signatures, path):
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        signatures.from_bytes,
        input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")],
    )
    archive.add_endpoint(
        "images",
        signatures.from_images,
        input_signature=[tf.TensorSpec(signatures.image_shape(), tf.float32, name="images")],
    )
    archive.write_out(str(path), verbose=False)


def _compare(model, signatures, path, encoded):
    """Holds what the written model answers against `predict`, on the same pictures."""
    served = tf.saved_model.load(str(path))
    contents = tf.constant(encoded)
    images = signatures.pixels(contents)
    predicted = model.predict(images, verbose=0)
    expected = predicted if isinstance(predicted, dict) else {"": predicted}
    answers = {
        "serving_default": served.signatures["serving_default"](image_bytes=contents),
        "images": served.signatures["images"](images=images),
    }
    for signature, answer in answers.items():
        for head, values in expected.items():
            prefix = f"{head}_" if head else ""
            key = f"{prefix}probabilities"
            got = answer[key if key in answer else f"{prefix}values"].numpy()
            _check_close(got, np.asarray(values), signature, model.compute_dtype)


def _check_close(got, expected, signature, dtype):
    scale = max(float(np.max(np.abs(expected))), 1e-6)
    difference = float(np.max(np.abs(got - expected))) / scale
    if not difference <= _TOLERANCE.get(dtype, 1e-5):
        raise RuntimeError(
            f"The exported model does not compute what `predict` does: signature "
            f"'{signature}' differs by {difference:.2g} of the largest output. Nothing was "
            "exported. Does a layer behave differently in a traced graph?"
        )


def _rename_to_next_version(aside, directory):
    while True:
        versions = [int(path.name) for path in directory.iterdir() if path.name.isdigit()]
        target = directory / str(max(versions, default=0) + 1)
        try:
            os.rename(aside, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target
