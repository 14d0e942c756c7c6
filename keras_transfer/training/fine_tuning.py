"""The one call that trains a model by a plan."""

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._applications import APPLICATIONS
from keras_transfer._graph_rewriting import graphs_as_traced
from keras_transfer.backbones import graph
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.distribution.workers import all_agree, is_chief
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll
from keras_transfer.models.checked_data import CheckedData
from keras_transfer.models.checks import check_model
from keras_transfer.models.label_rules import check_class_weight
from keras_transfer.models.objective import check_data
from keras_transfer.models.regression import targets_of, warn_if_worse_than_mean
from keras_transfer.plans.chooser import (
    DECAY_REASON,
    choose_plan,
    frozen_plan,
    with_changes,
    with_joined_head,
)
from keras_transfer.plans.costs import measure_costs
from keras_transfer.plans.domain_plan import with_objectives
from keras_transfer.plans.plan import Plan
from keras_transfer.plans.recommender import recommend
from keras_transfer.training.exact_head import can_solve
from keras_transfer.training.given_data import (
    as_dataset,
    count,
    is_endless,
    num_validation,
    others_of,
    without_source,
)
from keras_transfer.training.image_sizes import warn_of_sizes
from keras_transfer.training.staged_training import StagedTraining
from keras_transfer.training.training_folder import TrainingFolder, settings_of

_LEAST_BUDGET = 1e-3
_SET_THE_RATE = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
# Chosen plans have the learning rates of AdamW, whose base rate this is.
_BASE_RATE = 1e-3
# MobileNetV2's momentum of 0.999 keeps a twentieth of the initial variance, 1, for 3000 steps.
# If the true variance is 0.01, the network then predicts the same for every image.
_SCRATCH_MOMENTUM = 0.9


def fine_tune(
    model: keras.Model,
    train: tf.data.Dataset | keras.utils.PyDataset | Iterable | None,
    validation: tf.data.Dataset | keras.utils.PyDataset | tuple | None = None,
    plan: Plan | str | os.PathLike | None = None,
    directory: str | os.PathLike | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    class_weight: dict | None = None,
    verbose: int = 1,
    cache: FeatureCache | bool | None = None,
    time_budget: float | None = None,
    checkpoint_every: int | None = None,
    steps_per_epoch: int | None = None,
    target: tf.data.Dataset | np.ndarray | None = None,
    memory: tf.data.Dataset | tuple | np.ndarray | None = None,
) -> keras.callbacks.History:
    """Trains a `TransferModel` by a plan: first the head, then more of the backbone.

    Each phase applies its freeze policy, compiles with a warm-up and a cosine schedule, and
    calls `fit`. The frozen part is computed once and cached on disk: the phase then trains on
    features, which the next run with the same images and weights reuses. At the end the model
    has the weights of the best epoch of all phases: the latest one whose validation accuracy is
    within one standard error of the highest (see `BestWeights`); without validation data, those
    of the last epoch.

    The optimizer is AdamW, or the class and the settings of the optimizer that the model was
    compiled with. The plan sets the schedule. In a plan that the library chooses, the learning
    rates are proportional to the compiled one, and the multipliers of a compiled
    `LearningRateMultiplier` stay; an explicit `Plan` sets both. The loss and the metrics are
    those that the model was compiled with, by default those of its heads.

    On a GPU, XLA compiles a phase of at least 10,000 steps: for fewer, compiling takes longer
    than it saves. `model.compile(jit_compile=True)` or `False` decides otherwise.

    Args:
        model: a `TransferModel`.
        train: a `tf.data.Dataset` of batches; a tuple of arrays, images, labels and, if wanted,
            sample weights, which are shuffled and divided into batches of 32; a
            `keras.utils.PyDataset`, whose batches are shuffled; or a generator of batches,
            which trains on images and is not resumed at its position. None trains a trained
            model on the objectives of `target` alone.
        validation: the same without a generator, or None.
        plan: a `Plan`; the path of a `plan.json` or a `recommend.json`; "auto", which measures
            the images first (`plans.recommend`); or None, which chooses by the numbers of
            images and classes (`plans.choose_plan`). The first phase of a chosen plan for a
            truncated backbone, or one that is not of `keras.applications`, is the exact head.
        directory: a folder for `plan.json` and, after each phase, `history.csv` and the best
            model so far as `model.keras`. Its subfolder `checkpoints` holds the state of the
            training: after a kill the same call resumes, and the call of a finished training
            returns its result. Defaults to None, nothing is written.
        callbacks: Keras callbacks for all phases, which see one `fit` per phase. In a resumed
            training, `EarlyStopping` and `ModelCheckpoint` continue where they were, and so
            does a callback with `get_state()` and `set_state(state)`.
        class_weight: as in `fit`.
        verbose: 0 is silent, 1 prints the plan and shows progress bars, 2 prints a line per
            epoch.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
            False trains on images and computes the frozen part in every epoch.
        time_budget: seconds that the chosen plan may take, by an estimate. Defaults to None,
            no limit.
        checkpoint_every: with a directory, the number of steps after which the state is also
            saved within an epoch. Defaults to None: at the end of an epoch, less often when
            epochs are short.
        steps_per_epoch: the number of batches in an epoch of endless data, a generator for
            example. Defaults to None: the data are finite.
        target: images of the domain where the model will be used, a `tf.data.Dataset` of
            batches or an array; labels are dropped. The objectives of the plan read them, and
            the best epoch is the one with the highest `adaptation.score`, in the history as
            `target_score`. Defaults to None.
        memory: images of an earlier task, the same, or a tuple of arrays with labels; see
            `retention`. Defaults to None.

    Returns:
        A `keras.callbacks.History` of all phases, with consecutive epochs and the attributes
        `phase` (a list with the name of each epoch's phase), `plan` and `best_epoch`.

    Raises:
        ValueError: if the data are empty or have no end, labels do not fit the heads, images
            hold NaN, the model is not a `TransferModel`, a callback sets the learning rate, as
            the plan does, or the directory holds a training with another backbone, data or
            plan; the message names the difference.
        FileExistsError: if another process is training in the directory.
        FloatingPointError: if the loss was NaN or infinite in every epoch.
        Preempted: a `SystemExit` with code 75, if the process gets SIGTERM while it trains
            with a directory; its state is saved.

    Example:

    >>> history = training.fine_tune(model, train, validation, verbose=0)
    >>> set(history.phase)
    {'exact head'}

    Reference: Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, ICLR 2022, for the head first; Howard and Ruder, Universal Language
    Model Fine-tuning for Text Classification, ACL 2018, for a learning rate per layer.
    """
    folder = None
    check_model(model)
    if directory is not None:
        folder = TrainingFolder(directory, is_chief(model.distribute_strategy))
    cache = as_cache(cache)
    with folder.taken() if folder else contextlib.nullcontext():
        return fine_tune_in(
            folder, model, train, validation, plan, callbacks, class_weight, verbose, cache,
            time_budget, checkpoint_every, steps_per_epoch, target, memory,
        )  # fmt: skip


@graphs_as_traced()
def fine_tune_in(
    folder, model, train, validation=None, plan=None, callbacks=(), class_weight=None,
    verbose=1, cache=None, time_budget=None, checkpoint_every=None, steps_per_epoch=None,
    target=None, memory=None, **changes,
):  # fmt: skip
    """`fine_tune` in a `TrainingFolder` that this process has taken, or in None.

    `cache` is a `FeatureCache`, or None to train on images. `changes` are those that
    `with_changes` makes in the plan.
    """
    callbacks = list(callbacks)
    _check_callbacks(callbacks)
    plan = as_plan(plan, time_budget)
    check_class_weight(model.heads, class_weight)
    if train is None:
        train = without_source(model, target, plan)
    cache = None if is_endless(train) else cache
    with CheckedData(model, model.compiled_losses) as checked:
        train = as_dataset(train, "train", checked, steps_per_epoch, shuffle=True)
        validation = as_dataset(validation, "validation", checked)
        warn_of_sizes(model, train, validation)
        some = train if steps_per_epoch is None else train.take(1)
        model.adapt_heads(targets_of(some))
        others = others_of(model, target, memory)
        # The phases have features of the same images.
        with cache.decoded.kept() if cache else contextlib.nullcontext():
            history = _train(
                folder, model, train, validation, plan, callbacks, class_weight, verbose, cache,
                time_budget, checkpoint_every, changes, others,
            )  # fmt: skip
        losses = history.history.get("val_loss")
        warn_if_worse_than_mean(model, validation, losses and losses[history.best_epoch])
        return history


def _train(
    folder, model, train, validation, plan, callbacks, class_weight, verbose, cache,
    time_budget, checkpoint_every, changes, others,
):  # fmt: skip
    """Trains on data sets of batches."""
    steps, num_images, batch_size = count(train)
    if int(train.cardinality()) != steps:  # Keras would warn that the data ran out
        train = train.apply(tf.data.experimental.assert_cardinality(steps))
    model.remember(train)
    size = num_images, batch_size

    def choose():
        chosen = _choose(model, train, size, plan, cache, time_budget, changes)
        if isinstance(plan, Plan):
            return chosen
        return with_objectives(chosen, *(name in others for name in ("target", "memory")))

    _check_objectives(model, plan, others)
    if folder:
        data = {"training": train, "validation": validation, **others}
        observe = cache is not None
        folder.agree(
            "training", settings_of(model, data, plan, time_budget, class_weight, observe)
        )
    followed = folder.agreed_plan(choose) if folder else choose()
    _check_workers_agree(model, followed)
    if followed.from_scratch:
        _reinitialise(model.backbone)
    if verbose:
        print(followed.describe(model, num_images, steps))
    return StagedTraining(
        model, train, validation, followed, cache, callbacks, class_weight, verbose, folder,
        checkpoint_every, num_validation(validation), others,
    ).run()  # fmt: skip


def _check_objectives(model, plan, others):
    """Raises `ValueError` if objectives lack images, or images an objective."""
    phases = plan.phases if isinstance(plan, Plan) else ()
    objectives = [one for phase in phases for one in phase.objectives]
    objectives += model.running.objectives
    check_data(objectives, others)
    trains_backbone = any(not isinstance(phase.freeze_policy, FreezeAll) for phase in phases)
    is_read = any(one.reads_memory for one in objectives)
    if "memory" in others and trains_backbone and not is_read:
        raise ValueError(
            "No objective of the plan reads `memory`: add `retention.Distillation()` to a "
            f"phase that trains the backbone. Received: {objectives}"
        )


def _choose(model, train, size, plan, cache, time_budget, changes):
    """The plan for a data set, and for the optimizer that the model was compiled with."""
    num_images, batch_size = size
    num_stages, decoder = len(model.backbone.stages), _has_decoder(model)
    if isinstance(plan, Plan):
        if plan.truncate_at not in (None, model.truncate_at):
            raise ValueError(
                f"The plan is for a truncated backbone: make the model with "
                f"`TransferModel(..., truncate_at={plan.truncate_at!r})`. "
                f"Received: a model with truncate_at={model.truncate_at!r}"
            )
        return with_changes(plan, num_stages, size, decoder=decoder, **changes)
    is_solvable = cache is not None and can_solve(model, train.element_spec)
    if plan == "auto":
        found = recommend(
            train, model.backbone, cache or False, batch_size, truncate=False
        ).plan
    else:
        costs = None
        if time_budget is not None and not decoder:
            started = time.perf_counter()
            costs = measure_costs(model, train, cache.engine_name if cache else "tensorflow")
            # Measuring takes a part of the budget.
            time_budget = max(time_budget - (time.perf_counter() - started), _LEAST_BUDGET)
        num_classes = model.outputs[0].shape[-1]
        found = choose_plan(
            num_images, num_classes, num_stages, batch_size, None, costs, time_budget,
            decoder,
        )  # fmt: skip
    if not model.backbone.can_train:
        found = frozen_plan(*size)
    if any(head.inputs for head in _heads_of(model)):
        found = with_joined_head(found, *size)
    found = with_changes(found, num_stages, size, decoder=decoder, **changes)
    if not is_solvable:
        found = found.without_exact_solution()
    elif _is_of_unknown_scale(model) and not (changes and len(found.phases) == 1):
        found = found.with_exact_head()
    return _for_optimizer(found, model.own_optimizer)


def _is_of_unknown_scale(model):
    """Whether the features are not those at the end of an application, which AdamW suits."""
    return bool(model.truncate_at) or model.backbone.application not in APPLICATIONS


def _has_decoder(model):
    return any(head.takes_stages for head in _heads_of(model))


def _heads_of(model):
    return [*model.heads.values()] if isinstance(model.heads, dict) else [model.heads]


def _for_optimizer(plan, optimizer):
    """The plan with the learning rates of the compiled optimizer."""
    if optimizer is None:
        return plan
    reasons, phases = list(plan.reasons), plan.phases
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    name, rate = type(inner).__name__, inner.get_config().get("learning_rate")
    if inner is not optimizer:
        phases = [dataclasses.replace(phase, layerwise_decay=None) for phase in phases]
        reasons = [reason for reason in reasons if reason != DECAY_REASON]
        reasons.append(
            "The learning-rate multipliers are those that the model was compiled with."
        )
    if isinstance(rate, float):
        scale = rate / _BASE_RATE
        phases = [
            dataclasses.replace(phase, learning_rate=scale * phase.learning_rate)
            for phase in phases
        ]
        reasons.append(
            f"The optimizer is the compiled {name}, and the learning rates follow its "
            f"learning rate of {rate:g}."
        )
    else:
        reasons.append(
            f"The optimizer is the compiled {name}; the plan's schedule replaces its own."
        )
    return dataclasses.replace(plan, phases=phases, reasons=reasons)


def _check_workers_agree(model, plan):
    """Raises `ValueError` if the workers have different plans."""
    phases = json.dumps(plan.to_json()["phases"], sort_keys=True)
    if not all_agree(model.distribute_strategy, phases):
        raise ValueError(
            "The workers chose different plans, because each measures its own speed. Pass the "
            f"same `plan` (--plan with a run's plan.json) to all. Received: {phases}"
        )


def _reinitialise(backbone):
    """Gives a backbone random weights, and BatchNormalization a smaller momentum."""
    for layer, drawn in zip(backbone.layers, random_twin(backbone).layers, strict=True):
        graph.set_layer_weights(layer, drawn.get_weights())
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, _SCRATCH_MOMENTUM)


def as_plan(plan, time_budget):
    """The `Plan`, "auto" or None that `plan` stands for.

    Raises:
        ValueError: if it is none of these, or the time budget does not fit.
    """
    if time_budget is not None and not time_budget > 0:
        raise ValueError(
            "`time_budget` must be a positive number of seconds or None. "
            f"Received: time_budget={time_budget!r}"
        )
    is_file = isinstance(plan, os.PathLike) or str(plan).endswith(".json")
    if is_file and not isinstance(plan, Plan):
        plan = Plan.load(plan)
    if plan is not None and plan != "auto" and not isinstance(plan, Plan):
        raise ValueError(
            "`plan` must be a `Plan`, such as `Plan([Phase(FreezeAll(), 5, 1e-3)])`, the path "
            f"of a plan.json, 'auto' or None. Received: plan={plan!r}"
        )
    if plan == "auto" and time_budget is not None:
        raise ValueError(
            "`plan='auto'` does not take a time budget: pass one of them. "
            f"Received: plan='auto', time_budget={time_budget!r}"
        )
    return plan


def _check_callbacks(callbacks):
    for callback in callbacks:
        if isinstance(callback, _SET_THE_RATE):
            raise ValueError(
                "The plan sets the learning rate of each step: leave out the callback, or pass "
                "a plan with other phases, such as `Phase(..., learning_rate=1e-4)`. "
                f"Received: callbacks with {type(callback).__name__}"
            )


def as_cache(cache):
    """The `FeatureCache` that `cache` stands for, or None."""
    if cache is None or cache is True:
        return FeatureCache()
    if cache is False or isinstance(cache, FeatureCache):
        return cache or None
    raise ValueError(
        "`cache` must be a `features.FeatureCache`, None for the default one, or False for "
        f"no cache. Received: cache={cache!r}"
    )
