"""Random changes to training images, as a step of the dataset."""

import dataclasses
import hashlib
import json
import os

import keras
import tensorflow as tf

from keras_transfer.data.image_transforms import (
    color,
    cutmix,
    mixup,
    move_boxes,
    random_moves,
    split_seed,
)
from keras_transfer.data.labeled_dataset import IMAGES, LabeledDataset
from keras_transfer.data.rand_augment import rand_augment
from keras_transfer.data.resampling import resample

_FLIPS = (None, "horizontal", "vertical", "horizontal_and_vertical")
# What each transform changes beside the images themselves, or leaves as it is.
_TRANSFORMS = {
    **dict.fromkeys(
        ("flip", "rotation", "zoom", "crop", "translation", "brightness", "contrast",
         "saturation"),
        ("labels", "masks", "boxes"),
    ),
    **dict.fromkeys(("rand_augment", "mixup", "cutmix"), ("labels",)),
}  # fmt: skip
# The largest value of each; above 1, an image would be inverted.
_FRACTIONS = {
    "rotation": 0.5,
    "zoom": 0.9,
    "translation": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "rand_augment": 1.0,
}


@keras.saving.register_keras_serializable(package="keras_transfer")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to training images, drawn anew in each epoch.

    Augmentation is a step of the dataset and never a layer of the model: an exported model then
    contains nothing random, and the CPU augments while the training step runs. Flip, rotation,
    zoom, crop and translation are one resampling, which fills uncovered borders by reflection.
    Two datasets give the same images if `seed` and the seed of `keras.utils.set_random_seed`
    are the same. `data.augmentation` has three presets: `light()`, `standard()`, `strong()`.
    Masks and boxes move with their images; RandAugment, MixUp and CutMix cannot move them.

    Args:
        flip: None (the default), "horizontal", "vertical" or "horizontal_and_vertical", each
            with probability 1/2. Unsuitable for digits or letters.
        rotation: largest angle in either direction, as a fraction of a full turn: 0.05 is 18
            degrees. Defaults to 0, as all numbers below except `crop`.
        zoom: images are magnified by a factor between `1 - zoom` and `1 + zoom`.
        crop: smallest fraction of the area that a random box keeps. The box is stretched to the
            full image; its sides have a ratio between 3:4 and 4:3. Defaults to 1, no crop.
        translation: largest shift as a fraction of the side.
        brightness: largest value that is added, as a fraction of 255.
        contrast: the distance to the mean of the image is multiplied by a factor between
            `1 - contrast` and `1 + contrast`.
        saturation: the same for the distance to gray.
        rand_augment: magnitude between 0 and 1 of the two operations of RandAugment.
        mixup: parameter of the Beta distribution of MixUp.
        cutmix: the same for CutMix; with both, each batch draws one of the two. Either converts
            integer labels to one-hot float32 targets: compile with "categorical_crossentropy".
        seed: non-negative integer.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> augmentation = data.Augmentation(flip="horizontal", rotation=0.05, crop=0.6)
        >>> augmented = augmentation(train)
        >>> augmented.class_names
        ('blue', 'green', 'red')
    """

    flip: str | None = None
    rotation: float = 0.0
    zoom: float = 0.0
    crop: float = 1.0
    translation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    rand_augment: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.flip not in _FLIPS:
            raise ValueError(f"`flip` must be one of {_FLIPS}. Received: flip={self.flip!r}")
        for name, largest in _FRACTIONS.items():
            if not 0 <= getattr(self, name) <= largest:
                raise ValueError(
                    f"`{name}` must lie between 0 and {largest}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )
        if not 0 < self.crop <= 1:
            raise ValueError(
                f"`crop` must be above 0 and at most 1. Received: crop={self.crop!r}"
            )
        for name in ("mixup", "cutmix"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must not be negative. Received: {name}={getattr(self, name)!r}"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(
                f"`seed` must be a non-negative integer. Received: seed={self.seed!r}"
            )

    def __call__(
        self, dataset: tf.data.Dataset, num_classes: int | None = None
    ) -> tf.data.Dataset:
        """Augments a dataset and keeps its `class_names`.

        Args:
            dataset: a `tf.data.Dataset` of batches of images, `(images, labels)` or `(images,
                labels, sample_weights)`, with images in `[0, 255]`; or a dict of "images" and
                further inputs in their place.
            num_classes: number of classes for MixUp and CutMix if the dataset has no
                `class_names`.
        """
        class_names = getattr(dataset, "class_names", None)
        if class_names is not None and num_classes is None:
            num_classes = len(class_names)
        _check_elements(dataset)
        self._check_targets(dataset)
        if self.mixes_labels:
            _check_labels(dataset, num_classes)

        # AutoGraph would translate code that has no control flow of TensorFlow.
        @tf.autograph.experimental.do_not_convert
        def augment(elements, seed):
            if not isinstance(elements, tuple):
                return self.transform(elements, None, seed)[0]
            inputs, labels, *weights = elements
            inputs, labels = self.transform(inputs, labels, seed, num_classes)
            return inputs, labels, *weights

        # A seed for each batch, drawn in the order of the batches and anew in each epoch.
        seeds = tf.data.Dataset.random(self.seed, rerandomize_each_iteration=True).batch(2)
        augmented = (
            tf.data.Dataset.zip((dataset, seeds))
            .map(augment, num_parallel_calls=os.cpu_count(), deterministic=True)
            .prefetch(2)
        )
        if class_names is None:
            return augmented
        source = getattr(dataset, "source", None)
        plain = getattr(dataset, "unaugmented", None)
        return LabeledDataset(
            augmented,
            class_names,
            getattr(dataset, "num_images", None),
            source and source.augmented(self),
            # Mixed labels have another shape.
            None if self.mixes_labels else (dataset if plain is None else plain),
            getattr(dataset, "reduced_decoding", None),
            getattr(dataset, "value_range", None),
        )

    def transform(self, images, labels, seed, num_classes=None):
        """Augments one batch: a pure function of its arguments; `seed` has the shape `(2,)`.

        Of several inputs, a dict, those beside the images stay as they are.
        """
        if isinstance(images, dict):
            moved, labels = self.transform(images[IMAGES], labels, seed, num_classes)
            return {**images, IMAGES: moved}, labels
        images = tf.cast(images, "float32")
        seeds = split_seed(seed, 4)
        if self.flip or self.rotation or self.zoom or self.crop < 1 or self.translation:
            moves = self.flip, self.rotation, self.zoom, self.crop, self.translation
            images, labels = _moved(images, labels, random_moves(images, seeds[0], *moves))
        if self.rand_augment:
            images = rand_augment(images, seeds[1], self.rand_augment)
        if self.brightness or self.contrast or self.saturation:
            images = color(images, seeds[2], self.brightness, self.contrast, self.saturation)
        if self.mixes_labels:
            one_hot = labels.shape.rank == 2
            targets = tf.cast(labels, "float32") if one_hot else tf.one_hot(labels, num_classes)
            return self._mix(images, targets, seeds[3])
        return images, labels

    def _check_targets(self, dataset):
        """Raises `ValueError` if a transform cannot change the masks or boxes."""
        if not isinstance(dataset.element_spec, tuple):  # images alone
            return
        labels = dataset.element_spec[1]
        kind = _kind_of(labels) if isinstance(labels, tf.TensorSpec) else "labels"
        for name, kinds in _TRANSFORMS.items():
            value = getattr(self, name)
            if kind not in kinds and value:
                raise ValueError(
                    f"`{name}` cannot move {kind} with their images: leave it out, or take the "
                    f"augmentation 'light' or 'standard'. Received: {name}={value!r}"
                )

    @property
    def mixes_labels(self):
        """Whether the augmentation turns labels into mixed one-hot targets."""
        return bool(self.mixup or self.cutmix)

    @property
    def fingerprint(self):
        """A string that identifies this configuration, part of the key of a cache."""
        config = json.dumps(self.get_config(), sort_keys=True)
        return hashlib.sha256(config.encode()).hexdigest()

    def get_config(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _mix(self, images, targets, seed):
        choice_seed, mix_seed = split_seed(seed, 2)
        if not self.cutmix:
            return mixup(images, targets, mix_seed, self.mixup)
        if not self.mixup:
            return cutmix(images, targets, mix_seed, self.cutmix)
        return tf.cond(
            tf.random.stateless_uniform((), choice_seed) < 0.5,
            lambda: mixup(images, targets, mix_seed, self.mixup),
            lambda: cutmix(images, targets, mix_seed, self.cutmix),
        )


def _kind_of(labels):
    """What the targets of a batch are: "masks", "boxes", or "labels" of the whole image."""
    if labels.shape.rank != 3:
        return "labels"
    return "masks" if labels.dtype.is_integer else "boxes"


def _moved(images, labels, moves):
    """Images and their targets after one resampling."""
    kind = _kind_of(labels) if tf.is_tensor(labels) else "labels"
    if kind == "boxes":
        labels = move_boxes(labels, images, *moves)
        return resample(images, *moves, fill_mode="CONSTANT"), labels
    if kind == "masks":
        labels = resample(labels[..., None], *moves, interpolation="NEAREST")[..., 0]
    return resample(images, *moves), labels


def light(seed: int = 0) -> Augmentation:
    """Horizontal flips and mild crops: for a few epochs, or a small network."""
    return Augmentation(flip="horizontal", crop=0.7, seed=seed)


def standard(seed: int = 0) -> Augmentation:
    """Horizontal flips, rotations, crops and color changes: for photos."""
    return Augmentation(
        flip="horizontal",
        rotation=0.03,
        crop=0.5,
        brightness=0.1,
        contrast=0.2,
        saturation=0.2,
        seed=seed,
    )


def strong(seed: int = 0) -> Augmentation:
    """Small crops, RandAugment, MixUp and CutMix: for long training of a full network."""
    return Augmentation(
        flip="horizontal", crop=0.35, rand_augment=0.5, mixup=0.2, cutmix=1.0, seed=seed
    )


def _check_elements(dataset):
    spec = dataset.element_spec
    images = spec[0] if isinstance(spec, tuple) and len(spec) in (2, 3) else spec
    images = images.get(IMAGES) if isinstance(images, dict) else images
    rank = images.shape.rank if isinstance(images, tf.TensorSpec) else None
    if rank != 4:
        raise ValueError(
            "Augmentation needs batches of images or `(images, labels)`, of shape (batch, "
            "height, width, channels): call `dataset.batch(...)` first. "
            f"Received: element_spec={spec}"
        )
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"Augmentation needs images with 1 or 3 channels. Received: element_spec={spec}"
        )


def _check_labels(dataset, num_classes):
    if not isinstance(dataset.element_spec, tuple):
        raise ValueError(
            "MixUp and CutMix need labels, which images of a target do not have: use an "
            f"augmentation without them. Received: element_spec={dataset.element_spec}"
        )
    inputs, labels, *weights = dataset.element_spec
    if isinstance(inputs, dict):
        raise ValueError(
            "MixUp and CutMix mix images, and not what goes in beside them: take the "
            "augmentation 'light' or 'standard'. Received: images beside the inputs "
            f"{sorted({*inputs} - {IMAGES})}"
        )
    if weights:
        raise ValueError(
            "MixUp and CutMix do not work with sample weights: a mixed image has no single "
            f"weight. Received: element_spec={dataset.element_spec}"
        )
    rank = labels.shape.rank if isinstance(labels, tf.TensorSpec) else None
    if rank == 1 and num_classes is None:
        raise ValueError(
            "MixUp and CutMix need the number of classes: the dataset has no `class_names`, "
            "so call `augmentation(dataset, num_classes=...)`. Received: num_classes=None"
        )
    if (rank == 1 and labels.dtype.is_integer) or rank == 2:
        return
    raise ValueError(
        "MixUp and CutMix need labels of shape (batch,), integers, or (batch, classes). "
        f"Received: element_spec={dataset.element_spec}"
    )
