"""Which stages a training changed."""

from keras_transfer._statistics.cka import linear_cka
from keras_transfer.explanations.stage_change import StageChange
from keras_transfer.explanations.weight_changes import check_alike, weight_change
from keras_transfer.features.pooled import check_order, stage_features


def compare_stages(before, after, dataset, cache=None, verbose=0):
    """How much each stage of a network changed in its training.

    The features of the same pictures before and after, averaged over the positions, are
    compared by centred kernel alignment, and the weights by their distance. Weights may move
    without changing what a stage sees, and features change behind weights that do not move.

    Args:
        before: a `TransferModel` or a `Backbone`: the network before its training. Keep a
            `backbone.copy()`.
        after: the same network afterwards.
        dataset: a `tf.data.Dataset` of batches of pictures or of `(images, labels)` in a fixed
            order, best of more pictures than a stage has channels: with fewer everything looks
            alike.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        verbose: as in `FeatureCache.extract`.

    Returns:
        A tuple of `StageChange`, one for each stage.

    Raises:
        ValueError: if the networks differ in their layers, or the pictures come in another
            order in each pass.

    Reference: Kornblith et al., Similarity of Neural Network Representations Revisited, 2019,
    equation 4.
    """
    before, after = (getattr(model, "backbone", model) for model in (before, after))
    check_alike(before, after)
    check_order(dataset)
    moved = weight_change(before, after)
    rows = zip(
        before.stages,
        stage_features(before, dataset, cache, verbose),
        stage_features(after, dataset, cache, verbose),
        strict=True,
    )
    return tuple(
        StageChange(
            stage=stage.name,
            boundary=stage.boundary,
            similarity=float(linear_cka(old.features, new.features)),
            weight_change=moved[stage.name],
        )
        for stage, old, new in rows
    )
