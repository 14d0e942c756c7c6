"""Export to one file, for LiteRT, ONNX Runtime or Keras alone."""

import importlib.util
import os
import pathlib
import textwrap
import uuid
import warnings
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer.models import TransferModel
from keras_transfer.serving.examples import example_inputs
from keras_transfer.serving.parity import check_parity
from keras_transfer.serving.signatures import Signatures, check_exportable

# The packages that each format needs in addition to TensorFlow.
_PACKAGES = {".keras": (), ".tflite": (), ".onnx": ("tf2onnx", "onnx", "onnxruntime")}


def export_file(
    model: TransferModel,
    path: str | os.PathLike,
    examples: Sequence | None = None,
    image_size: tuple | int | None = None,
) -> pathlib.Path:
    """Exports a model as one file: `.tflite` for LiteRT, `.onnx` for ONNX Runtime, `.keras`.

    The file is written aside, run, compared with `model.predict` and then renamed. It runs in
    inference mode. It takes `images`, float32 of shape `(batch, height, width, channels)` in
    [0, 255], and returns, for a `SoftmaxHead`, `probabilities` and `class_index`; for a
    `SigmoidHead`, `probabilities`; for a `DenseHead`, `values`; for a `SegmentationHead`,
    `mask`; for a `CenterHead`, `position_boxes` and `position_scores`. With several heads the
    names have a prefix. The program that uses the file decodes and resizes the image, and names
    the class.

    A `.keras` file is what `TransferModel.to_plain` returns: `keras.saving.load_model` loads it
    without this library, and the model returns the output of the heads.

    A `.tflite` file uses only operations of LiteRT, and needs float32 layers. Writing an
    `.onnx` file needs the extra `onnx`.

    Args:
        model: a `TransferModel`.
        path: the file, which ends in `.tflite`, `.onnx` or `.keras`; an existing one is
            replaced.
        examples: paths of a few images, of which at most 32 are read, for the comparison.
            Defaults to None, noise.
        image_size: `(height, width)`, or one integer for both, for a model without a fixed
            input size.

    Returns:
        The path of the file.

    Raises:
        ValueError: if the path has another ending, a `.tflite` file would need half precision,
            a size does not fit, an example is not an image, or the model is not a
            `TransferModel`.
        ImportError: if the packages of the format are not installed.
        RuntimeError: if the model cannot be converted, or the file does not compute the same
            as `model.predict`; `path` is left unchanged.
        OSError: if `path` cannot be written.

    Example:

    >>> serving.export_file(model, "model.onnx").name
    'model.onnx'
    """
    path = pathlib.Path(path)
    _check_format(path)
    check_exportable(model)
    signatures = Signatures(model, image_size=image_size)
    _check_dtypes(model, path)
    inputs = example_inputs(examples, signatures)
    inputs = signatures.decoded(inputs)
    aside = path.with_name(f".writing-{uuid.uuid4().hex}{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".keras":
            model.to_plain().save(aside)
            plain = keras.saving.load_model(aside)
            answers = signatures.describe(plain(signatures.packed(inputs)))
        else:
            _convert(signatures, inputs, aside)
            answers = _run(aside, {name: one.numpy() for name, one in inputs.items()})
        check_parity(signatures, inputs, answers, f"'{path.name}'")
        with open(aside, "r+b") as file:
            os.fsync(file.fileno())
        return aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def can_write_litert():
    """Whether this Keras exports to LiteRT, which it does since 3.13."""
    return tuple(int(part) for part in keras.__version__.split(".")[:2]) >= (3, 13)


def _check_format(path):
    if path.suffix not in _PACKAGES:
        raise ValueError(
            f"`path` must end in '.tflite', '.onnx' or '.keras'. Received: path='{path}'"
        )
    if path.suffix == ".tflite" and not can_write_litert():
        raise RuntimeError(
            "A '.tflite' file needs Keras 3.13 or newer (Python 3.11 or newer). "
            f"Received: path='{path}' under Keras {keras.__version__}"
        )
    missing = [name for name in _PACKAGES[path.suffix] if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(
            f"An '{path.suffix}' file needs {', '.join(missing)}: "
            "pip install tf2onnx onnx onnxruntime"
        )


def _check_dtypes(model, path):
    dtypes = {layer.compute_dtype for layer in model.layers} & {"float16", "bfloat16"}
    if path.suffix == ".tflite" and dtypes:
        raise ValueError(
            "LiteRT computes in float32 only. Build the model under the dtype policy 'float32' "
            "and copy the weights: `copy.set_weights(model.get_weights())`. "
            f"Received: a model with layers that compute in {', '.join(sorted(dtypes))}"
        )


class _Inference(keras.layers.Layer):
    """A model in inference mode, which Keras' ONNX export does not use by itself."""

    def __init__(self, signatures, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.model = signatures.model
        self.signatures = signatures

    def call(self, inputs):
        return self.signatures.infer(inputs)


def _convert(signatures, inputs, path):
    specs = signatures.specs
    texts = sorted(name for name, spec in specs.items() if spec.dtype == tf.string)
    if texts:
        raise ValueError(
            f"A '{path.suffix}' file takes no texts: export to a folder. "
            f"Received: a model with the inputs {texts}"
        )
    given = {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
        for name, spec in specs.items()
    }
    packed = signatures.packed(given)
    inference = keras.Model(packed, _Inference(signatures)(given))
    # Keras exports to ONNX only models that were called.
    inference(signatures.packed({name: one[:1] for name, one in inputs.items()}))
    options = {"format": "onnx"}
    if path.suffix == ".tflite":
        # Keras also allows TensorFlow's operations, which most runtimes do not have.
        supported = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
        options = {"format": "litert", "target_spec": supported}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters use deprecated names
            inference.export(str(path), verbose=False, **options)
    except OSError:
        raise
    except Exception as error:  # the converters raise many kinds
        raise RuntimeError(
            f"The model cannot be converted to '{path.suffix}': {_begin(error)}"
        ) from error


def _begin(error):
    """The beginning of a message; that of a converter may hold the whole graph."""
    return textwrap.shorten(str(error), 300, placeholder=" ...")


def _run(path, inputs):
    try:
        return (_run_litert if path.suffix == ".tflite" else _run_onnx)(str(path), inputs)
    except Exception as error:  # so do the runtimes
        raise RuntimeError(
            f"The model was converted to '{path.suffix}', but its runtime cannot run it. "
            f"Nothing was exported. {_begin(error)}"
        ) from error


def _run_litert(path, inputs):
    with warnings.catch_warnings():
        # A deprecation that was announced for TensorFlow 2.20.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(path)
    return interpreter.get_signature_runner()(**inputs)


def _run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
