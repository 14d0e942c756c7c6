"""Which stages a training changed: their features and their weights."""

import dataclasses
import math

import keras
import tensorflow as tf

from keras_transfer._statistics.feature_measures import linear_cka
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import check_order, stage_features
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import as_backbone

# Statistics and random states, which no gradient changes.
_NOT_LEARNED = ("moving_mean", "moving_variance", "seed_generator_state")


@dataclasses.dataclass(frozen=True)
class StageChange:
    """How much a training changed one stage of a network.

    Attributes:
        stage: the name of the stage.
        boundary: the name of the operation that it ends with.
        similarity: the linear centred kernel alignment (CKA) of its features before and after,
            in [0, 1]; 1 if they are equal up to a rotation and a scale.
        weight_change: the relative change of its weights; see `weight_change`.
    """

    stage: str
    boundary: str
    similarity: float
    weight_change: float


def compare_stages(
    before: TransferModel | keras.Model,
    after: TransferModel | keras.Model,
    dataset: tf.data.Dataset,
    cache: FeatureCache | None = None,
) -> tuple[StageChange, ...]:
    """How much a training changed the features and the weights of each stage.

    Features, averaged over the positions, are compared by centred kernel alignment, weights by
    their relative distance. Weights can move without an effect on the features, and features
    change behind weights that do not move.

    Args:
        before: a `TransferModel`, a `Backbone` or a functional model of Keras from before the
            training, such as a `backbone.copy()`.
        after: the same network after the training.
        dataset: a `tf.data.Dataset` of batches of images or of `(images, labels)` in a fixed
            order. Use more images than a stage has channels: with fewer, all features look
            similar.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.

    Returns:
        A tuple of `StageChange`, one for each stage.

    Raises:
        ValueError: if the networks have different layers, or the dataset changes its order from
            pass to pass.

    Example:

    >>> before = model.backbone.copy()
    >>> explanations.compare_stages(before, model, validation)[0].weight_change
    0.0

    Reference: Kornblith et al., Similarity of Neural Network Representations Revisited, 2019,
    equation 4.
    """
    before = before.backbone if isinstance(before, TransferModel) else as_backbone(before)
    after = after.backbone if isinstance(after, TransferModel) else as_backbone(after)
    changes = weight_change(before, after)
    check_order(dataset)
    features = (stage_features(model, dataset, cache) for model in (before, after))
    return tuple(
        StageChange(
            stage=stage.name,
            boundary=stage.boundary,
            similarity=float(linear_cka(old.features, new.features)),
            weight_change=changes[stage.name],
        )
        for stage, old, new in zip(before.stages, *features, strict=True)
    )


def weight_change(before, after):
    """The relative change of the learned weights of each stage, as a dict of name to float.

    It is the Euclidean norm of the difference over that of the weights before; 1 if all weights
    were 0 and some are not. The statistics of BatchNormalization do not count.
    """
    _check_same_layers(before, after)
    return change_since(weights_of(before), after)


def weights_of(backbone):
    """The values of all weights of each layer, as a dict of name to arrays."""
    return {layer.name: layer.get_weights() for layer in backbone.layers}


def change_since(weights, after):
    """`weight_change`, from the `weights_of` the backbone before."""
    layers, changes = {layer.name: layer for layer in after.layers}, {}
    for stage in after.stages:
        moved = norm = 0.0
        for name in filter(weights.__contains__, stage.layers):
            learned = {weight.path for weight in learned_weights(layers[name])}
            for earlier, weight in zip(weights[name], layers[name].weights, strict=True):
                if weight.path in learned:
                    earlier = earlier.astype("float64")
                    moved += ((weight.numpy() - earlier) ** 2).sum()
                    norm += (earlier**2).sum()
        changes[stage.name] = math.sqrt(moved / norm) if norm else float(moved > 0)
    return changes


def _check_same_layers(before, after):
    old, new = ({w.path: tuple(w.shape) for w in model.weights} for model in (before, after))
    differing = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    if differing:
        path = differing[0]
        raise ValueError(
            "`before` and `after` must be two states of the same network: "
            f"'{path}' has the shape {old.get(path)} before and {new.get(path)} after. "
            f"Received: before='{before.name}', after='{after.name}'"
        )


def learned_weights(layer):
    """The weights that a layer can learn, frozen or not: no statistics and no constants."""
    if isinstance(layer, keras.layers.Normalization):
        return []
    return [w for w in layer.weights if w.path.rsplit("/", 1)[-1] not in _NOT_LEARNED]
