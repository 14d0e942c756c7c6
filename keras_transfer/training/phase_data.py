"""What a phase trains on: pictures, or the features of what stays frozen in it."""

import contextlib
import dataclasses
import math

import keras
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.callbacks import GradualUnfreezing
from keras_transfer.features import CachedFeatures, NoRoomError
from keras_transfer.features.observed_source import source_of
from keras_transfer.training.data_wait import DataWait, can_measure

# A pass over the validation features needs no gradients, so more fit in memory at once.
_EVALUATION_BATCH = 256
# On features that a head alone follows, a step takes less time than starting it does.
_STEPS_AT_ONCE = 64
DEFAULT_VIEWS = 4


@dataclasses.dataclass(frozen=True)
class PhaseData:
    """The data of one phase, ready for `fit`.

    Attributes:
        train: a `tf.data.Dataset` of batches.
        validation: the same, or None.
        steps: the number of steps in an epoch.
        steps_per_execution: how many of them run in one call.
        features: the `CachedFeatures` that `train` gives as inputs; None for pictures.
        wait: the `DataWait` of `train`; None where it is not measured.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    steps: int
    steps_per_execution: int = 1
    features: CachedFeatures | None = None
    wait: DataWait | None = None

    def with_train(self, train):
        """The same with other training batches."""
        return dataclasses.replace(self, train=train)


def phase_data(model, phase, train, validation, cache, callbacks=(), verbose=0, following=None):
    """The data of a phase, on features where that saves work.

    Args:
        model: a `TransferModel` under the phase's freeze policy.
        phase: a `Phase`.
        train: a finite `tf.data.Dataset` of pictures.
        validation: the same, or None.
        cache: a `FeatureCache`, or None to train on pictures.
        callbacks: those of the training: one that unfreezes layers needs pictures, and one that
            looks at batches needs every one of them.
        verbose: as in `FeatureCache.extract`.
        following: the `Phase` after this one, or None. If it trains more of the network, its
            features are needed anyway, and those of this phase are computed from them.
    """
    train = _pictures_of(phase, train)
    if cache is not None and _has_frozen_work(model) and not _unfreezes(callbacks):
        try:
            features, held_out = _extract(
                model, phase, train, validation, cache, verbose, following
            )
        except NoRoomError as error:
            if verbose:
                print(f"Training on pictures, which takes longer: {error}")
        else:
            return _on_features(model, phase, features, held_out, callbacks)
    if phase.batch_size is not None:
        train = _rebatched(train, phase.batch_size)
    return _on_pictures(model, train, validation)


def _pictures_of(phase, train):
    """The training data as they are, or before their augmentation."""
    # To ask a dataset for its truth is to count it.
    plain = None if phase.augmented else getattr(train, "unaugmented", None)
    return train if plain is None else plain


def _on_pictures(model, train, validation):
    steps = int(train.cardinality())
    # Of several replicas, each has a buffer of its own.
    if model.distribute_strategy.num_replicas_in_sync > 1 or not can_measure():
        return PhaseData(train, validation, steps)
    wait = DataWait()
    return PhaseData(wait.measured(train), validation, steps, wait=wait)


def _rebatched(train, batch_size):
    num_images = getattr(train, "num_images", None)
    rebatched = train.rebatch(batch_size)
    steps = math.ceil(num_images / batch_size) if num_images else sum(1 for _ in rebatched)
    # Keras would warn that the data ran out.
    return rebatched.apply(tf.data.experimental.assert_cardinality(steps))


def _on_features(model, phase, features, held_out, callbacks):
    if phase.batch_size is not None:
        features = features.batched(phase.batch_size)
    steps = int(features.cardinality())
    # Keras' loop over several steps fails on several replicas.
    several_replicas = model.distribute_strategy.num_replicas_in_sync > 1
    one_by_one = several_replicas or _look_at_batches(callbacks) or not _is_head_alone(model)
    return PhaseData(
        train=features.as_inputs(),
        validation=held_out and held_out.batched(_EVALUATION_BATCH).as_inputs(),
        steps=steps,
        steps_per_execution=1 if one_by_one else min(steps, _STEPS_AT_ONCE),
        features=features,
    )


def _extract(model, phase, train, validation, cache, verbose, following):
    """The features of the training and of the validation pictures."""
    if following is not None and _share_pictures(phase, following, train):
        with contextlib.suppress(NoRoomError):  # the phase's own may be small enough
            found = _extract_through(model, phase, train, validation, cache, verbose, following)
            if found is not None:
                return found
    features = _extract_views(model, phase, train, cache, verbose)
    return features, _extract_validation(model, validation, cache, features, verbose)


def _share_pictures(phase, following, train):
    """Whether the pictures of a phase are the first view of the following one's."""
    same = phase.views == 1 and phase.augmented == following.augmented
    return same and source_of(train).fingerprint is not None


def _extract_through(model, phase, train, validation, cache, verbose, following):
    """Features computed from those of the following phase; None where that is not possible."""
    policy, boundary = model.freeze_policy, model.frozen_boundary
    model.freeze_policy = following.freeze_policy
    try:
        if not _has_frozen_work(model) or not _comes_before(model, boundary):
            return None
        features, held_out = _extract(model, following, train, validation, cache, verbose, None)
        middle = graph.split(model.tail(), boundary)[0]
    finally:
        model.freeze_policy = policy
    train = cache.extract(middle, features, verbose=verbose)
    return train, _extract_validation(middle, held_out, cache, train, verbose)


def _comes_before(model, boundary):
    """Whether the frozen part ends before a boundary."""
    names = list(graph.boundaries(model))
    return names.index(model.frozen_boundary) < names.index(boundary)


def _extract_views(model, phase, train, cache, verbose):
    views = phase.views or DEFAULT_VIEWS
    try:
        return cache.extract(model, train, views, verbose)
    except NoRoomError:
        if views == 1:
            raise
        return cache.extract(model, train, 1, verbose)


def _extract_validation(model, validation, cache, features, verbose):
    if validation is None:
        return None
    # The engine is prepared for this stem already.
    return cache.extract(model, validation, verbose=verbose, engine=features.engine)


def _has_frozen_work(model):
    return model.stem().count_params() > 0 and None not in model.input_shape[1:]


def _is_head_alone(model):
    return model.frozen_boundary not in model.backbone.boundaries[:-1]


def _unfreezes(callbacks):
    return any(isinstance(callback, GradualUnfreezing) for callback in callbacks)


def _look_at_batches(callbacks):
    hooks = [f"on_{kind}batch_{when}" for kind in ("", "train_") for when in ("begin", "end")]
    return any(
        getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in hooks
    )
