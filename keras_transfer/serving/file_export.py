"""The way out: one file, for a telephone or another runtime."""

import importlib.util
import os
import pathlib
import uuid
import warnings

import keras
import tensorflow as tf

from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.parity import check_parity
from keras_transfer.serving.signatures import Signatures

# The packages that each format needs beside TensorFlow.
_PACKAGES = {".tflite": (), ".onnx": ("tf2onnx", "onnx", "onnxruntime")}


def export_file(model, path, examples=None, image_size=None):
    """Exports a `TransferModel` as one file: `.tflite` for LiteRT, `.onnx` for ONNX Runtime.

    The file is written aside, run, compared with `model.predict` and then renamed, so that a
    file at `path` is whole and right. It runs in inference mode. It takes `images`, float32 of
    shape `(batch, height, width, channels)` in [0, 255], and gives, for a `SoftmaxHead`,
    `probabilities` and `class_index`; for a `SigmoidHead`, `probabilities`; for a `DenseHead`,
    `values`. Several heads put their names in front. Decoding and resizing the picture and
    naming the class are left to the program that uses the file.

    A `.tflite` file needs LiteRT's own operations only, and float32 layers. An `.onnx` file
    needs the extra `onnx` to be written.

    Args:
        model: a `TransferModel`.
        path: the file, which ends in `.tflite` or `.onnx`; one that is there is replaced.
        examples: paths of a few pictures, at most 32 are read, to compare on. Defaults to
            made-up ones.
        image_size: `(height, width)`, or one integer for both, for a model whose input size is
            open.

    Returns:
        The path of the file.

    Raises:
        ValueError: for another ending, half precision in a `.tflite` file, a size that does not
            fit, an example that is no picture, or no `TransferModel`.
        ImportError: if the format's packages are not installed.
        RuntimeError: if the model cannot be converted, or the file does not compute what
            `model.predict` does; `path` is left as it was.
        OSError: if `path` cannot be written.
    """
    path = pathlib.Path(path)
    _check_format(path)
    signatures = Signatures(model, image_size=image_size)
    _check_dtypes(model, path)
    examples = example_inputs(examples, signatures)
    images = signatures.pixels(examples) if signatures.takes_bytes else examples
    aside = path.with_name(f".writing-{uuid.uuid4().hex}{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _convert(signatures, images, aside)
        check_parity(signatures, images, _run(aside, images.numpy()), f"'{path.name}'")
        with open(aside, "r+b") as file:
            os.fsync(file.fileno())
        return aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def can_write_litert():
    """Whether Keras exports to LiteRT, as it does since 3.13."""
    return tuple(int(part) for part in keras.__version__.split(".")[:2]) >= (3, 13)


def _check_format(path):
    if path.suffix not in _PACKAGES:
        raise ValueError(f"`path` must end in '.tflite' or '.onnx'. Received: path='{path}'")
    if path.suffix == ".tflite" and not can_write_litert():
        raise RuntimeError(
            "A '.tflite' file needs Keras 3.13 or newer (Python 3.11 or newer). "
            f"Received: path='{path}' under Keras {keras.__version__}"
        )
    missing = [name for name in _PACKAGES[path.suffix] if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(
            f"An '{path.suffix}' file needs {', '.join(missing)}: "
            "pip install 'keras-transfer[onnx]'"
        )


def _check_dtypes(model, path):
    dtypes = {layer.compute_dtype for layer in model.layers} & {"float16", "bfloat16"}
    if path.suffix == ".tflite" and dtypes:
        raise ValueError(
            "LiteRT computes in float32 only. Build the model again under the dtype policy "
            "'float32' and give it these weights: `copy.set_weights(model.get_weights())`. "
            f"Received: a model with layers that compute in {', '.join(sorted(dtypes))}"
        )


class _Inference(keras.layers.Layer):
    """The answers of a model in inference mode, which Keras' ONNX export does not ask for."""

    def __init__(self, signatures, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.model = signatures.model
        self.signatures = signatures

    def call(self, images):
        return self.signatures.from_images(images)


def _convert(signatures, images, path):
    inputs = keras.Input(signatures.image_shape[1:], dtype="float32", name="images")
    inference = keras.Model(inputs, _Inference(signatures)(inputs))
    inference(images[:1])  # Keras exports to ONNX only what was called once
    options = {"format": "onnx"}
    if path.suffix == ".tflite":
        # Keras allows TensorFlow's operations as well, which most runtimes do not have.
        supported = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
        options = {"format": "litert", "target_spec": supported}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that the converters use, deprecated
            inference.export(str(path), verbose=False, **options)
    except OSError:
        raise
    except Exception as error:  # the converters raise whatever they meet
        raise RuntimeError(
            f"The model cannot be converted to '{path.suffix}': {error}"
        ) from error


def _run(path, images):
    try:
        return (_run_litert if path.suffix == ".tflite" else _run_onnx)(str(path), images)
    except Exception as error:  # the runtimes as well
        raise RuntimeError(
            f"The model was converted to '{path.suffix}', but its runtime cannot run it. "
            f"Nothing was exported. {error}"
        ) from error


def _run_litert(path, images):
    with warnings.catch_warnings():
        # Of a deletion that was announced for TensorFlow 2.20.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(path)
    return interpreter.get_signature_runner()(images=images)


def _run_onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))
