"""Whether an explanation depends on what the network learned."""

import numpy as np

from keras_transfer.backbones import graph
from keras_transfer.explanations.learned_weights import learned_weights
from keras_transfer.models.head_outputs import chosen_classes
from keras_transfer.models.image_batches import check_images

_HEAD = "head"


def randomization_test(model, images, method, class_index=None, seed=0):
    """How like the explanations stay while the network forgets, stage by stage from the top.

    The values of each weight are shuffled, first the head's, then those of the last stage as
    well, and so on to the first, and after each the maps are compared with those of the model
    as it is. A method whose maps stay alike explains the pictures (their edges, say), and not
    the network. It is done on a copy; the model is not changed.

    Args:
        model: a `TransferModel`.
        images: `(pictures, height, width, channels)` in [0, 255].
        method: a function such as `grad_cam`, called as `method(model, images,
            class_index=classes)`, that gives `(pictures, height, width)`, or
            `(pictures, height, width, channels)`, of which the sum of the absolute values over
            the channels is taken.
        class_index: an integer, or one for each picture, to explain throughout. Defaults to
            None, what the model as it is finds most probable.
        seed: of the shuffling. Defaults to 0.

    Returns:
        A dict of `"head"` and the stages' names, from the last to the first, to a float array
        with each picture's rank correlation (Spearman) of the maps before and after; 1 where
        they are in the same order, 0 where one of them is the same everywhere. Weights are
        shuffled down to and including the stage.

    Raises:
        ValueError: for a model with several heads, and pictures or classes that do not fit.

    Reference: Adebayo et al., Sanity Checks for Saliency Maps, 2018, section 3.1 (cascading
    randomization; there weights are drawn anew, here from those there are).
    """
    images = check_images(model, images)
    classes = chosen_classes(model, images, class_index, None, 32)
    copy, random = _copied(model), np.random.default_rng(seed)
    original = _flat(method(model, images, class_index=classes))
    correlations = {}
    for name, layers in _from_the_top(copy):
        for layer in layers:
            _shuffle(layer, random)
        maps = _flat(method(copy, images, class_index=classes))
        correlations[name] = np.array(list(map(_rank_correlation, original, maps)))
    return correlations


def _copied(model):
    copy = type(model).from_config(model.get_config())
    for original, layer in zip(model.layers, copy.layers, strict=True):
        graph.set_layer_weights(layer, original.get_weights())
    return copy


def _from_the_top(model):
    """`(name, layers)` of the head and of each stage, from the last to the first."""
    stages = model.backbone.stages
    in_backbone = {name for stage in stages for name in stage.layers}
    yield _HEAD, [layer for layer in model.layers if layer.name not in in_backbone]
    for stage in reversed(stages):
        yield stage.name, [layer for layer in model.layers if layer.name in stage.layers]


def _shuffle(layer, random):
    # Not statistics: one channel's mean would meet another's variance.
    for weight in learned_weights(layer):
        values = weight.numpy()
        weight.assign(random.permutation(values.reshape(-1)).reshape(values.shape))


def _flat(maps):
    """A row for each picture."""
    maps = np.asarray(maps)
    maps = np.abs(maps).sum(axis=-1) if maps.ndim == 4 else maps
    return maps.reshape(len(maps), -1)


def _rank_correlation(first, second):
    from scipy import stats

    ranks = [stats.rankdata(values) for values in (first, second)]
    if any(np.ptp(values) == 0 for values in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
