"""Requests that a server answers before it takes others."""

import importlib.util

import tensorflow as tf


def can_write_warmup():
    """Whether `tensorflow-serving-api`, which knows the format, is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write_warmup(path, encoded):
    """Writes `assets.extra/tf_serving_warmup_requests`, where TensorFlow Serving looks for it.

    The first request to a model is slow, since TensorFlow makes its kernels then; the server
    replays these before it says that the model is available. Nothing is written without
    `tensorflow-serving-api` (the extra `serving`).

    Args:
        path: the folder of the exported version.
        encoded: encoded pictures, a list of bytes; each becomes a request.

    Returns:
        Whether the file was written.
    """
    if not can_write_warmup():
        return False
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    assets = path / "assets.extra"
    assets.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(assets / "tf_serving_warmup_requests")) as file:
        for contents in encoded:
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name="serving_default"),
                inputs={"image_bytes": tf.make_tensor_proto([contents], dtype=tf.string)},
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            file.write(log.SerializeToString())
    return True
