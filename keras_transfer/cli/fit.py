"""`keras-transfer fit`."""

import json
import os
import pathlib
import re
import sys
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import (
    callbacks,
    data,
    distribution,
    heads,
    models,
    reports,
    serving,
    training,
)
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of
from keras_transfer.cli.run_folder import RunFolder
from keras_transfer.files import write_aside
from keras_transfer.messages import reason_of, tell_unreadable
from keras_transfer.reports.fit_temperature import HIGHEST, LOWEST
from keras_transfer.reports.measure import confusion_table, measure
from keras_transfer.reports.run_figures import plot_confusion, plot_learning_curves
from keras_transfer.serving.warmup import can_write_warmup

_EXPORT_CANDIDATES, _EXPORT_EXAMPLES = 12, 4
# From fewer pictures a temperature is mostly chance.
_FEWEST_TO_CALIBRATE = 50


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
        metrics, version = _evaluate_and_export(run_folder, model, history, splits)
        seconds = [
            ("reading the pictures", clock.started - started),
            *clock.seconds(_names_of_fits(history.plan), trained),
            ("evaluation and export", time.monotonic() - trained),
        ]
        temperature = metrics["temperature"]
        course = reports.course_of(history.plan, before, model, seconds, temperature)
        reports.RunRecord(run_folder.path).write_course(course)
        metrics["seconds"] = round(time.monotonic() - started, 1)
        run_folder.finish(metrics)
        _write_report(run_folder, model)
    _report(run_folder, metrics, splits.class_names, version)


def _names_of_fits(plan):
    """The names of the phases that call `fit`; an exact head is solved without."""
    return [phase.name for phase in plan.phases if phase.solver != "lbfgs"]


def _write_report(run_folder, model):
    """Writes the page. Whatever stops it, the run is finished and stays."""
    try:
        reports.write(run_folder.path, model=model)
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


def _evaluate_and_export(run_folder, model, history, splits):
    """Returns the metrics and the export's folder."""
    temperature = _calibrate(run_folder, model, splits)
    predictions = list(_predict(model, splits))
    reports.RunRecord(run_folder.path).write_predictions(predictions)
    metrics = {
        "best_epoch": history.best_epoch + 1,
        "epochs": len(history.epoch),
        "temperature": temperature,
    }
    for one in predictions:
        metrics[one.split] = measure(one.probabilities, one.labels, splits.class_names)
    _plot(run_folder.path, history, metrics, splits.class_names)
    version = serving.export(
        model,
        run_folder.path / "serving",
        class_names=splits.class_names,
        examples=_readable_by_server(splits),
    )
    return metrics, version


def _read_plan(path):
    if path in (None, "auto"):
        return path
    try:
        return training.Plan.from_json(json.loads(pathlib.Path(path).read_text("utf-8")))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is no plan: {type(error).__name__}: {reason_of(error)}. A run's "
            "plan.json is one."
        ) from error


def _check_plan(plan, model, cache):
    """Raises what training by this plan would, while there is no run folder yet."""
    for phase in plan.phases if isinstance(plan, training.Plan) else ():
        phase.freeze_policy.trainable_layers(model.backbone)
        if phase.solver == "lbfgs" and not cache:
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
        if isinstance(plan, training.Plan)
        else plan,
        "time_budget": options.time_budget,
        "seed": options.seed,
    }


def _tell_data(splits):
    parts = ", ".join(f"{count} for {split}" for split, count in splits.num_images.items())
    print(f"{len(splits.class_names)} classes; pictures: {parts}.")


def _calibrate(run_folder, model, splits):
    """Makes the model as sure as it is right on the validation pictures, and keeps it so.

    Returns the temperature; None where these pictures cannot tell it.
    """
    if splits.validation is None or len(splits.labels["validation"]) < _FEWEST_TO_CALIBRATE:
        return None
    probabilities = model.predict(splits.validation, verbose=0)
    temperature = reports.fit_temperature(probabilities, splits.labels["validation"])
    if temperature in (LOWEST, HIGHEST):
        return None
    reports.apply_temperature(model, temperature)
    write_aside(run_folder.path / "model.keras", model.save)
    return temperature


def _predict(model, splits):
    """What the model says of every split but the training pictures."""
    for split in ("validation", "test"):
        dataset = getattr(splits, split)
        if dataset is not None:
            probabilities = model.predict(dataset, verbose=0)
            paths = tuple(map(os.path.abspath, splits.paths[split]))
            labels = np.asarray(splits.labels[split])
            yield reports.Predictions(split, probabilities, labels, paths)


def _plot(path, history, metrics, class_names):
    plot_learning_curves(history.history, history.phase, path / "learning_curves.png")
    measured = metrics.get("test", metrics.get("validation"))
    if measured is not None:
        plot_confusion(measured["confusion"], class_names, path / "confusion_matrix.png")


def _readable_by_server(splits):
    """A few pictures, not for training if possible, that TensorFlow decodes by itself."""
    paths = splits.paths.get("test") or splits.paths.get("validation") or splits.paths["train"]
    spread = paths[:: max(1, len(paths) // _EXPORT_CANDIDATES)]
    return [path for path in spread if _is_readable_by_server(path)][:_EXPORT_EXAMPLES] or None


def _is_readable_by_server(path):
    try:
        data.decode_image(tf.io.read_file(path))
    except tf.errors.InvalidArgumentError:  # WebP, or a BMP with a palette
        return False
    return True


def _report(run_folder, metrics, class_names, version):
    for split in ("validation", "test"):
        if split in metrics:
            measured = metrics[split]
            print(f"\n{split}: accuracy {measured['accuracy']:.1%} of {measured['images']}")
    measured = metrics.get("test", metrics.get("validation"))
    if measured is not None:
        print("\n" + confusion_table(measured["confusion"], class_names))
    if not can_write_warmup():
        print("No warm-up requests: pip install 'keras-transfer[serving]'", file=sys.stderr)
    print(f"\n{metrics['seconds']:.0f} s. All results are in {run_folder.path}:")
    if (run_folder.path / "report.html").is_file():
        print(f"  {run_folder.path / 'report.html'}")
    print(f"  keras-transfer predict {run_folder.path} PICTURE...")
    base_path = version.parent.resolve()
    print(f"  tensorflow_model_server --rest_api_port=8501 --model_base_path={base_path}")
