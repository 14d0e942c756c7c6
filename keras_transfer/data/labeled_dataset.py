"""A `tf.data.Dataset` that keeps the names of its classes and the source of its images."""

import collections.abc
import dataclasses
import functools
import typing

import tensorflow as tf

if typing.TYPE_CHECKING:
    from keras_transfer.data.augmentation import Augmentation

# The name of the images among several inputs.
IMAGES, IMAGE_BYTES = "images", "image_bytes"
# These change neither the images nor their order.
_KEEP_SOURCE = ("cache", "prefetch", "with_options")
# These change the order or the images, but not their number.
_KEEP_NUMBER = ("map", "rebatch", "shuffle", "unbatch")
_CHANGE_NUMBER = (
    "apply", "batch", "bucket_by_sequence_length", "concatenate", "enumerate", "filter",
    "flat_map", "group_by_window", "ignore_errors", "interleave", "padded_batch",
    "ragged_batch", "rejection_resample", "repeat", "scan", "shard", "skip", "snapshot",
    "sparse_batch", "take", "take_while", "unique", "window",
)  # fmt: skip


def without_autotuning(dataset):
    """A dataset without TensorFlow's autotuning, for fixed numbers of threads and buffers.

    At the end of a pass TensorFlow waits for the thread of the autotuning, which sometimes
    sleeps for ten seconds.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSource:
    """The single images of a dataset, in a fixed order, from any of them on.

    A `tf.data.Dataset` cannot be compared with another one. Its source can, by the
    fingerprint, so features computed from its images can be stored and found again.

    Attributes:
        examples: function from the index of the first example to a `tf.data.Dataset` of
            `(image, label)` pairs, not augmented.
        num_images: number of images.
        fingerprint: string that changes with the images, the labels, their order and the
            image size; None if every pass gives other images.
        batch_size: images in a batch of the dataset.
        shuffle: whether each epoch of the dataset has another order.
        seed: seed of that order.
        augmentation: the `Augmentation` of the dataset, or None.
        fixed_order: whether every pass gives the images in the same order. Defaults to True.
        name: where the images come from, for tables. Defaults to "", unknown.
        is_reproducible: whether the fingerprint says what every pass gives, in other processes
            too. Defaults to True.
        in_random_order: whether the first images are a random sample of all. Defaults to False.
        groups: the group of each example, None for one without. Defaults to None, no groups.
    """

    examples: collections.abc.Callable
    num_images: int
    fingerprint: str | None
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    augmentation: "Augmentation | None" = None
    fixed_order: bool = True
    name: str = ""
    is_reproducible: bool = True
    in_random_order: bool = False
    groups: tuple | None = None

    @property
    def can_be_found(self):
        """Whether features of these images can be stored and found again."""
        return self.fingerprint is not None and self.is_reproducible

    @property
    def draws_differ(self):
        """Whether two passes give different images."""
        return self.augmentation is not None or self.fingerprint is None

    def mapped(self, function, what):
        """The same images after a function of an example, which `what` describes."""
        function = tf.autograph.experimental.do_not_convert(function)
        made, digest = self.examples, self.fingerprint

        def examples(start=0):
            return made(start).map(function)

        return dataclasses.replace(
            self, examples=examples, fingerprint=digest and f"{digest} {what}"
        )

    def first(self, number):
        """The first images."""
        made, digest = self.examples, self.fingerprint
        return dataclasses.replace(
            self,
            examples=lambda start=0: made(start).take(max(number - start, 0)),
            num_images=min(number, self.num_images),
            groups=self.groups and self.groups[:number],
            fingerprint=digest and f"{digest} first {number}",
        )

    def augmented(self, augmentation):
        """The same images with an augmentation; None if they already have one."""
        if self.augmentation is not None:
            return None
        return dataclasses.replace(self, augmentation=augmentation)


class LabeledDataset(tf.data.Dataset):
    """A dataset whose `class_names` survive `map`, `batch`, `take` and so on.

    Keras sets `class_names` as a plain attribute of a dataset, and the first `map` drops it
    (keras#16577). Here, every method of `tf.data.Dataset` that returns a dataset returns a
    `LabeledDataset`. It is a `tf.data.Dataset`: `model.fit` and `tf.distribute` accept it.
    Static methods such as `tf.data.Dataset.zip` return a plain dataset.

    Args:
        dataset: the `tf.data.Dataset` to wrap.
        class_names: names of the classes, in the order of the labels.
        num_images: number of images in one pass. Defaults to None, unknown. A transformation
            that may drop or repeat images sets it to None.
        source: the `ImageSource` of the images, by which cached features are found. Defaults
            to None, unknown. A transformation that may change the images or their order sets
            it to None.
        unaugmented: the dataset of the same images before augmentation, or None. Kept where
            `source` is kept.
        reduced_decoding: whether large JPEGs are decoded at a reduced size. Defaults to None,
            unknown. Always kept.
        value_range: the value that is white in images of more than 8 bits. Defaults to None:
            65535. Always kept.

    Example:
        >>> dataset = LabeledDataset(tf.data.Dataset.range(4), ["ants", "bees"], 4)
        >>> dataset.map(lambda number: number + 1).take(2).class_names
        ('ants', 'bees')
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        class_names: collections.abc.Sequence[str],
        num_images: int | None = None,
        source: ImageSource | None = None,
        unaugmented: tf.data.Dataset | None = None,
        reduced_decoding: bool | None = None,
        value_range: float | None = None,
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
        self.value_range = value_range
        super().__init__(tf.data.experimental.to_variant(dataset))

    @property
    def unlabelled(self) -> "LabeledDataset":
        """The same images without their labels, which are dropped here once and for all.

        Use it for the images of a target domain: nothing that trains on it can use a label.

        Raises:
            ValueError: if the augmentation mixes images and labels.

        Example:
            >>> splits.train.unlabelled.element_spec.shape
            TensorShape([None, 16, 16, 3])
        """
        source = self.source
        if source is not None:
            if source.augmentation is not None and source.augmentation.mixes_labels:
                raise ValueError(
                    "The augmentation mixes images with their labels: drop the labels of the "
                    "data before it, or use one without `mixup` and `cutmix`. "
                    f"Received: {source.augmentation!r}"
                )
            source = source.mapped(_first, "without labels")
        return LabeledDataset(
            self._dataset.map(_first), (), self.num_images, source,
            None if self.unaugmented is None else self.unaugmented.unlabelled,
            self.reduced_decoding, self.value_range,
        )  # fmt: skip

    def _inputs(self):
        # Part of the interface of `tf.data.Dataset`: options and `tf.distribute` follow it.
        return [self._dataset]

    @property
    def element_spec(self):
        return self._dataset.element_spec


@tf.autograph.experimental.do_not_convert
def _first(images, *_):
    return images


def _keep_class_names(name, keep_number, keep_source):
    method = getattr(tf.data.Dataset, name)

    @functools.wraps(method)
    def transformation(self, *args, **kwargs):
        return LabeledDataset(
            method(self, *args, **kwargs),
            self.class_names,
            self.num_images if keep_number else None,
            self.source if keep_source else None,
            self.unaugmented if keep_source else None,
            self.reduced_decoding,
            self.value_range,
        )

    return transformation


for _name in (*_KEEP_SOURCE, *_KEEP_NUMBER, *_CHANGE_NUMBER):
    if hasattr(tf.data.Dataset, _name):  # TensorFlow added `ragged_batch` and others later
        _method = _keep_class_names(_name, _name not in _CHANGE_NUMBER, _name in _KEEP_SOURCE)
        setattr(LabeledDataset, _name, _method)
