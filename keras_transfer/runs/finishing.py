"""What follows the training of a run: calibration, measures, export and page."""

import contextlib
import os
import time
import warnings

from keras_transfer import _progress, serving
from keras_transfer._figures import save_figure
from keras_transfer._graph_rewriting import graphs_as_traced
from keras_transfer._text import reason_of
from keras_transfer.calibration.temperature_scaling import apply_temperature
from keras_transfer.features import NoRoomError
from keras_transfer.models.head_outputs import before_activation
from keras_transfer.runs.kinds import kind_named
from keras_transfer.runs.predictions import Predictions, groups_of
from keras_transfer.runs.provenance import provenance_of
from keras_transfer.runs.run import Run
from keras_transfer.runs.run_course import best_epoch, course_of
from keras_transfer.runs.run_figures import learning_curves
from keras_transfer.runs.tasks import task_of
from keras_transfer.training.phase_data import has_frozen_work

_EXPORT_EXAMPLES = 4


@graphs_as_traced()
def finish(folder, model, history, splits, cache, before, clock, started, domains, choice):
    """Calibrates, measures and exports a model, and returns its `Run`; None for a worker."""
    kind = kind_named(splits.kind)
    if not folder.writes:
        return None
    trained = time.monotonic()
    if model.distribute_strategy.num_replicas_in_sync > 1 or _is_mixed(model):
        # On one device, without the other workers.
        model = model.copy(dtype="float32")
        folder.write_model(model)
    metrics = _evaluate_and_export(folder, model, history, splits, cache)
    fits = [phase.name for phase in history.plan.phases if phase.solver != "exact"]
    provenance = provenance_of(model, folder.model_path, splits)
    ended = time.monotonic()
    seconds = [
        ("reading the data", clock.started - started),
        *clock.seconds(fits, trained),
        ("evaluation and export", ended - trained),
    ]
    course = course_of(history.plan, before, model, seconds, metrics.get("temperature"))
    calibration = {name: metrics[name] for name in ("temperatures",) if name in metrics}
    found = domains.measure(before, model, splits, cache)
    if found:
        course["domains"] = found
    own = metrics.get("validation")
    references = kind.references(before, model.heads, splits, own, cache, choice)
    if references is not None:
        course["references"] = references.to_json()
    folder.write_course({**course, **calibration, "provenance": provenance})
    metrics["seconds"] = round(ended - started, 1)
    folder.finish(metrics)
    return finished_run(folder, model)


def finished_run(folder, model=None):
    """The `Run` of a folder, with its page and without checkpoints; `model` is that of it."""
    folder.remove_checkpoints()
    run = Run(folder.path)
    if model is not None:
        run.model = model
    _write_report(run)
    return run


def _is_mixed(model):
    return any(layer.dtype_policy.name.startswith("mixed") for layer in model.layers)


@_progress.step("writing the page")
def _write_report(run):
    """Writes the page. Whatever stops it, the run has finished."""
    try:
        run.report()
    except Exception as error:
        warnings.warn(
            f"report.html was not written ({reason_of(error)}). Everything else was; "
            f"`keras-transfer report {run.path}` tries again.",
            stacklevel=2,
        )


@_progress.step("evaluation and export")
def _evaluate_and_export(folder, model, history, splits, cache):
    """Calibrates, measures and exports a trained model; returns the metrics."""
    task = task_of(splits.task)
    logits, shown = _predict(task, model, splits, cache)
    labels = {split: task.labels(found) for split, found in splits.labels.items()}
    temperature = task.temperature(logits.get("validation"), labels.get("validation"))
    if temperature is not None:
        apply_temperature(model, temperature)
        folder.write_model(model)
    predictions = [
        Predictions(
            split,
            task.outputs_of(logits[split], temperature).astype("float32"),
            labels[split],
            splits.texts.get(split, ())
            or tuple(map(os.path.abspath, splits.paths.get(split, ()))),
            shown[split],
            groups_of(splits, split),
        )
        for split in logits
    ]
    folder.write_predictions(predictions)
    names = splits.class_names
    chosen = task.chosen(predictions, names)
    metrics = {
        "best_epoch": best_epoch(history.history),
        "kept_epoch": history.best_epoch + 1,
        "epochs": len(history.epoch),
        **_named(temperature),
        **chosen,
    }
    for one in predictions:
        metrics[one.split] = task.measured(one, names, model, chosen)
    curves = learning_curves(history.history, history.phase, kept=metrics["kept_epoch"])
    save_figure(curves, folder.path / "learning_curves.png")
    for one in predictions[-1:]:  # of the test set, if there is one
        for name, figure in task.figures(metrics[one.split], one, names).items():
            save_figure(figure, folder.path / name)
    examples = kind_named(splits.kind).export_examples(model, splits, _EXPORT_EXAMPLES)
    if model.backbone.can_train:
        serving.export(model, folder.serving, examples=examples)
    else:
        warnings.warn("OpenVINO runs the network: nothing was exported.", stacklevel=2)
    return metrics


def _predict(task, model, splits, cache):
    """What the model returns, calibrated models before the activation of their head, by split;
    and what a page shows beside it."""
    outputs, shown = {}, {}
    with before_activation(model) if task.is_calibrated else contextlib.nullcontext():
        for split in ("validation", "test"):
            if getattr(splits, split) is not None:
                dataset = _inputs(model, getattr(splits, split), cache)
                outputs[split] = task.predict(model, dataset)
                shown[split] = task.shown(model, dataset, outputs[split])
    return outputs, shown


def _inputs(model, dataset, cache):
    """The features of the model's frozen part, which the training left in the cache, or the
    images."""
    if cache is not None and has_frozen_work(model, dataset):
        with contextlib.suppress(NoRoomError):
            return cache.extract(model, dataset).as_inputs()
    return dataset


def _named(temperature):
    """The temperature of a model, or those of its labels, as JSON files name them."""
    is_several = isinstance(temperature, list)
    return {"temperatures" if is_several else "temperature": temperature}
