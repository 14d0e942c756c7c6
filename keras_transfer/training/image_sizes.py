"""Sizes of images in pretraining, training and use that do not go together."""

import warnings

import numpy as np

# Measured with linear probes on MobileNetV2 0.35, ants and bees at 64 to 224 pixels: the points
# of accuracy that are lost at a part of the size (`benchmarks`, suite `relations`), if images
# are smaller than in pretraining, and if they are smaller in use than in training.
_SMALLER_THAN_PRETRAINING = (0.29, 0.43, 0.57, 0.71), (20, 11, 2, 1)
_SMALLER_IN_USE = (0.29, 0.4, 0.5, 0.6, 0.75), (18, 17, 17, 8, 6)
# Of the size in pretraining, and of the size in training.
_LEAST_OF_PRETRAINING, _LEAST_OF_TRAINING = 0.42, 0.75
_RANDOM = "random weights"


def size_cautions(
    trained: int, pretrained: int | None = None, used: int | None = None
) -> list[str]:
    """Sentences about sizes that differ by much, with the loss to expect; empty if none do.

    Args:
        trained: the shorter side of the training images, in pixels.
        pretrained: that of the images in pretraining. Defaults to None, unknown.
        used: that of the images in validation or use. Defaults to None, as in training.
    """
    found = []
    if pretrained and trained < _LEAST_OF_PRETRAINING * pretrained:
        found.append(
            f"The images have {trained} pixels and those of the pretraining had {pretrained}: "
            f"{_loss(trained / pretrained, _SMALLER_THAN_PRETRAINING)}. Read larger images, or "
            "measure it with `transferability.probe_sizes`."
        )
    if used and used < _LEAST_OF_TRAINING * trained:
        found.append(
            f"The network is trained on images of {trained} pixels and validated on {used}: "
            f"{_loss(used / trained, _SMALLER_IN_USE)}, or more if the network is fine-tuned. "
            "Read both at the same size."
        )
    return found


def warn_of_sizes(model, train, validation):
    """Warns if the images of a training have sizes that do not go together."""
    trained, used = (_shorter_side(dataset) for dataset in (train, validation))
    source = model.backbone.source
    pretrained = min(source.size) if source.size and source.origin != _RANDOM else None
    for caution in size_cautions(trained, pretrained, used) if trained else ():
        warnings.warn(caution, stacklevel=4)


def _loss(ratio, table):
    ratios, points = table
    points = np.interp(np.log(ratio), np.log(ratios), points)
    return f"expect an accuracy about {points:.0f} points lower"


def _shorter_side(dataset):
    """Of the images of a dataset, in pixels; None if they are no images or of any size."""
    spec = None if dataset is None else dataset.element_spec
    spec = spec[0] if isinstance(spec, tuple) else spec
    shape = getattr(spec, "shape", None)
    if shape is None or shape.rank != 4 or None in tuple(shape[1:3]):
        return None
    return min(shape[1:3])
