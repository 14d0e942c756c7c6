"""`keras-transfer fit`."""

import json
import os
import pathlib
import re
import sys
import time
import warnings

import keras
import tensorflow as tf

from keras_transfer import callbacks, data, distribution, heads, models, plans, runs, training
from keras_transfer._files import write_aside
from keras_transfer._text import reason_of, tell_unreadable
from keras_transfer.cli.fit_results import evaluate_and_export, tell_results
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of
from keras_transfer.cli.output_folder import check_output
from keras_transfer.cli.run_folder import RunFolder


def run(options):
    """Trains on a folder of pictures and writes the run folder."""
    started = time.monotonic()
    # Before all else: workers and a TPU are found before TensorFlow does anything.
    strategy = distribution.get_strategy(options.distribution)
    run_folder = RunFolder(options.output, writes=distribution.is_chief(strategy))
    plan = _read_plan(options.plan)
    size = image_size_of(options)
    settings = _settings(options, size, plan)
    run_folder.check_free(settings)
    cache = cache_of(options)
    check_output(options.output, options.data)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    splits = data.image_folder(
        options.data,
        image_size=size,
        batch_size=options.batch_size,
        seed=options.seed,
        on_unreadable=options.on_unreadable,
    )
    # Only now: a wrong DATA should not leave an empty folder behind.
    with strategy.scope():
        model = _build_model(options, size, len(splits.class_names))
    _check_plan(plan, model, cache)
    if options.cache is not None:
        cache.folder.make()
    if not run_folder.writes:
        _fine_tune(run_folder, model, splits, plan, cache, options)
        return
    tell_unreadable(splits)
    if run_folder.is_unfinished(settings):
        print(f"Taking up the unfinished run in {run_folder.path}.")
    with run_folder.taken(settings):
        # Before the training, so that what an interrupted one leaves can be used.
        run_folder.describe({**settings, "class_names": list(splits.class_names)})
        _tell_data(splits)
        before, clock = model.backbone.copy(), callbacks.PhaseClock()
        history = _fine_tune(run_folder, model, splits, plan, cache, options, clock)
        trained = time.monotonic()
        if strategy.num_replicas_in_sync > 1:
            # On one device, whatever the others do. A killed process may have calibrated it.
            write_aside(run_folder.path / "model.keras", model.save)
            model = run_folder.load_model()
        metrics, version = evaluate_and_export(run_folder, model, history, splits)
        seconds = [
            ("reading the pictures", clock.started - started),
            *clock.seconds(_names_of_fits(history.plan), trained),
            ("evaluation and export", time.monotonic() - trained),
        ]
        temperature = metrics["temperature"]
        course = runs.course_of(history.plan, before, model, seconds, temperature)
        runs.RunRecord(run_folder.path).write_course(course)
        metrics["seconds"] = round(time.monotonic() - started, 1)
        run_folder.finish(metrics)
        _write_report(run_folder, model)
    tell_results(run_folder, metrics, splits.class_names, version)


def _names_of_fits(plan):
    """The names of the phases that call `fit`; an exact head is solved without."""
    return [phase.name for phase in plan.phases if phase.solver != "exact"]


def _write_report(run_folder, model):
    """Writes the page. Whatever stops it, the run is finished and stays."""
    try:
        runs.write(run_folder.path, model=model)
    except Exception as error:
        warnings.warn(
            f"There is no report.html ({reason_of(error)}). All else is there; "
            f"`keras-transfer report {run_folder.path}` tries again.",
            stacklevel=2,
        )


def _fine_tune(run_folder, model, splits, plan, cache, options, clock=None):
    try:
        return training.fine_tune(
            model,
            _augmented(splits.train, options),
            splits.validation,
            plan=plan,
            directory=run_folder.path,
            callbacks=[clock] if clock else (),
            class_weight=splits.balanced_class_weight if options.balance else None,
            verbose=_verbosity(run_folder),
            cache=cache,
            time_budget=options.time_budget,
            checkpoint_every=options.checkpoint_every,
        )
    except training.Preempted:
        print(
            "keras-transfer: asked to end (SIGTERM). The state is saved; the same command goes "
            "on from it.",
            file=sys.stderr,
        )
        raise
    except tf.errors.OpError as error:
        if not distribution.has_workers(model.distribute_strategy):
            raise
        raise RuntimeError(_what_happened(error, model.distribute_strategy)) from error


def _what_happened(error, strategy):
    """What a failed exchange with the other workers means, as far as TensorFlow tells."""
    own = strategy.cluster_resolver.task_id
    named = {int(task) for task in re.findall(r"/task:(\d+)", error.message)} - {own}
    who = f"worker {min(named)}" if len(named) == 1 else "another worker"
    return (
        f"Worker {own} cannot go on without {who}, which has probably ended. Start all workers "
        "again with the same command: they go on from the last checkpoint. TensorFlow says: "
        f"{error.message.splitlines()[0]}"
    )


def _verbosity(run_folder):
    if not run_folder.writes:
        return 0
    # Progress bars in a log file are a mess.
    return 1 if sys.stdout.isatty() else 2


def _read_plan(path):
    if path in (None, "auto"):
        return path
    try:
        content = json.loads(pathlib.Path(path).read_text("utf-8"))
        # A recommend.json holds the plan beside the figures behind it.
        return plans.Plan.from_json(content.get("plan", content))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is no plan: {type(error).__name__}: {reason_of(error)}. A run's "
            "plan.json is one, and a recommend.json holds one."
        ) from error


def _check_plan(plan, model, cache):
    """Raises what training by this plan would, while there is no run folder yet."""
    for phase in plan.phases if isinstance(plan, plans.Plan) else ():
        phase.freeze_policy.trainable_layers(model.backbone)
        if phase.solver == "exact" and not cache:
            raise ValueError(
                "The exact solution of a head needs cached features: leave --no-cache out."
            )


def _build_model(options, size, num_classes):
    head = heads.SoftmaxHead(num_classes, dropout=0.2)
    backbone = backbone_of(options, size)
    return models.TransferModel(backbone, head, truncate_at=options.truncate_at)


def _augmented(train, options):
    if options.augmentation == "none":
        return train
    return getattr(data.augmentation, options.augmentation)(seed=options.seed)(train)


def _settings(options, size, plan):
    """What decides how the run goes: a run is taken up by the same settings only."""
    return {
        "backbone": options.backbone,
        "alpha": options.alpha,
        "weights": options.weights,
        "truncate_at": options.truncate_at,
        "image_size": [size, size],
        "channels": 3,
        "data": os.path.abspath(options.data),
        "augmentation": options.augmentation,
        "batch_size": options.batch_size,
        "balance": options.balance,
        "plan": json.loads(json.dumps(plan.to_json()))
        if isinstance(plan, plans.Plan)
        else plan,
        "time_budget": options.time_budget,
        "seed": options.seed,
    }


def _tell_data(splits):
    parts = ", ".join(f"{count} for {split}" for split, count in splits.num_images.items())
    print(f"{len(splits.class_names)} classes; pictures: {parts}.")
