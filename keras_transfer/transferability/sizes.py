"""What the size of the images costs or gains, in training and in use."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer.backbones import Backbone, graph
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.features import FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import pooled_features, pooled_network, unaugmented
from keras_transfer.models.checks import as_backbone


@dataclasses.dataclass(frozen=True)
class SizeProbe:
    """A linear probe on the features of images of one size.

    Attributes:
        size: height and width in pixels.
        accuracy: cross-validated accuracy.
        interval: `(low, high)`, the 95% confidence interval of that accuracy.
        served: a dict from each size to the accuracy of the same probe on images of that size.
        images_per_second: the rate of inference on this machine.
    """

    size: int
    accuracy: float
    interval: tuple[float, float]
    served: dict[int, float]
    images_per_second: float


@dataclasses.dataclass(frozen=True)
class SizeProbes:
    """Probes for several sizes, the smallest first.

    Attributes:
        sizes: tuple of `SizeProbe`.
        num_images: the number of images.
    """

    sizes: tuple[SizeProbe, ...]
    num_images: int

    @property
    def smallest_sufficient(self) -> int:
        """The smallest size whose interval contains the highest accuracy."""
        best = max(probe.accuracy for probe in self.sizes)
        return next(probe.size for probe in self.sizes if probe.interval[1] >= best)

    @property
    def conclusion(self) -> str:
        """Which size to take, and what another size in use costs, in a sentence."""
        best = max(self.sizes, key=lambda probe: probe.accuracy)
        parts = [f"Images of {best.size} pixels give the highest accuracy, {best.accuracy:.1%}"]
        if self.smallest_sufficient != best.size:
            parts[0] += f"; {self.smallest_sufficient} pixels are not significantly worse"
        parts[0] += f" (n = {self.num_images})."
        losses = [
            (probe.served[probe.size] - accuracy, probe.size, size)
            for probe in self.sizes
            for size, accuracy in probe.served.items()
        ]
        loss, trained, served = max(losses)
        if trained != served:
            parts.append(
                f"Trained at {trained} and used at {served} pixels, the loss is "
                f"{100 * loss:.1f} points."
            )
        return " ".join(parts)

    def rows(self) -> list[tuple[str, ...]]:
        """The table of the sizes, the header first."""
        served = [f"used at {probe.size}" for probe in self.sizes]
        head = ("trained at", "accuracy", "95% CI", "images/s", *served)
        return [head, *map(_row, self.sizes)]

    def to_json(self) -> dict:
        """The probes and the conclusion as plain values."""
        found = [dataclasses.asdict(probe) for probe in self.sizes]
        for one in found:
            one["served"] = {str(size): value for size, value in one["served"].items()}
        return {
            "num_images": self.num_images, "sizes": found, "conclusion": self.conclusion,
            "smallest_sufficient": self.smallest_sufficient,
        }  # fmt: skip


def probe_sizes(
    backbone: keras.Model,
    data: tf.data.Dataset,
    sizes: Sequence[int],
    cache: FeatureCache | None = None,
    seed: int = 0,
) -> SizeProbes:
    """Fits a linear probe on the features of images of each size, and uses it at the others.

    Args:
        backbone: a `Backbone` for images, or another functional or sequential model; it does
            not change.
        data: a `tf.data.Dataset` of batches `(images, labels)` of at least the largest size;
            smaller images are made of these.
        sizes: heights and widths in pixels, at least one.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the folds, which are the same for all sizes. Defaults to 0.

    Returns:
        `SizeProbes`.

    Raises:
        ValueError: if a size is larger than the images, or the network does not take it.

    Example:
        >>> probes = transferability.probe_sizes(backbone, train, [8, 16])
        >>> [probe.size for probe in probes.sizes]
        [8, 16]
    """
    backbone = as_backbone(backbone)
    cache, plain = FeatureCache() if cache is None else cache, unaugmented(data)
    sizes = sorted(set(sizes))
    _check_sizes(sizes, plain)
    found, rates = {}, {}
    for size in _progress.each(sizes, "probing the sizes"):
        network, dataset = at_size(backbone, size), _resized(plain, size)
        found[size] = pooled_features(network, dataset, cache)
        rates[size] = cache.images_per_second(pooled_network(network), dataset)
    labels = found[sizes[0]].labels
    if labels is None:
        raise ValueError("`probe_sizes` needs labels. Received: a dataset without labels")
    probes = []
    for size in sizes:
        served = {}
        for other in sizes:
            result = found[size].cross_validate(seed=seed, changed=found[other].features)
            served[other] = result.changed_accuracy
        probes.append(SizeProbe(size, result.accuracy, result.interval, served, rates[size]))
    return SizeProbes(tuple(probes), len(labels))


def at_size(backbone, size):
    """A copy of a backbone for images of another height and width, with the same weights."""
    inputs = keras.Input((size, size, backbone.input_shape[-1]), name="images")
    try:
        output, _ = graph.flat_copy(backbone, inputs)
    except ValueError as error:
        raise ValueError(
            f"'{backbone.name}' does not take images of {size} pixels: "
            f"{' '.join(str(error).split()):.200}. Received: {size}"
        ) from error
    return Backbone.from_tensors(
        inputs, output, backbone.application, backbone.name, backbone.source
    )


def _check_sizes(sizes, dataset):
    spec = dataset.element_spec
    shape = (spec[0] if isinstance(spec, tuple) else spec).shape[1:3]
    most = min(shape) if None not in tuple(shape) else np.inf
    is_sound = sizes and all(isinstance(size, int) and 0 < size <= most for size in sizes)
    if not is_sound:
        raise ValueError(
            "`sizes` must be integers of at most the size of the images: read these at the "
            f"largest size. Received: sizes={sizes} for images of {tuple(shape)} pixels"
        )


def _resized(dataset, size):
    source = source_of(dataset)

    def resized(image, *others):
        return (tf.image.resize(image, (size, size), antialias=True), *others)

    made = source.mapped(resized, f"at {size}")
    names = getattr(dataset, "class_names", None) or ["images"]
    return LabeledDataset(dataset, names, made.num_images, made)


def _row(probe):
    low, high = probe.interval
    return (
        str(probe.size), f"{probe.accuracy:.1%}", f"{low:.1%} to {high:.1%}",
        f"{probe.images_per_second:.0f}",
        *(f"{accuracy:.1%}" for accuracy in probe.served.values()),
    )  # fmt: skip
