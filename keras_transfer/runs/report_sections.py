"""The sections of a page about a run."""

import math
import pathlib

from keras_transfer.runs import blocks
from keras_transfer.runs.findings_section import findings
from keras_transfer.runs.model_card import (
    card,
    images_folder,
    latency,
    network,
    provenance,
    weights_name,
)
from keras_transfer.runs.other_domains import domains_section
from keras_transfer.runs.references import references_section
from keras_transfer.runs.run_figures import METRICS, learning_curves, time_figure
from keras_transfer.runs.run_images import RunImages
from keras_transfer.runs.verdict import kept_epoch


def title(run):
    """The title of the page."""
    data = pathlib.PurePath(run.settings.get("data") or run.path).name
    return f"{network(run).partition(',')[0]} on {data}"


def subtitle(run):
    """What was trained, in one line."""
    found = run.course.get("provenance")
    date = str(found.get("date", ""))[:10] if isinstance(found, dict) else ""
    return (
        f"{run.task.counted(run.class_names)}, {network(run)}, {run.described_inputs}, "
        f"weights '{weights_name(run.settings)}', seed {run.settings.get('seed')}"
        + (f", {date}" if date else "")
    )


def headline(run):
    """The figures that a reader looks for first."""
    metrics = run.metrics
    best, kept = metrics.get("best_epoch"), kept_epoch(metrics)
    # Older runs recorded the kept epoch only, as the best.
    is_known = best is not None and "kept_epoch" in metrics
    highest = f"; {run.task.best_epoch}: epoch {best}" if is_known else ""
    number, noun = run.task.counted(run.class_names).split(" ")
    found = [
        (number, noun),
        (str(metrics["epochs"]), f"epochs; kept: epoch {kept}{highest}"),
        (_duration(metrics["seconds"]), "for the whole run"),
    ]
    milliseconds = latency(run)
    if isinstance(milliseconds, (int, float)):
        name = f"for one {run.kind.thing}, on the machine of the run"
        found.append((f"{milliseconds:.1f} ms", name))
    return [{"value": value, "name": name} for value, name in found]


def sections(run):
    """All sections that are not empty."""
    images = RunImages(images_folder(run))
    found = [
        *run.task.sections(run, images),
        references_section(run),
        domains_section(run),
        findings(run, images),
        _plan(run),
        _curves(run),
        _stages(run),
        _time(run),
        _use(run),
        provenance(run),
        card(run),
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
    kept = kept_epoch(run.metrics)
    figures = [
        blocks.figure_of(
            f"curve-{metric}",
            lambda metric=metric: learning_curves(history, phases, [metric], kept),
            f"{metric} over the epochs, by phase",
        )
        for metric in METRICS
        if metric in history
    ]
    note = f"{run.task.kept_epoch}; without validation {run.things}, the last one."
    if "target_score" in history:
        note = "The kept epoch has the highest score on the target."
    return blocks.section(
        "curves", "Learning curves", [blocks.plots(*figures), blocks.text(note, "soft")]
    )


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


def _time(run):
    seconds = [(what, spent) for what, spent in run.course.get("seconds", ()) if spent]
    if not seconds:
        return None
    description = "Seconds for each part of the run"
    figure = blocks.figure_of("time", lambda: time_figure(seconds), description)
    total = _duration(run.metrics["seconds"])
    note = f"{total} in the process that finished the run."
    shown = blocks.beside([blocks.plots(figure)], [blocks.text(note, "soft")])
    return blocks.section("time", "Time", [shown])


def _use(run):
    directory = run.path.name or "run"
    note, inputs = run.kind.usage(run)
    serve = [
        f"keras-transfer predict {directory} {run.kind.word}...",
        "tensorflow_model_server --rest_api_port=8501 \\",
        f"    --model_base_path=$PWD/{directory}/serving",
    ]
    load = [
        "import keras",
        "import keras_transfer  # registers the classes in the file",
        f"model = keras.saving.load_model({f'{directory}/model.keras'!r})",
        f"{run.task.outputs} = model.predict({run.things})  # {inputs}",
    ]
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
