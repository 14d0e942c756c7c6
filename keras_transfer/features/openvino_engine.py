"""The stem in Intel's inference engine, which is several times faster on a CPU."""

import collections
import importlib.util

import numpy as np

from keras_transfer.features.engine import Engine, EngineError
from keras_transfer.features.tensorflow_engine import inference_function

# Small batches stay in the cores' caches, and several requests keep all cores busy: on two
# cores 8 pictures a request was the fastest of 1, 8, 16 and 32 with every hint that was tried.
_PICTURES_PER_REQUEST = 8


class OpenVINOEngine(Engine):
    """Runs a network in OpenVINO on the CPU, in float32 (extra `cpu`).

    OpenVINO would take bfloat16 by itself on processors that have it; it is told to compute in
    float32.
    """

    name = "openvino"

    @classmethod
    def is_available(cls):
        return importlib.util.find_spec("openvino") is not None

    def compile(self, stem):
        import openvino

        try:
            network = openvino.convert_model(inference_function(stem))
        # Its converter raises exceptions of many kinds, none of them documented.
        except Exception as error:
            raise EngineError(
                f"OpenVINO cannot convert '{stem.name}': {error} Use `engine='tensorflow'`."
            ) from error
        rows = _PICTURES_PER_REQUEST
        network.reshape([rows, *_static(stem.input_shape[1:])])
        compiled = openvino.Core().compile_model(
            network,
            "CPU",
            {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"},
        )
        output_shape = tuple(compiled.output(0).shape)[1:]

        def run(batches):
            requests = _Requests(compiled)
            ready = collections.deque()
            for images in batches:
                features = np.empty((len(images), *output_shape), "float32")
                for start in range(0, len(images), rows):
                    requests.start(images[start : start + rows], features[start : start + rows])
                ready.append((features, requests.started))
                if len(ready) > 1:
                    yield requests.finished(*ready.popleft())
            while ready:
                yield requests.finished(*ready.popleft())

        return run


class _Requests:
    """Requests that run beside each other and are finished in the order of their start.

    (OpenVINO's own queue finishes them in any order, and has been seen to wait for ever.)
    """

    def __init__(self, compiled):
        number = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle = [compiled.create_infer_request() for _ in range(number)]
        self._running = collections.deque()
        self.started = 0

    def start(self, images, features):
        """Starts on some pictures; `features` gets what comes out."""
        if not self._idle:
            self._finish_oldest()
        padded = np.zeros((_PICTURES_PER_REQUEST, *images.shape[1:]), "float32")
        padded[: len(images)] = images
        request = self._idle.pop()
        request.start_async({0: padded}, share_inputs=True)
        # The request reads the pictures where they are: they must live until it is done.
        self._running.append((request, padded, features))
        self.started += 1

    def finished(self, features, started):
        """`features`, once the first `started` requests are done."""
        while self.started - len(self._running) < started:
            self._finish_oldest()
        return features

    def _finish_oldest(self):
        request, _, features = self._running.popleft()
        request.wait()
        features[:] = request.get_output_tensor(0).data[: len(features)]
        self._idle.append(request)


def _static(shape):
    if None in shape:
        raise EngineError(
            "OpenVINO needs pictures of a fixed size. Build the backbone with "
            "`input_shape=(height, width, channels)`, or use `engine='tensorflow'`. "
            f"Received: a network with input shape {shape}"
        )
    return shape
