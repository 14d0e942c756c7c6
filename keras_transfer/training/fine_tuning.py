"""The one verb."""

import contextlib
import json
import time

import keras
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.distribution import all_agree, is_chief
from keras_transfer.features import FeatureCache
from keras_transfer.plans.chooser import default_plan
from keras_transfer.plans.costs import measure_costs
from keras_transfer.plans.plan import Plan
from keras_transfer.plans.plan_text import describe
from keras_transfer.plans.recommender import recommend
from keras_transfer.training.exact_head import can_solve
from keras_transfer.training.run_settings import settings_of
from keras_transfer.training.staged_training import StagedTraining
from keras_transfer.training.training_folder import TrainingFolder

_LEAST_BUDGET = 1e-3
# MobileNetV2's 0.999 keeps a twentieth of the first variance, 1, for 3000 steps; where the true
# one is 0.01 the network then says the same of every picture, though it has learned.
_SCRATCH_MOMENTUM = 0.9


def fine_tune(
    model,
    train,
    validation=None,
    plan=None,
    directory=None,
    callbacks=(),
    class_weight=None,
    verbose=1,
    cache=None,
    time_budget=None,
    checkpoint_every=None,
):
    """Trains a `TransferModel` by a plan: first the head, then more of the backbone.

    Each phase applies its freeze policy, compiles with AdamW under a warm-up and a cosine, and
    runs `fit`. What stays frozen in it is computed once and kept in a cache on disk: the phase
    then trains on features, which the next run with the same pictures and weights finds. At the
    end the model has the weights of the best epoch on the validation data, of all phases: the
    latest one whose accuracy is within one standard error of the highest (see `BestWeights`);
    without validation data, those of the last one.

    Args:
        model: a `TransferModel`. If it is compiled, its loss and metrics are kept; otherwise
            it is compiled for its heads.
        train: a `tf.data.Dataset` of batches, or a pair of arrays, images and labels, which
            is shuffled and given in batches of 32.
        validation: the same, or None.
        plan: a `Plan`. Defaults to `default_plan` for the number of pictures and classes; for a
            truncated backbone with an exact head.
            "auto" asks `plans.recommend`, which looks at the pictures first.
        directory: a folder that gets `plan.json`, and after each phase `history.csv` and the
            best model so far as `model.keras`. In its folder `checkpoints` the training keeps
            its state: the same call goes on where another one was stopped or killed, and gives
            back the result of one that was finished. Defaults to None, nothing is written.
        callbacks: Keras callbacks for all phases; they see one call of `fit` a phase.
        class_weight: as in `fit`.
        verbose: 0 is silent, 1 shows the plan and Keras' progress bars, 2 a line an epoch.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder;
            False trains on pictures and computes the frozen part again in every epoch.
        time_budget: seconds that the default plan may take, as far as can be told beforehand.
            Defaults to None, as long as it takes to be accurate.
        checkpoint_every: with a directory, the number of steps after which the state is saved
            within an epoch as well. Defaults to None: at the ends of epochs, or, where these
            are short, less often, so that it takes a twentieth of the time.

    Returns:
        A `keras.callbacks.History` of all phases, with epochs counted through, and `phase`
        (a list with the name of each epoch's phase), `plan` and `best_epoch` as attributes.

    Raises:
        ValueError: for data that cannot be counted or are empty, a model that is no
            `TransferModel`, or a directory with a training that was started with another
            backbone, other data or another plan; the message names the difference.
        FileExistsError: if another process is training in the directory.
        FloatingPointError: if the loss was no number in any epoch.
        Preempted: a `SystemExit` with code 75, if the process gets SIGTERM while it trains
            with a directory: its state is saved.

    Example:

    >>> history = fine_tune(model, train, validation)  # doctest: +SKIP

    Reference: Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, ICLR 2022, for the head first; Howard and Ruder, 2018, for one rate a
    layer.
    """
    _check_model(model)
    _check_budget(time_budget)
    cache = _check_cache(cache)
    train, validation = _as_dataset(train, shuffle=True), _as_dataset(validation)
    steps, num_images, batch_size = _count(train)
    if int(train.cardinality()) != steps:  # Keras would warn that the data ran out
        train = train.apply(tf.data.experimental.assert_cardinality(steps))
    _check_plan(plan, time_budget)
    folder = (
        None
        if directory is None
        else TrainingFolder(directory, is_chief(model.distribute_strategy))
    )
    with folder.taken() if folder else contextlib.nullcontext():
        settings = folder and settings_of(
            model, {"training": train, "validation": validation}, plan, time_budget,
            class_weight, observe=cache is not None,
        )  # fmt: skip
        begun = folder and folder.plan_begun(settings)
        plan = begun or plan
        if plan == "auto":
            plan = _recommended_plan(model, train, batch_size, cache)
        elif plan is None:
            plan = _choose_plan(model, train, (num_images, batch_size), cache, time_budget)
            if model.truncate_at and _is_solvable(model, train, cache):
                plan = plan.with_exact_head()
        _check_workers_agree(model, plan)
        if plan.from_scratch:
            _forget(model.backbone)
        if verbose:
            print(describe(plan, model, num_images, steps))
        if folder and not begun:
            folder.begin(plan, settings)
        training = StagedTraining(
            model, train, validation, plan, cache, callbacks, class_weight, verbose,
            folder, checkpoint_every, _num_validation(validation),
        )  # fmt: skip
        return training.run()


def _choose_plan(model, train, size, cache, time_budget):
    num_images, batch_size = size
    costs = None
    if time_budget is not None:
        started = time.perf_counter()
        costs = measure_costs(model, train, cache.engine_name if cache else "tensorflow")
        # To measure takes a part of it.
        time_budget = max(time_budget - (time.perf_counter() - started), _LEAST_BUDGET)
    num_stages, num_classes = len(model.backbone.stages), model.outputs[0].shape[-1]
    return default_plan(num_images, num_classes, num_stages, batch_size, costs, time_budget)


def _recommended_plan(model, train, batch_size, cache):
    recommendation = recommend(train, model.backbone, cache or False, batch_size)
    plan = recommendation.plan
    if not _is_solvable(model, train, cache):
        return plan.without_exact_solution()
    return plan.with_exact_head() if model.truncate_at else plan


def _is_solvable(model, train, cache):
    return cache is not None and can_solve(model, train.element_spec)


def _check_workers_agree(model, plan):
    """Raises where each worker would train by a plan of its own: they wait for each other."""
    phases = json.dumps(plan.to_json()["phases"], sort_keys=True)
    if not all_agree(model.distribute_strategy, phases):
        raise ValueError(
            "The workers chose different plans, since each measures on its own. Give all of "
            f"them one: `plan=`, or --plan with a run's plan.json. Received: {phases}"
        )


def _forget(backbone):
    """Gives a backbone random weights, and statistics that follow them."""
    for layer, drawn in zip(backbone.layers, random_twin(backbone).layers, strict=True):
        graph.set_layer_weights(layer, drawn.get_weights())
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, _SCRATCH_MOMENTUM)


def _check_plan(plan, time_budget):
    if plan is not None and plan != "auto" and not isinstance(plan, Plan):
        raise ValueError(
            "`plan` must be a `Plan`, such as `Plan([Phase(FreezeAll(), 5, 1e-3)])`, 'auto' or "
            f"None. Received: plan={plan!r}"
        )
    if plan == "auto" and time_budget is not None:
        raise ValueError(
            "What is recommended does not follow a time budget: leave one of them out. "
            f"Received: plan='auto', time_budget={time_budget!r}"
        )


def _check_model(model):
    if not hasattr(model, "freeze_policy"):
        raise ValueError(
            "`model` must be a `TransferModel`; make one with "
            "`models.TransferModel(backbone, heads)`. "
            f"Received: model of type {type(model).__name__}"
        )


def _check_budget(time_budget):
    if time_budget is not None and not time_budget > 0:
        raise ValueError(
            "`time_budget` must be a positive number of seconds or None. "
            f"Received: time_budget={time_budget!r}"
        )


def _check_cache(cache):
    if cache is None or cache is True:
        return FeatureCache()
    if cache is False or isinstance(cache, FeatureCache):
        return cache or None
    raise ValueError(
        "`cache` must be a `features.FeatureCache`, None for the default one, or False for "
        f"none. Received: cache={cache!r}"
    )


def _as_dataset(data, shuffle=False, batch_size=32):
    if data is None or isinstance(data, tf.data.Dataset):
        return data
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(
            "Data must be a `tf.data.Dataset` of batches, or a pair of images and labels. "
            f"Received: {type(data).__name__}"
        )
    dataset = tf.data.Dataset.from_tensor_slices(tuple(data))
    if shuffle:
        dataset = dataset.shuffle(len(data[0]), seed=0)
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _count(dataset):
    """Steps in an epoch, pictures in an epoch, and pictures in a step."""
    steps = int(dataset.cardinality())
    if steps == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`train` never ends, so that it has no epochs. End it with `train.take(steps)`. "
            "Received: a dataset of infinite cardinality"
        )
    if steps == tf.data.UNKNOWN_CARDINALITY:
        steps = sum(1 for _ in dataset)
    if steps == 0:
        raise ValueError("`train` holds no batch. Received: an empty dataset")
    batch_size = _batch_size(dataset)
    return steps, int(_num_images(dataset) or steps * batch_size), batch_size


def _num_validation(dataset):
    """The number of validation pictures, to within a batch, or None where it is not known."""
    steps = 0 if dataset is None else int(dataset.cardinality())
    if steps <= 0:
        return None
    return _num_images(dataset) or steps * _batch_size(dataset)


def _num_images(dataset):
    return getattr(dataset, "num_images", None)


def _batch_size(dataset):
    # To look at one batch of a shuffled dataset is to read all names into its buffer.
    source = getattr(dataset, "source", None)
    if source is not None:
        return source.batch_size
    return len(keras.tree.flatten(next(iter(dataset)))[0])
