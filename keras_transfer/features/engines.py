"""Engines that run a frozen network over images: TensorFlow, and OpenVINO on CPUs."""

import abc
import collections
import importlib.util
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._graph_rewriting import graphs_rewritten
from keras_transfer.backbones.inference_function import constant_function, input_specs
from keras_transfer.backbones.openvino_network import OpenVINONetwork, openvino_core

# Small requests stay in the cores' caches, and several of them keep all cores busy: on two
# cores, requests of 8 images were the fastest of 1, 8, 16 and 32 with every performance hint.
_IMAGES_PER_REQUEST = 8
# A GPU that computes fewer small images waits for the launches of its kernels. Of larger ones
# than 224 x 224 pixels fewer do, and so many would not fit in its memory.
_IMAGES_PER_LAUNCH, _NUMBERS_PER_LAUNCH = 256, 256 * 224 * 224 * 3

Run = Callable[[Iterable], Iterator]


class EngineError(ValueError):
    """An engine cannot run a network, or computes other features than TensorFlow."""


class Engine(abc.ABC):
    """Runs a frozen network over batches of images.

    A subclass sets `name` and defines the two methods below. `FeatureCache(engine=...)` takes
    an instance; to select the engine by its name, add the class to `engines.py`.

    Attributes:
        name: identifies the engine in `FeatureCache(engine=...)` and in the keys of a cache.

    Example:

    >>> run = features.TensorFlowEngine().compile(backbone)
    >>> [found] = run([images.astype("float32")])
    >>> found.shape == backbone(images).shape
    True
    """

    name: str

    @classmethod
    @abc.abstractmethod
    def is_available(cls) -> bool:
        """Whether the packages that the engine needs are installed."""

    def supports(self, stem: keras.Model) -> bool:
        """Whether it is worth a try to compile a network. By default, any."""
        return True

    @abc.abstractmethod
    def compile(self, stem: keras.Model) -> Run:
        """Prepares a network.

        Args:
            stem: a functional `keras.Model`.

        Returns:
            A function that takes an iterable of batches and yields one array of features for
            each, in the same order. A batch of images is a float32 or uint8 array of shape
            `(images, height, width, channels)`; several inputs, or several outputs, are in the
            structure that the network has. It may read a few batches ahead.

        Raises:
            EngineError: if the engine cannot run this network.
        """


class TensorFlowEngine(Engine):
    """Runs a network as a `tf.function`, on the GPU if there is one.

    The dtype policy of the network sets the precision. A backbone that was built under
    `keras.mixed_precision.set_global_policy("mixed_float16")` runs in mixed precision, any
    other in float32 (in TensorFloat-32 on GPUs that support it, TensorFlow's default).
    """

    name = "tensorflow"

    @classmethod
    def is_available(cls) -> bool:
        return True

    def compile(self, stem: keras.Model) -> Run:
        functions = {}
        at_least = _IMAGES_PER_LAUNCH if tf.config.list_logical_devices("GPU") else 1

        def forward(batch):
            # uint8 images are a quarter of the size on their way to a GPU, which casts them.
            batch = tf.nest.map_structure(_tensor_for, input_specs(stem), batch)
            dtypes = tuple(tensor.dtype for tensor in tf.nest.flatten(batch))
            if dtypes not in functions:
                specs = tf.nest.map_structure(_spec_of, input_specs(stem), batch)
                functions[dtypes] = constant_function(stem, specs)
            with graphs_rewritten():
                return functions[dtypes](batch)

        def run(batches):
            pending = None
            for group in _groups(batches, at_least):
                # A GPU computes these images while the features before are copied and written.
                features = forward(group[0] if len(group) == 1 else _joined(group))
                if pending is not None:
                    yield from _split(*pending)
                pending = features, group
            if pending is not None:
                yield from _split(*pending)

        return run


class OpenVINOEngine(Engine):
    """Runs a network in OpenVINO on the CPU, several times faster than TensorFlow.

    It computes in float32; OpenVINO's default is bfloat16 on CPUs that support it. OpenVINO
    comes with the extra `cpu`.
    """

    name = "openvino"

    @classmethod
    def is_available(cls) -> bool:
        return importlib.util.find_spec("openvino") is not None

    def supports(self, stem: keras.Model) -> bool:
        (first, *others) = stem.inputs
        if any(isinstance(layer, OpenVINONetwork) for layer in stem.layers):
            return False  # it runs in OpenVINO by itself
        if {layer.compute_dtype for layer in stem.layers} & {"float16", "bfloat16"}:
            return False  # here it would compute in float32, and return 16 bits as they are
        return not others and len(stem.outputs) == 1 and "float" in first.dtype

    def compile(self, stem: keras.Model) -> Run:
        shape = stem.input_shape[1:]
        if None in shape:
            raise EngineError(
                "OpenVINO needs images of a fixed size. Build the backbone with "
                "`input_shape=(height, width, channels)`, or use `engine='tensorflow'`. "
                f"Received: a network with input shape {shape}"
            )
        core = openvino_core()
        # `openvino.convert_model` reads a graph node by node in Python and takes ten times as
        # long as OpenVINO's own reader of frozen graphs.
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "network.pb"
            try:
                file.write_bytes(
                    constant_function(stem).graph.as_graph_def().SerializeToString()
                )
                network = core.read_model(file)
                network.reshape([_IMAGES_PER_REQUEST, *shape])
                compiled = core.compile_model(
                    network,
                    "CPU",
                    {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"},
                )
            # OpenVINO raises exceptions of many undocumented types.
            except Exception as error:
                raise EngineError(
                    f"OpenVINO cannot convert '{stem.name}': {error} Use `engine='tensorflow'`."
                ) from error
        output_shape = tuple(compiled.output(0).shape)[1:]
        num_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

        def run(batches):
            # OpenVINO's own `AsyncInferQueue` finishes in any order, and can hang.
            idle = [compiled.create_infer_request() for _ in range(num_requests)]
            running = collections.deque()

            def finish_oldest():
                """Returns the features of a batch if this request was its last."""
                request, _, features, rows = running.popleft()
                request.wait()
                features[rows] = request.get_output_tensor(0).data[: len(features[rows])]
                idle.append(request)
                return [features] if rows.stop >= len(features) else []

            for images in batches:
                features = np.empty((len(images), *output_shape), "float32")
                for start in range(0, len(images), _IMAGES_PER_REQUEST):
                    if not idle:
                        yield from finish_oldest()
                    rows = slice(start, start + _IMAGES_PER_REQUEST)
                    given = _float_images(images[rows], _IMAGES_PER_REQUEST)
                    idle[-1].start_async({0: given}, share_inputs=True)
                    # The request shares the memory of `given`, which must live as long.
                    running.append((idle.pop(), given, features, rows))
            while running:
                yield from finish_oldest()

        return run


def _float_images(images, number):
    """Images as float32, followed by zeros up to a number; a copy only if that is necessary."""
    if len(images) == number:
        return np.ascontiguousarray(images, "float32")
    padded = np.zeros((number, *images.shape[1:]), "float32")
    padded[: len(images)] = images
    return padded


def _groups(batches, at_least):
    """Lists of consecutive batches with at least so many images, or fewer large ones."""
    group, number, size = [], 0, 0
    for images in batches:
        group.append(images)
        number += _length(images)
        size += sum(part.size for part in tf.nest.flatten(images))
        if number >= at_least or size >= _NUMBERS_PER_LAUNCH:
            yield group
            group, number, size = [], 0, 0
    if group:
        yield group


def _length(batch):
    return len(tf.nest.flatten(batch)[0])


def _joined(group):
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *group)


def _tensor_for(spec, array):
    is_small = array.dtype == np.uint8 and spec.dtype.is_floating
    return tf.convert_to_tensor(array, "uint8" if is_small else spec.dtype)


def _spec_of(spec, tensor):
    return tf.TensorSpec(spec.shape, tensor.dtype, name=spec.name)


def _split(features, group):
    """The features of each batch in a group."""
    ends = np.cumsum([_length(batch) for batch in group])[:-1]
    parts = [np.split(part.numpy(), ends) for part in tf.nest.flatten(features)]
    return [tf.nest.pack_sequence_as(features, rows) for rows in zip(*parts, strict=True)]


_ENGINES = {engine.name: engine for engine in (TensorFlowEngine, OpenVINOEngine)}


def get_engine(engine: str | Engine = "auto") -> Engine:
    """Returns the engine of a name.

    Args:
        engine: "tensorflow", "openvino", an `Engine`, or "auto" (the default): OpenVINO if it
            is installed and TensorFlow sees neither a GPU nor a TPU, otherwise TensorFlow.

    Returns:
        An `Engine`.

    Raises:
        ValueError: if the name is unknown.
        ImportError: if the engine is not installed.

    Example:

    >>> features.get_engine("tensorflow").name
    'tensorflow'
    """
    if isinstance(engine, Engine):
        return engine
    if engine == "auto":
        has_accelerator = any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))
        uses_openvino = OpenVINOEngine.is_available() and not has_accelerator
        engine = "openvino" if uses_openvino else "tensorflow"
    if engine not in _ENGINES:
        raise ValueError(
            f"`engine` must be 'auto', an `Engine` or one of {sorted(_ENGINES)}. "
            f"Received: engine={engine!r}"
        )
    if not _ENGINES[engine].is_available():
        raise ImportError(
            f"The engine '{engine}' is not installed: pip install openvino. "
            f"Received: engine={engine!r}"
        )
    return _ENGINES[engine]()
