"""Does transfer help, or hurt?"""

import time

import keras
import numpy as np

from keras_transfer.backbones import random_twin
from keras_transfer.features import source_of
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.selection.intervals import bootstrap_interval
from keras_transfer.selection.negative_transfer import NegativeTransfer
from keras_transfer.selection.pooled_features import unaugmented
from keras_transfer.training import Plan, fine_tune
from keras_transfer.training.phases import head_phase, tuning_phase


def check_negative_transfer(
    dataset, backbone, plan=None, num_folds=2, num_images=600, seed=0, cache=None
):
    """Trains by one plan from pretrained and from random weights, on the same folds.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        backbone: a `Backbone` with pretrained weights; it stays as it is.
        plan: the `training.Plan` for both. Defaults to None: the head, and then the whole
            backbone for eight epochs.
        num_folds: in how many parts the pictures are divided; each is tested on once. Defaults
            to 2.
        num_images: at most so many pictures, drawn at random, which bounds time and memory.
            Defaults to 600.
        seed: of the draw, the folds, the twin and the trainings, for which Keras' global seed
            is set. Defaults to 0.
        cache: as in `fine_tune`. Defaults to None, one in the user's cache folder.

    Returns:
        A `NegativeTransfer`.

    Raises:
        ValueError: for fewer than two folds, or classes with fewer pictures than folds.

    Reference: Rosenstein et al., To transfer or not to transfer, NIPS workshop 2005; Wang et
    al., Characterizing and avoiding negative transfer, CVPR 2019, definition 1.
    """
    started = time.perf_counter()
    images, labels = _draw(dataset, num_images, seed)
    folds = _folds(labels, num_folds, seed)
    correct = {}
    for name, start in {"pretrained": backbone, "random": random_twin(backbone, seed)}.items():
        correct[name] = [
            _train_and_test(start, images, labels, fold, plan, seed, cache) for fold in folds
        ]
    gains = np.concatenate(correct["pretrained"]).astype(int) - np.concatenate(
        correct["random"]
    )
    return NegativeTransfer(
        pretrained=tuple(float(found.mean()) for found in correct["pretrained"]),
        random=tuple(float(found.mean()) for found in correct["random"]),
        difference=bootstrap_interval(gains, seed=seed),
        num_images=len(labels),
        seconds=time.perf_counter() - started,
    )


def _draw(dataset, num_images, seed):
    """Pictures from anywhere in the data set, and their labels, as arrays."""
    source = source_of(unaugmented(dataset))  # in an order that never changes
    chosen = np.zeros(source.num_images, bool)
    random = np.random.default_rng(seed)
    chosen[random.permutation(source.num_images)[:num_images]] = True
    images, labels = [], []
    for is_chosen, (image, label, *_) in zip(chosen, source.examples(), strict=True):
        if is_chosen:
            images.append(image.numpy())
            labels.append(int(np.argmax(label) if np.ndim(label) else label))
    return np.stack(images), np.array(labels)


def _folds(labels, num_folds, seed):
    from sklearn.model_selection import StratifiedKFold

    fewest = np.bincount(labels)[np.unique(labels)].min()
    if not isinstance(num_folds, int) or not 2 <= num_folds <= fewest:
        raise ValueError(
            "`num_folds` must be at least 2 and at most the pictures of the smallest class, "
            f"{fewest}. Received: num_folds={num_folds!r}"
        )
    splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    return list(splitter.split(labels, labels))


def _train_and_test(backbone, images, labels, fold, plan, seed, cache):
    """Whether each picture of the fold's second part is recognised."""
    train, test = fold
    keras.utils.set_random_seed(seed)
    model = TransferModel(backbone.copy(), SoftmaxHead(int(labels.max()) + 1))
    fine_tune(
        model, (images[train], labels[train]), plan=plan or _plan(backbone, len(train)),
        verbose=0, cache=cache,
    )  # fmt: skip
    return model.predict(images[test], verbose=0).argmax(axis=1) == labels[test]


def _plan(backbone, num_images):
    num_stages = len(backbone.stages)
    return Plan([head_phase(num_images), tuning_phase(num_stages, num_stages, num_images)])
