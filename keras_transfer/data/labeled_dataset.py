"""A `tf.data.Dataset` that remembers the names of its classes."""

import functools

import tensorflow as tf

# These change neither the pictures nor their order.
_KEEP_SOURCE = ("cache", "prefetch", "with_options")
# What each transformation does to the number of pictures is known for these alone.
_KEEP_IMAGES = ("map", "rebatch", "shuffle", "unbatch")
_CHANGE_IMAGES = (
    "apply", "batch", "bucket_by_sequence_length", "concatenate", "enumerate", "filter",
    "flat_map", "group_by_window", "ignore_errors", "interleave", "padded_batch",
    "ragged_batch", "rejection_resample", "repeat", "scan", "shard", "skip", "snapshot",
    "sparse_batch", "take", "take_while", "unique", "window",
)  # fmt: skip


class LabeledDataset(tf.data.Dataset):
    """A dataset whose `class_names` survive `map`, `batch`, `take` and the rest.

    Keras hangs `class_names` on a dataset as a plain attribute, and the first `map` loses
    it (keras#16577). Here every method of `tf.data.Dataset` that gives a dataset gives a
    `LabeledDataset` again. It *is* a `tf.data.Dataset`: `model.fit` and `tf.distribute`
    take it as it is. A static method, such as `tf.data.Dataset.zip`, makes a new, plain
    dataset.

    Args:
        dataset: the `tf.data.Dataset` to wrap.
        class_names: the names of the classes, in the order of the labels.
        num_images: how many pictures one pass over the dataset gives; None where that is
            not known. A transformation that may drop or repeat pictures sets it to None.
        source: the `ImageSource` of these pictures, by which features made of them are found
            again; None where it is not known. A transformation that may change the pictures or
            their order sets it to None.
        unaugmented: the dataset of the same pictures before their random changes, or None. It
            is kept where `source` is.
        reduced_decoding: whether large JPEGs are decoded at a part of their size; None if not
            known. It is kept as `class_names` is.

    Example:
        >>> import tensorflow as tf
        >>> from keras_transfer.data import LabeledDataset
        >>> dataset = LabeledDataset(tf.data.Dataset.range(4), ["ants", "bees"], 4)
        >>> dataset.map(lambda number: number + 1).take(2).class_names
        ('ants', 'bees')
    """

    def __init__(
        self,
        dataset,
        class_names,
        num_images=None,
        source=None,
        unaugmented=None,
        reduced_decoding=None,
    ):
        if not isinstance(dataset, tf.data.Dataset):
            raise ValueError(
                "`dataset` must be a `tf.data.Dataset`. "
                f"Received: dataset={dataset!r} (of type {type(dataset).__name__})"
            )
        if isinstance(class_names, str):
            raise ValueError(
                "`class_names` must be a list of names, one for each class. "
                f"Received: class_names={class_names!r}"
            )
        self._dataset = dataset
        self.class_names = tuple(class_names)
        self.num_images = num_images
        self.source = source
        self.unaugmented = unaugmented
        self.reduced_decoding = reduced_decoding
        super().__init__(tf.data.experimental.to_variant(dataset))

    def _inputs(self):
        # Every `tf.data.Dataset` names its inputs: options and `tf.distribute` follow them.
        return [self._dataset]

    @property
    def element_spec(self):
        return self._dataset.element_spec


def _keep_class_names(name, keep_images, keep_source):
    method = getattr(tf.data.Dataset, name)

    @functools.wraps(method)
    def transformation(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        num_images = self.num_images if keep_images else None
        source, unaugmented = (self.source, self.unaugmented) if keep_source else (None, None)
        return LabeledDataset(
            result, self.class_names, num_images, source, unaugmented, self.reduced_decoding
        )

    return transformation


for _names, _keep_images, _keep_source in (
    (_KEEP_SOURCE, True, True),
    (_KEEP_IMAGES, True, False),
    (_CHANGE_IMAGES, False, False),
):
    for _name in _names:
        if hasattr(tf.data.Dataset, _name):  # `ragged_batch` and others came one by one
            _method = _keep_class_names(_name, _keep_images, _keep_source)
            setattr(LabeledDataset, _name, _method)
