"""Warm-up requests for TensorFlow Serving."""

import importlib.util

import tensorflow as tf


def can_write_warmup():
    """Whether `tensorflow-serving-api`, which knows the format, is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write_warmup(path, examples):
    """Writes `assets.extra/tf_serving_warmup_requests`, where TensorFlow Serving looks for it.

    The first request to a model is slow, because TensorFlow prepares its kernels; the server
    replays these requests before it announces the model. Nothing is written without
    `tensorflow-serving-api` (the extra `serving`).

    Args:
        path: the folder of the exported version.
        examples: a batch of inputs of `serving_default`, a dict by name. Each row becomes a
            request.

    Returns:
        Whether the file was written.
    """
    if not can_write_warmup():
        return False
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    assets = path / "assets.extra"
    assets.mkdir()
    with tf.io.TFRecordWriter(str(assets / "tf_serving_warmup_requests")) as file:
        for index in range(len(next(iter(examples.values())))):
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name="serving_default"),
                inputs={
                    name: tf.make_tensor_proto(rows[index : index + 1].numpy())
                    for name, rows in examples.items()
                },
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            file.write(log.SerializeToString())
    return True
