"""Whether a dataset gives the same images in every pass and in every process."""

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

_SOURCES = frozenset(("_TensorDataset", "_TensorSliceDataset", "_RangeDataset"))
# These neither draw nor read anything; the functions of some are looked at.
_STEPS = frozenset(
    (
        "LabeledDataset", "_AssertCardinalityDataset", "_BatchDataset",
        "_ConcatenateDataset", "_FilterDataset",
        "_MapDataset", "_OptionsDataset", "_ParallelBatchDataset", "_ParallelMapDataset",
        "_PrefetchDataset", "_RepeatDataset", "_RestructuredDataset", "_ShardDataset",
        "_SkipDataset", "_TakeDataset", "_UnbatchDataset", "_ZipDataset",
    )
)  # fmt: skip
# What keeps all images of a shuffled dataset, and each as it is.
_AFTER_SHUFFLE = frozenset(
    (
        "LabeledDataset", "_AssertCardinalityDataset", "_BatchDataset",
        "_OptionsDataset", "_ParallelBatchDataset",
        "_PrefetchDataset", "_ShuffleDataset", "_UnbatchDataset",
    )
)  # fmt: skip
# They have a state only formally: what they run is looked at.
_CALLS = frozenset(("Assert", "StatefulPartitionedCall", "If", "While", "Case"))


def is_pure(dataset):
    """Whether a dataset consists of tensors and of operations that always give the same.

    Files, Python code, random numbers and variables are outside the dataset. Shuffling
    is pure if it changes the order only.
    """
    name = type(dataset).__name__
    in_any_order = getattr(dataset, "_deterministic", None) == "false"
    if in_any_order or dataset.options().deterministic is False:
        return False
    if name in _SOURCES:
        return True
    if getattr(dataset, "only_checks", False):  # of `CheckedData`: calls Python for an error
        return _inputs_are_pure(dataset)
    if name == "_ShuffleDataset" or (name == "CacheDataset" and _is_in_memory(dataset)):
        return _inputs_are_pure(dataset)
    if name not in _STEPS or (is_shuffled(dataset) and not _keeps_images(dataset)):
        return False
    return all(map(_is_pure_function, dataset._functions())) and _inputs_are_pure(dataset)


def is_shuffled(dataset):
    """Whether a dataset that is pure has another order in each pass."""
    is_own = type(dataset).__name__ == "_ShuffleDataset"
    if is_own and getattr(dataset, "_reshuffle_each_iteration", None) is not False:
        return True
    return any(map(is_shuffled, dataset._inputs()))


def _inputs_are_pure(dataset):
    return all(map(is_pure, dataset._inputs()))


def _keeps_images(dataset):
    dropped = getattr(dataset, "_drop_remainder", False)
    return type(dataset).__name__ in _AFTER_SHUFFLE and not bool(dropped)


def _is_in_memory(dataset):
    return getattr(dataset, "_filename", None) is not None and not dataset._filename.numpy()


def _is_pure_function(wrapper):
    function = wrapper.function
    # Variables, tables and iterators are captured by reference.
    captured = all(
        each.dtype not in (tf.resource, tf.variant) for each in function.captured_inputs
    )
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return captured and all(_is_pure_operation(node.op) for node in nodes)


def _is_pure_operation(name):
    if name in _CALLS:
        return True
    # Only some of those that read files or call Python say that they have a state.
    definition = op_def_registry.get(name)
    is_outside = any(part in name for part in ("PyFunc", "File", "Read"))
    return definition is not None and not definition.is_stateful and not is_outside
