"""A small network that learns what larger ones predict."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.features import FeatureCache
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import check_model
from keras_transfer.models.objective import without_labels

_BATCH = 32


def distil(
    teachers: Sequence[TransferModel],
    student: TransferModel,
    images: tf.data.Dataset,
    epochs: int = 30,
    views: int = 4,
    cache: FeatureCache | None = None,
    verbose: int = 0,
) -> keras.callbacks.History:
    """Trains a student on the mean prediction of teachers, view by view.

    The teachers predict each view of each image once; the student trains on its cached features
    of the same views. Labels are not used, so that `images` can be unlabelled.

    Args:
        teachers: `TransferModel`s with `SoftmaxHead`s for the classes of the student.
        student: a compiled `TransferModel` with a freeze policy; its optimizer is used.
        images: a `tf.data.Dataset` of batches, if possible with an augmentation of
            `keras_transfer.data`.
        epochs: the number of epochs. Defaults to 30.
        views: the number of draws of the augmentation. Defaults to 4.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        verbose: as in Keras' `fit`. Defaults to 0.

    Returns:
        The `keras.callbacks.History` of the student.

    Raises:
        ValueError: if there is no teacher, or the classes differ.

    Example:

    >>> student = models.TransferModel(backbone.copy(), heads.SoftmaxHead(3))
    >>> student.compile()
    >>> history = retention.distil([model], student, train.unlabelled, epochs=2)
    >>> len(history.epoch)
    2

    Reference: Hinton et al., Distilling the Knowledge in a Neural Network, 2015; Beyer et al.,
    Knowledge Distillation: A Good Teacher Is Patient and Consistent, CVPR 2022, for the same
    views.
    """
    models = [*teachers, student]
    for model in models:
        check_model(model)
    if not teachers or any(
        not isinstance(model.heads, SoftmaxHead) or model.output_shape != student.output_shape
        for model in models
    ):
        shapes = [model.output_shape for model in models]
        raise ValueError(
            "`teachers` and `student` must have `SoftmaxHead`s for the same classes. "
            f"Received: outputs of shape {shapes}"
        )
    cache = FeatureCache() if cache is None else cache
    images = without_labels(images)
    answers = [
        cache.extract(keras.Model(one.input, one.output), images, views) for one in teachers
    ]
    features = cache.extract(student, images, views)
    taught = np.concatenate(
        [
            np.mean([one.arrays(view) for one in answers], axis=0)
            for view in range(features.views)
        ]
    )
    parts = [_parts(features, view) for view in range(features.views)]
    inputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = tf.data.Dataset.from_tensor_slices((inputs, taught))
    rows = rows.shuffle(len(taught), seed=0).batch(_BATCH)
    return student.fit(rows, epochs=epochs, verbose=verbose)


def _parts(features, view):
    """The features of a view by the names of their tensors."""
    arrays = features.arrays(view)
    arrays = arrays if features.names[1:] else (arrays,)
    return dict(zip(features.names, arrays, strict=True))
