"""Does transfer help, or hurt?"""

import dataclasses
import time

import keras
import numpy as np

from keras_transfer._statistics.intervals import paired_interval
from keras_transfer._statistics.linear_models import stratified_folds
from keras_transfer.features import source_of
from keras_transfer.features.pooled import unaugmented
from keras_transfer.freezing import FreezeNone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Plan
from keras_transfer.plans.chooser import head_phase, tuning_phase
from keras_transfer.training.fine_tuning import fine_tune
from keras_transfer.transferability.negative_transfer import NegativeTransfer


def check_negative_transfer(
    dataset, backbone, plan=None, num_folds=2, num_images=600, seed=0, cache=None
):
    """Trains from pretrained and from random weights, on the same folds.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        backbone: a `Backbone` with pretrained weights; it stays as it is.
        plan: the `plans.Plan` for both, as it is: one that freezes BatchNormalization
            leaves the random network with statistics of no pictures, which is no help to it.
            Defaults to None: the head, and then the whole backbone, with BatchNormalization
            frozen in the pretrained network and following the pictures in the random one.
        num_folds: in how many parts the pictures are divided; each is tested on once. Defaults
            to 2.
        num_images: at most so many pictures, drawn at random, which bounds time and memory.
            Defaults to 600.
        seed: of the draw, the folds and the trainings, for which Keras' global seed is set;
            the random weights are the same for all. Defaults to 0.
        cache: as in `fine_tune`. Defaults to None, one in the user's cache folder.

    Returns:
        A `NegativeTransfer`.

    Raises:
        ValueError: for what is no plan, fewer than two folds, or fewer than two classes with as
            many pictures as folds; smaller classes are left out.

    Reference: Rosenstein et al., To transfer or not to transfer, NIPS workshop 2005; Wang et
    al., Characterizing and avoiding negative transfer, CVPR 2019, definition 1.
    """
    if plan is not None and not isinstance(plan, Plan):
        raise ValueError(f"`plan` must be a `Plan` or None. Received: plan={plan!r}")
    started = time.perf_counter()
    images, labels = _draw(dataset, num_images, num_folds, seed)
    folds = stratified_folds(labels, num_folds, seed)
    plans = {
        name: dataclasses.replace(
            plan or _plan(backbone, len(folds[0][0]), batch_norm), from_scratch=name == "random"
        )
        for name, batch_norm in (("pretrained", "frozen"), ("random", "trainable"))
    }
    correct = {
        name: [
            _train_and_test(backbone, images, labels, fold, chosen, seed, cache)
            for fold in folds
        ]
        for name, chosen in plans.items()
    }
    gains = np.concatenate(correct["pretrained"]).astype(int) - np.concatenate(
        correct["random"]
    )
    return NegativeTransfer(
        pretrained=tuple(float(found.mean()) for found in correct["pretrained"]),
        random=tuple(float(found.mean()) for found in correct["random"]),
        difference=paired_interval(gains),
        num_images=len(labels),
        seconds=time.perf_counter() - started,
    )


def _draw(dataset, num_images, num_folds, seed):
    """Pictures from anywhere in the data set, and their labels, as arrays."""
    if not isinstance(dataset.element_spec, tuple):
        raise ValueError("Labels are needed. Received: a dataset of pictures without labels")
    source = source_of(unaugmented(dataset))  # in an order that never changes
    chosen = np.zeros(source.num_images, bool)
    random = np.random.default_rng(seed)
    chosen[random.permutation(source.num_images)[:num_images]] = True
    images, labels = [], []
    for is_chosen, (image, label, *_) in zip(chosen, source.examples(), strict=True):
        if is_chosen:
            images.append(image.numpy())
            labels.append(int(np.argmax(label) if np.size(label) > 1 else np.ravel(label)[0]))
    images, labels = np.stack(images), np.array(labels)
    if not isinstance(num_folds, int) or num_folds < 2:
        raise ValueError(
            f"`num_folds` must be an integer of at least 2. Received: num_folds={num_folds!r}"
        )
    # By chance too few may have been drawn of a small class.
    enough = np.bincount(labels)[labels] >= num_folds
    names, labels = np.unique(labels[enough], return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"Fewer than two classes have {num_folds} pictures among those that were drawn. "
            f"Received: num_folds={num_folds}, num_images={num_images}"
        )
    return images[enough], labels


def _train_and_test(backbone, images, labels, fold, plan, seed, cache):
    """Whether each picture of the fold's second part is recognised."""
    train, test = fold
    keras.utils.set_random_seed(seed)
    model = TransferModel(backbone.copy(), SoftmaxHead(int(labels.max()) + 1))
    fine_tune(model, (images[train], labels[train]), plan=plan, verbose=0, cache=cache)
    return model.predict(images[test], verbose=0).argmax(axis=1) == labels[test]


def _plan(backbone, num_images, batch_norm):
    num_stages = len(backbone.stages)
    tuning = tuning_phase(num_stages, num_stages, num_images)
    tuning = dataclasses.replace(tuning, freeze_policy=FreezeNone(batch_norm=batch_norm))
    return Plan([head_phase(num_images), tuning])
