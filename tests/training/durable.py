"""A training that is stopped at a moment that the test chooses, and then goes on."""

import dataclasses
import itertools
import os
import pathlib
import shutil
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import (
    adaptation,
    callbacks,
    data,
    features,
    freezing,
    heads,
    models,
    plans,
    retention,
    training,
)
from tests.networks import residual_backbone

PLAN = plans.Plan(
    [
        plans.Phase(freezing.FreezeAll(), 3, 1e-2, views=2, name="head"),
        plans.Phase(
            freezing.UnfreezeLast(1), 3, 1e-3, layerwise_decay=0.5, augmented=False,
            averaged=True, name="last",
        ),
        plans.Phase(freezing.FreezeNone(), 3, 1e-3, averaged=True, name="all"),
    ]
)  # fmt: skip


class Killed(BaseException):
    """What no `except Exception` catches."""


class Stop(keras.callbacks.Callback):
    """Does something at the beginning of one batch of all."""

    def __init__(self, action, batch):
        super().__init__()
        self._action, self._batch = action, batch
        # No state of the training: another process counts anew.
        self._begun = itertools.count(1)

    def on_train_batch_begin(self, batch, logs=None):
        if next(self._begun) == self._batch:
            self._action()


class Snapshots(keras.callbacks.Callback):
    """Copies the folder of a training at the beginning of given batches, as a kill leaves it.

    Args:
        directory: the folder of the training and its features.
        copies: a dict of the number of a batch, over all epochs, to the place of the copy.
    """

    def __init__(self, directory, copies):
        super().__init__()
        self._directory, self._copies = directory, copies
        self._begun = itertools.count(1)

    def on_train_batch_begin(self, batch, logs=None):
        place = self._copies.get(next(self._begun))
        if place is not None:
            # The lock belongs to this process.
            shutil.copytree(self._directory, place, ignore=shutil.ignore_patterns(".lock"))


def kill():
    raise Killed


def signal_self(name):
    os.kill(os.getpid(), getattr(signal, name))


# Each has a state of its own: statistics, centroids, a discriminator, a teacher, anchors.
OBJECTIVES = (
    adaptation.OwnStatistics(),
    adaptation.PseudoLabels(),
    adaptation.DomainAdversary(),
    retention.Distillation(),
    retention.PullToStart(importance="fisher"),
)


def train(
    pictures,
    directory,
    *,
    cached=True,
    phases=slice(3),
    unfreezes=False,
    objectives=(),
    stop=None,
    every=None,
):
    """Trains, or resumes; returns all that is equal in two trainings that are the same.

    Args:
        pictures: a folder of class folders.
        directory: for the training and the features.
        cached: whether to train on features where that is possible.
        phases: which phases of `PLAN`.
        unfreezes: whether to unfreeze by a callback.
        objectives: those of the phase that trains the last stage; it is then the only one.
        stop: a `Stop`, `Snapshots`, or None.
        every: as `checkpoint_every`.
    """
    directory = pathlib.Path(directory)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)
    splits = data.image_folder(pictures, image_size=16, batch_size=6)
    model = models.TransferModel(residual_backbone("tf"), heads.SoftmaxHead(3, dropout=0.5))
    own = [keras.callbacks.EarlyStopping("loss", patience=2, start_from_epoch=1)]
    if unfreezes:
        policies = {1: freezing.UnfreezeLast(1), 2: freezing.FreezeAll()}
        own.append(callbacks.GradualUnfreezing(policies))
    if stop is not None:
        own.append(stop)
    plan, others = plans.Plan(PLAN.phases[phases]), {}
    if objectives:
        plan = plans.Plan([dataclasses.replace(PLAN.phases[1], objectives=objectives)])
        others = {"target": splits.train.unlabelled, "memory": splits.test}
    history = training.fine_tune(
        model,
        data.augmentation.light()(splits.train),
        splits.validation,
        plan=plan,
        directory=directory / "run",
        callbacks=own,
        cache=features.FeatureCache(directory / "cache") if cached else False,
        verbose=0,
        checkpoint_every=every,
        **others,
    )
    logs = [np.array(history.history[name]) for name in sorted(history.history)]
    weights = [variable.numpy() for variable in model.variables]
    return [*weights, *logs, np.array([history.best_epoch, len(history.epoch)])]


def main(pictures, directory, signal_name, batch):
    tf.config.experimental.enable_op_determinism()
    # Small graphs take longer to optimize than to run.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    stop = Stop(lambda: signal_self(signal_name), int(batch)) if int(batch) else None
    np.savez(pathlib.Path(directory) / "result.npz", *train(pictures, directory, stop=stop))


if __name__ == "__main__":
    main(*sys.argv[1:])
