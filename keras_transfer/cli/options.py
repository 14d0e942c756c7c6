"""What the options of several commands stand for."""

from keras_transfer import backbones, data, features
from keras_transfer._text import tell_unreadable
from keras_transfer.backbones.registry import find_application


def image_size_of(options):
    """Height and width in pixels: what was asked for, or the network's own."""
    return options.image_size or find_application(options.backbone).default_size


def backbone_of(options, size):
    """The `Backbone` that the options name, for pictures of a size."""
    arguments = {} if options.alpha is None else {"alpha": options.alpha}
    return backbones.Backbone(
        options.backbone,
        input_shape=(size, size, 3),
        weights=None if options.weights.lower() == "none" else options.weights,
        **arguments,
    )


def cache_of(options):
    """The `FeatureCache` that `--cache` and `--engine` name; False for `--no-cache`."""
    if options.no_cache:
        if options.engine != "auto":
            raise ValueError(
                "--engine says what computes cached features, and with --no-cache there are "
                f"none: leave one of them out. Received: --engine {options.engine} --no-cache"
            )
        return False
    return features.FeatureCache(options.cache, engine=options.engine)


def pictures_of(options, size, **arguments):
    """The `ImageSplits` of the folder that the options name; tells what is left out of them.

    Args:
        options: with `data` and `on_unreadable`.
        size: height and width in pixels.
        **arguments: more for `image_folder`.
    """
    splits = data.image_folder(
        options.data, image_size=size, on_unreadable=options.on_unreadable, **arguments
    )
    tell_unreadable(splits)
    return splits
