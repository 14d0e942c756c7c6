"""Images from TensorFlow Datasets."""

import hashlib
import os
import typing

import tensorflow as tf

from keras_transfer.data.changed_files import unchanged
from keras_transfer.data.decoding import decode_and_resize
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import ReadingOptions
from keras_transfer.data.scanning import fingerprint_of

_SPLIT_NAMES = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}
# One gigabyte of memory for encoded images of 100 kB.
_SHUFFLE_BUFFER = 10_000


def from_tfds(
    builder_or_name: typing.Any,
    image_size: int | tuple[int, int],
    batch_size: int = 32,
    splits: dict[str, str] | None = None,
    validation_split: float | None = 0.2,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
    color_mode: str = "rgb",
    reduced_decoding: bool = True,
) -> ImageSplits:
    """Reads a classification dataset of TensorFlow Datasets and downloads it if needed.

    The function reads every record once before it returns, without decoding the images, to
    count the classes and to find images that two splits share.

    Args:
        builder_or_name: a name such as "tf_flowers", or a `tfds.core.DatasetBuilder`. Its
            features must have one image and one class label.
        image_size: `(height, width)`, or one integer for both, in pixels; images are
            stretched.
        batch_size: images in a batch. Defaults to 32.
        splits: dict from "train", "validation" and "test" to TFDS split expressions, for
            example `{"train": "train[:90%]", "validation": "train[90%:]"}`. Defaults to None:
            the splits of the dataset, and `validation_split` of "train" if it has no
            validation split.
        validation_split: fraction, between 0 and 1, to take from the end of "train". Defaults
            to 0.2. None takes nothing. TFDS writes records in random order, so the fraction is
            a random sample.
        seed: integer for the order of the training images. Defaults to 0.
        data_dir: data folder of TFDS, only together with a name. Defaults to None, TFDS'
            default.
        color_mode: "rgb" (the default) or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a reduced size, which is faster
            and changes the pixels slightly. Defaults to True.

    Returns:
        An `ImageSplits` with empty `paths`. `train` is shuffled in a buffer of 10,000 images.

    Raises:
        ValueError: if an argument is invalid, or the dataset has no such split, no image or no
            class label.
    """
    options = ReadingOptions(
        image_size, batch_size, validation_split, seed, color_mode, reduced_decoding
    )
    builder = _builder(builder_or_name, data_dir)
    image_key, label_key = _feature_keys(builder)
    class_names = tuple(builder.info.features[label_key].names)
    builder.download_and_prepare()
    splits = splits or _default_splits(builder, validation_split)
    _check_splits_exist(splits, builder)

    records = {
        split: _records(builder, instruction, image_key, label_key)
        for split, instruction in splits.items()
    }
    labels, digests, fingerprints = {}, {}, {}
    for split in records:
        rows = [
            (int(label), hashlib.sha256(contents).hexdigest(), int(fingerprint_of(contents)))
            for contents, label in records[split].as_numpy_iterator()
        ]
        labels[split] = [label for label, _, _ in rows]
        digests[split] = [digest for _, digest, _ in rows]
        fingerprints[split] = tf.constant([fast for _, _, fast in rows], "int64")
    places = {
        split: [f"{name} number {index}" for index in range(len(labels[split]))]
        for split, name in splits.items()
    }

    @tf.function(autograph=False)
    def load(record, expected):
        contents, label = unchanged(record[0], *expected), record[1]
        image = decode_and_resize(
            contents, options.image_size, options.channels, reduced_decoding=reduced_decoding
        )
        return image, tf.cast(label, "int32")

    def examples(split, is_mixed, start):
        expected = tf.data.Dataset.from_tensor_slices((places[split], fingerprints[split]))
        return tf.data.Dataset.zip((records[split], expected)).skip(start)

    # TFDS wrote the records in random order: the source need not mix them again.
    return options.splits(
        class_names, labels, digests, places, examples, load, _SHUFFLE_BUFFER, paths={}
    )


def _builder(builder_or_name, data_dir):
    import tensorflow_datasets as tfds

    if isinstance(builder_or_name, tfds.core.DatasetBuilder):
        if data_dir is not None:
            raise ValueError(
                "A builder has its own data folder: pass `data_dir` to the builder. "
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
        # Of several, the one that `as_supervised=True` returns.
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
            f"The images must be stored as uint8. Found '{keys[0]}': {image}. "
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
            f"No training split: the dataset has {sorted(builder.info.splits)}. Name one "
            f"with `splits={{'train': ...}}`. Received: splits={splits!r}"
        )


def _records(builder, instruction, image_key, label_key):
    """`(encoded image, label)` of each record, always in the same order."""
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
