"""Pictures from TensorFlow Datasets."""

import hashlib
import warnings

import tensorflow as tf

from keras_transfer.data.checks import check_splits
from keras_transfer.data.data_warning import DataWarning
from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.image_source import ImageSource
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import (
    batched,
    channels_of,
    check_batches,
    check_validation_split,
    fingerprint,
    loaded_from,
    shuffled,
)
from keras_transfer.data.reduced_decoding import decode_and_resize

_SPLIT_NAMES = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}
# Encoded pictures of 100 kB: one gigabyte of memory.
_SHUFFLE_BUFFER = 10_000


def from_tfds(
    builder_or_name,
    image_size,
    batch_size=32,
    splits=None,
    validation_split=0.2,
    seed=0,
    data_dir=None,
    color_mode="rgb",
    reduced_decoding=True,
):
    """Reads a classification dataset of TensorFlow Datasets; downloads it where needed.

    Every record is read once before anything is returned, without decoding its picture, to
    count the classes and to find pictures that two splits share.

    Args:
        builder_or_name: a name such as "tf_flowers", or a `tfds.core.DatasetBuilder`. Its
            features must have one image and one class label.
        image_size: `(height, width)`, or one integer for both; pictures are stretched.
        batch_size: pictures in a batch.
        splits: dict from "train", "validation" and "test" to splits in the language of
            TFDS, such as `{"train": "train[:90%]", "validation": "train[90%:]"}`. By default
            those that the dataset has, and `validation_split` of "train" where it has none
            to validate on.
        validation_split: the part, between 0 and 1, to take from the end of "train"; None
            takes nothing. TFDS writes records in random order, so the part is a random one.
        seed: integer for the order of the training pictures.
        data_dir: where TFDS keeps its data; None for its default. Only with a name.
        color_mode: "rgb" or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a part of its size, as
            `decode_and_resize` does it: faster, and the pixels differ a little.

    Returns:
        An `ImageSplits`, its `paths` empty. `train` is shuffled in a buffer of 10,000
        pictures.

    Raises:
        ValueError: an argument is wrong; the dataset has no such split, no image or no
            class label.

    Example:
        >>> from keras_transfer import data
        >>> splits = data.from_tfds("tf_flowers", image_size=160)  # doctest: +SKIP
    """
    image_size = check_image_size(image_size)
    channels = channels_of(color_mode)
    check_batches(batch_size, seed)
    check_validation_split(validation_split)
    builder = _builder(builder_or_name, data_dir)
    image_key, label_key = _feature_keys(builder)
    class_names = tuple(builder.info.features[label_key].names)
    builder.download_and_prepare()
    splits = _check_splits_exist(splits or _default_splits(builder, validation_split), builder)

    records = {
        split: _records(builder, instruction, image_key, label_key)
        for split, instruction in splits.items()
    }
    labels, digests = {}, {}
    for split, dataset in records.items():
        labels[split], digests[split] = _read_through(dataset)
    places = {
        split: [f"{splits[split]} number {index}" for index in range(len(labels[split]))]
        for split in splits
    }
    sentences = check_splits(labels, digests, places, class_names)
    for sentence in sentences:
        warnings.warn(sentence, DataWarning, stacklevel=2)

    @tf.function(autograph=False)
    def load(contents, label):
        image = decode_and_resize(
            contents, image_size, channels, reduced_decoding=reduced_decoding
        )
        return image, tf.cast(label, "int32")

    fingerprints = {
        split: fingerprint(labels[split], digests[split], image_size, channels)
        + ("-reduced" if reduced_decoding else "")
        for split in splits
    }

    def dataset(split, shuffle=False):
        if split not in splits:
            return None
        num_images = len(labels[split])
        # TFDS wrote the records in random order: they need not be mixed again.
        source = ImageSource(
            loaded_from(lambda start=0: records[split].skip(start), load),
            num_images=num_images,
            fingerprint=fingerprints[split],
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
        shown = records[split]
        if shuffle:
            shown = shuffled(shown, num_images, seed, _SHUFFLE_BUFFER)
        return batched(shown, load, class_names, source, reduced_decoding)

    return ImageSplits(
        train=dataset("train", shuffle=True),
        validation=dataset("validation"),
        test=dataset("test"),
        train_in_order=dataset("train"),
        class_names=class_names,
        labels={split: tuple(labels[split]) for split in splits},
        paths={},
        fingerprints=fingerprints,
        warnings=tuple(sentences),
    )


def _builder(builder_or_name, data_dir):
    import tensorflow_datasets as tfds

    if isinstance(builder_or_name, tfds.core.DatasetBuilder):
        if data_dir is not None:
            raise ValueError(
                "A builder has its own folder: pass `data_dir` to the builder. "
                f"Received: data_dir={data_dir!r}"
            )
        return builder_or_name
    if not isinstance(builder_or_name, str):
        raise ValueError(
            "`builder_or_name` must be the name of a dataset or a "
            "`tfds.core.DatasetBuilder`. Received: builder_or_name="
            f"{builder_or_name!r} (of type {type(builder_or_name).__name__})"
        )
    return tfds.builder(builder_or_name, data_dir=data_dir)


def _feature_keys(builder):
    """The keys of the one image and the one class label among the features."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    kinds = {"image": tfds.features.Image, "class label": tfds.features.ClassLabel}
    supervised = builder.info.supervised_keys or ()
    keys = []
    for kind, feature_type in kinds.items():
        found = [key for key, feature in features.items() if isinstance(feature, feature_type)]
        # Of several, the one that `as_supervised=True` would give.
        chosen = [key for key in found if key in supervised] if len(found) > 1 else found
        if len(chosen) != 1:
            raise ValueError(
                f"The dataset must have one {kind} among its features; found {found} in "
                f"{dict(features)}. Received: builder_or_name={builder.info.full_name!r}"
            )
        keys += chosen
    image = features[keys[0]]
    if image.tf_dtype != tf.uint8:
        raise ValueError(
            f"The pictures must be stored as uint8. Found '{keys[0]}': {image}. "
            f"Received: builder_or_name={builder.info.full_name!r}"
        )
    return keys


def _default_splits(builder, validation_split):
    available = set(builder.info.splits)
    splits = {}
    for split, names in _SPLIT_NAMES.items():
        for name in available.intersection(names):
            splits[split] = name
    if "train" in splits and "validation" not in splits and validation_split is not None:
        num_images = builder.info.splits["train"].num_examples
        set_aside = min(max(1, round(validation_split * num_images)), num_images - 1)
        kept = num_images - set_aside
        splits["train"], splits["validation"] = f"train[:{kept}]", f"train[{kept}:]"
    return {split: splits[split] for split in _SPLIT_NAMES if split in splits}


def _check_splits_exist(splits, builder):
    if not isinstance(splits, dict) or not set(splits) <= set(_SPLIT_NAMES):
        raise ValueError(
            f"`splits` must be a dict with keys among {sorted(_SPLIT_NAMES)}. "
            f"Received: splits={splits!r}"
        )
    if "train" not in splits:
        raise ValueError(
            f"No split to train on: the dataset has {sorted(builder.info.splits)}. Name one "
            f"with `splits={{'train': ...}}`. Received: splits={splits!r}"
        )
    return splits


def _records(builder, instruction, image_key, label_key):
    """`(encoded picture, label)` of each record, always in the same order."""
    import tensorflow_datasets as tfds

    decoders = {image_key: tfds.decode.SkipDecoding()}
    try:
        dataset = builder.as_dataset(instruction, shuffle_files=False, decoders=decoders)
    except ValueError as error:
        raise ValueError(
            f"Cannot read the split '{instruction}' of {builder.info.full_name!r}, which has "
            f"{dict(builder.info.splits)}: {error}"
        ) from error
    return dataset.map(lambda record: (record[image_key], record[label_key]))


def _read_through(records):
    labels, digests = [], []
    for contents, label in records.as_numpy_iterator():
        labels.append(int(label))
        digests.append(hashlib.sha256(contents).hexdigest())
    return labels, digests
