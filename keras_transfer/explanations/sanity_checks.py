"""Whether an explanation depends on what the network learned."""

from collections.abc import Callable

import numpy as np

from keras_transfer.explanations.stage_changes import learned_weights
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import check_explained


def randomization_test(
    model: TransferModel,
    images: np.ndarray,
    method: Callable[..., np.ndarray],
    class_index: int | np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """How similar the explanations stay while the weights are randomized from the top.

    The values of each weight are shuffled: first the head's, then also the last stage's, and so
    on to the first stage. After each step the maps are compared with those of the trained
    model. A method whose maps stay similar explains the images (their edges, for example) and
    not the network. The test works on a copy of the model.

    Args:
        model: a `TransferModel` with one head.
        images: `(images, height, width, channels)` in [0, 255].
        method: a function such as `grad_cam`, called as `method(model, images,
            class_index=classes)`. It returns `(images, height, width)`, or attributions
            `(images, height, width, channels)`, whose absolute values are summed over the
            channels.
        class_index: an integer, or one for each image, to explain in every step. Defaults to
            None, the most probable class of each image before the randomization.
        seed: of the shuffling. Defaults to 0.

    Returns:
        A dict from `"head"` and the stages' names, last stage first, to a float array: for each
        image Spearman's rank correlation of the maps before and after the weights down to this
        stage are shuffled; 0 if one of the maps is constant.

    Raises:
        ValueError: if the model has several heads, or the images or classes do not fit.

    Example:

    >>> found = explanations.randomization_test(model, images, explanations.grad_cam)
    >>> list(found)[0], found["head"].shape
    ('head', (9,))

    Reference: Adebayo et al., Sanity Checks for Saliency Maps, 2018, section 3.1, cascading
    randomization; weights are shuffled here and redrawn there.
    """
    images, _, classes = check_explained(model, images, class_index)
    copy, random = model.copy(), np.random.default_rng(seed)
    original = _flat(method(model, images, class_index=classes))
    correlations = {}
    for name, layers in _from_the_top(copy):
        for layer in layers:
            _shuffle(layer, random)
        maps = _flat(method(copy, images, class_index=classes))
        correlations[name] = np.array(list(map(_rank_correlation, original, maps)))
    return correlations


def _from_the_top(model):
    """`(name, layers)` of the head and of each stage, the last stage first."""
    stages = model.backbone.stages
    in_backbone = {name for stage in stages for name in stage.layers}
    yield "head", [layer for layer in model.layers if layer.name not in in_backbone]
    for stage in reversed(stages):
        yield stage.name, [layer for layer in model.layers if layer.name in stage.layers]


def _shuffle(layer, random):
    # Not the statistics: one channel's mean would meet another's variance.
    for weight in learned_weights(layer):
        weight.assign(random.permutation(weight.numpy().ravel()).reshape(weight.shape))


def _flat(maps):
    """A row for each image."""
    maps = np.asarray(maps)
    maps = np.abs(maps).sum(axis=-1) if maps.ndim == 4 else maps
    return maps.reshape(len(maps), -1)


def _rank_correlation(first, second):
    from scipy import stats

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(stats.spearmanr(first, second).statistic)
