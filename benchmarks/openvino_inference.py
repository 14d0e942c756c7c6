"""OpenVINO without anything around it: the rate that an extraction cannot exceed."""

import itertools
import time

import numpy as np
import openvino
import tensorflow as tf

_HINTS = ("LATENCY", "THROUGHPUT")
_BATCH_SIZES = (8, 32)


class OpenVinoInference:
    """A compiled network and a queue of asynchronous requests.

    Args:
        graph: what `convert` returned; it is left as it is.
        hint: OpenVINO's performance hint.
        batch_size: pictures in a request.
    """

    def __init__(self, graph, hint, batch_size):
        graph = graph.clone()
        graph.reshape([batch_size, *list(graph.input(0).partial_shape)[1:]])
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(graph, "CPU", settings)
        self.hint = hint
        self.batch_size = batch_size
        self._queue = openvino.AsyncInferQueue(compiled)
        self._queue.set_callback(_keep)

    def __call__(self, images):
        """The features of pictures, whose number is a multiple of the batch size."""
        outputs = {}
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            tensor = openvino.Tensor(batch, shared_memory=True)
            self._queue.start_async({0: tensor}, (outputs, start))
        self._queue.wait_all()
        return np.concatenate([outputs[start] for start in sorted(outputs)])


def _keep(request, place):
    outputs, start = place
    outputs[start] = request.get_output_tensor(0).data.copy()


def convert(stem):
    """OpenVINO's graph of a Keras model."""

    @tf.function(
        input_signature=[tf.TensorSpec((None, *stem.input_shape[1:]))], autograph=False
    )
    def features(images):
        return stem(images, training=False)

    return openvino.convert_model(features)


def fastest(stem, images):
    """The fastest of the settings on a few pictures."""
    graph = convert(stem)
    candidates = [
        OpenVinoInference(graph, *setting)
        for setting in itertools.product(_HINTS, _BATCH_SIZES)
    ]
    return min(candidates, key=lambda candidate: _seconds(candidate, images))


def _seconds(inference, images):
    inference(images)
    started = time.perf_counter()
    inference(images)
    return time.perf_counter() - started
