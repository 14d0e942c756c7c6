"""The sections of a page about a run."""

import math
import pathlib

from keras_transfer.runs import blocks
from keras_transfer.runs.findings_section import findings
from keras_transfer.runs.mistakes_section import mistakes
from keras_transfer.runs.run_figures import (
    METRICS,
    confusion_figure,
    learning_curves,
    time_figure,
)
from keras_transfer.runs.trust_section import trust


def title(run):
    """The title of the page."""
    data = pathlib.PurePath(run.settings.get("data") or run.path).name
    return f"{run.settings['backbone']} on {data}"


def subtitle(run):
    """What was trained, in one line."""
    settings, (height, width) = run.settings, run.image_size
    return (
        f"{len(run.class_names)} classes, images of {height} x {width} pixels, weights "
        f"'{pathlib.PurePath(str(settings.get('weights'))).name}', seed {settings.get('seed')}"
    )


def headline(run):
    """The figures that a reader looks for first."""
    split, metrics = run.measured, run.metrics
    found = []
    if split is not None:
        measured = metrics[split]
        found.append(
            (f"{measured['accuracy']:.1%}", f"accuracy on {measured['images']} {split} images")
        )
    found += [
        (str(len(run.class_names)), "classes"),
        (str(metrics["epochs"]), f"epochs; epoch {metrics['best_epoch']} was kept"),
        (_duration(metrics["seconds"]), "in total"),
    ]
    return [{"value": value, "name": name} for value, name in found]


def sections(run):
    """All sections that are not empty."""
    found = [
        _plan(run),
        _curves(run),
        _stages(run),
        _confusion(run),
        trust(run),
        mistakes(run),
        findings(run),
        _time(run),
        _use(run),
    ]
    return [one for one in found if one is not None]


def _plan(run):
    rows = [("phase", "epochs", "freeze policy", "learning rate", "per stage", "views")]
    for phase in run.plan.phases:
        decay = phase.layerwise_decay
        rate = "exact" if phase.solver == "exact" else f"{phase.learning_rate:g}"
        rows.append(
            (
                phase.name, str(phase.epochs), _policy(phase.freeze_policy), rate,
                f"x {decay}" if decay else "-", str(phase.views or "-"),
            )
        )  # fmt: skip
    return blocks.section(
        "plan",
        "Plan",
        [blocks.table(rows, numbers=(1, 3, 4, 5)), blocks.bullets(run.plan.reasons)],
    )


def _policy(policy):
    arguments = {
        name: value
        for name, value in policy.get_config().items()
        if (name, value) != ("batch_norm", "frozen")  # the default
    }
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"{type(policy).__name__}({listed})"


def _curves(run):
    history = dict(run.history)
    phases = history.pop("phase", [])
    if not phases or "loss" not in history:
        return None
    figures = [
        blocks.figure_of(
            lambda metric=metric: learning_curves(history, phases, [metric]),
            f"{metric} over the epochs, by phase",
        )
        for metric in METRICS
        if metric in history
    ]
    return blocks.section("curves", "Learning curves", [blocks.plots(*figures)])


def _stages(run):
    stages = run.course.get("stages")
    if not stages:
        return None
    rows = [("stage", "ends at", "shape", "parameters", "trained in", "change")]
    for stage in stages:
        trained = [f"{one['phase']} at {one['rate']:.2g}" for one in stage["trained_in"]]
        shape = " x ".join("?" if size is None else str(size) for size in stage["shape"])
        rows.append(
            (
                stage["name"], stage["ends_at"], shape, f"{stage['parameters']:,}",
                ", ".join(trained) or "frozen",
                f"{stage['moved']:.2%}" if stage["moved"] else "-",
            )
        )  # fmt: skip
    note = (
        "Change of the weights of a stage: the norm of the difference divided by the norm of "
        "the weights before. The learning rate is the highest of a phase."
    )
    return blocks.section(
        "stages", "Stages", [blocks.table(rows, numbers=(3, 5)), blocks.text(note, "soft")]
    )


def _confusion(run):
    split = run.measured
    if split is None:
        return None
    measured, names = run.metrics[split], run.class_names
    figure = blocks.figure_of(
        lambda: confusion_figure(measured["confusion"], names),
        f"Confusion matrix of the {split} set, a row for each true class",
    )
    rows = [("class", "images", "precision", "95% CI", "recall", "95% CI")]
    for name in names:
        found = measured["classes"][name]
        rows.append(
            (name, str(found["images"]), *_rate(found, "precision"), *_rate(found, "recall"))
        )
    return blocks.section(
        "confusion",
        f"Confusion matrix ({split} set)",
        [blocks.plots(figure), blocks.table(rows, numbers=(1, 2, 3, 4, 5))],
    )


def _rate(found, name):
    value, interval = found[name], found.get(f"{name}_interval")
    text = "-" if value is None else f"{value:.1%}"
    return text, "{:.0%} to {:.0%}".format(*interval) if interval else "-"


def _time(run):
    seconds = [(what, spent) for what, spent in run.course.get("seconds", ()) if spent]
    if not seconds:
        return None
    total = sum(spent for _, spent in seconds)
    figure = blocks.figure_of(lambda: time_figure(seconds), "Seconds for each part of the run")
    note = f"{_duration(total)} in the process that finished the run."
    return blocks.section("time", "Time", [blocks.plots(figure), blocks.text(note, "soft")])


def _use(run):
    directory = run.path.name or "run"
    serve = [
        f"keras-transfer predict {directory} IMAGE...",
        "tensorflow_model_server --rest_api_port=8501 \\",
        f"    --model_base_path=$PWD/{directory}/serving",
    ]
    load = [
        "import keras",
        "import keras_transfer  # registers the classes in the file",
        f"model = keras.saving.load_model({f'{directory}/model.keras'!r})",
        "probabilities = model.predict(images)  # (n, height, width, 3) in [0, 255]",
    ]
    note = (
        "The model takes images with values in [0, 255]: it contains its preprocessing, and no "
        "augmentation. The served model takes the bytes of JPEG, PNG, GIF and BMP files."
    )
    return blocks.section(
        "use", "Use the model", [blocks.text(note), blocks.code(serve), blocks.code(load)]
    )


def _duration(seconds):
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
