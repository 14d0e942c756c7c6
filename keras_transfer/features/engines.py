"""Which engine runs the stem."""

import tensorflow as tf

from keras_transfer.features.engine import Engine
from keras_transfer.features.openvino_engine import OpenVINOEngine
from keras_transfer.features.tensorflow_engine import TensorFlowEngine

_ENGINES = {engine.name: engine for engine in (TensorFlowEngine, OpenVINOEngine)}


def get_engine(engine="auto"):
    """The engine of a name.

    Args:
        engine: "tensorflow", "openvino", an `Engine`, or "auto" (the default): OpenVINO where
            it is installed and TensorFlow sees neither a GPU nor a TPU, TensorFlow elsewhere.

    Returns:
        An `Engine`.

    Raises:
        ValueError: for an unknown name.
        ImportError: if the engine is not installed.
    """
    if isinstance(engine, Engine):
        return engine
    if engine == "auto":
        engine = _fastest()
    if engine not in _ENGINES:
        raise ValueError(
            f"`engine` must be 'auto', an `Engine` or one of {sorted(_ENGINES)}. "
            f"Received: engine={engine!r}"
        )
    if not _ENGINES[engine].is_available():
        raise ImportError(
            f"The engine '{engine}' is not installed: pip install 'keras-transfer[cpu]'. "
            f"Received: engine={engine!r}"
        )
    return _ENGINES[engine]()


def _fastest():
    has_accelerator = any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))
    return "openvino" if OpenVINOEngine.is_available() and not has_accelerator else "tensorflow"
