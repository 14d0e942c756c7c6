"""The sections of a page about a run."""

import math
import pathlib

from keras_transfer.calibration.measures import MOST_IN_A_MATRIX, confused_classes
from keras_transfer.runs import blocks
from keras_transfer.runs.findings_section import findings
from keras_transfer.runs.gallery_section import Gallery
from keras_transfer.runs.model_card import (
    card,
    images_folder,
    latency,
    network,
    provenance,
    weights_name,
)
from keras_transfer.runs.run_figures import METRICS, learning_curves, time_figure
from keras_transfer.runs.run_images import RunImages
from keras_transfer.runs.trust_section import trust
from keras_transfer.runs.verdict import kept_epoch

# Rows of the table of classes that are not folded, and confusions in a list.
_MOST_OPEN, _MOST_CONFUSIONS = 15, 12


def title(run):
    """The title of the page."""
    data = pathlib.PurePath(run.settings.get("data") or run.path).name
    return f"{run.settings['backbone']} on {data}"


def subtitle(run):
    """What was trained, in one line."""
    height, width = run.image_size
    found = run.course.get("provenance")
    date = str(found.get("date", ""))[:10] if isinstance(found, dict) else ""
    return (
        f"{len(run.class_names)} classes, {network(run)}, images of {height} x {width} pixels, "
        f"weights '{weights_name(run.settings)}', seed {run.settings.get('seed')}"
        + (f", {date}" if date else "")
    )


def headline(run):
    """The figures that a reader looks for first."""
    metrics = run.metrics
    best, kept = metrics.get("best_epoch"), kept_epoch(metrics)
    # Older runs recorded the kept epoch only, as the best.
    is_known = best is not None and "kept_epoch" in metrics
    highest = f"; highest validation accuracy: epoch {best}" if is_known else ""
    found = [
        (str(len(run.class_names)), "classes"),
        (str(metrics["epochs"]), f"epochs; kept: epoch {kept}{highest}"),
        (_duration(metrics["seconds"]), "for the whole run"),
    ]
    milliseconds = latency(run)
    if isinstance(milliseconds, (int, float)):
        found.append((f"{milliseconds:.1f} ms", "for one image, on the machine of the run"))
    return [{"value": value, "name": name} for value, name in found]


def sections(run):
    """All sections that are not empty."""
    images = RunImages(images_folder(run))
    gallery = Gallery(run, images)
    found = [
        _classes(run, gallery),
        gallery.section(),
        trust(run),
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
    note = (
        "The kept epoch is the latest one whose validation accuracy is within one standard "
        "error of the highest; without validation images, the last one."
    )
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


def _classes(run, gallery):
    """Recall and precision of each class, the weakest first, and what is confused."""
    split = run.measured
    if split is None:
        return None
    measured, names = run.metrics[split], run.class_names
    labels = sorted(range(len(names)), key=lambda label: _recall(measured, names[label]))
    rows = [_class_row(measured, label, names[label], gallery) for label in labels]
    confusions = confused_classes(measured["confusion"])
    sizes = [sum(row) for row in measured["confusion"]]
    listed = [
        (
            f"{names[true]} as {names[predicted]}: {number} of {sizes[true]}",
            gallery.confusion_target(true, predicted),
        )
        for true, predicted, number in confusions[:_MOST_CONFUSIONS]
    ]
    found = [blocks.rates(rows[:_MOST_OPEN])]
    if len(rows) > _MOST_OPEN:
        rest = f"The other {len(rows) - _MOST_OPEN} classes, by recall"
        found.append(blocks.folded(rest, [blocks.rates(rows[_MOST_OPEN:])]))
    common = [blocks.heading("Most common confusions"), blocks.links(listed)] if listed else []
    if len(names) <= MOST_IN_A_MATRIX:
        note = (
            "A row for each true class, a column for each predicted one, in images; shaded by "
            "the share of the row, blue if correct. A number with a line leads to its images."
        )
        cells = [blocks.heading("Confusion matrix"), _matrix(measured, names, gallery)]
        found.append(blocks.beside(cells, [*common, blocks.text(note, "soft")]))
    else:
        found += common
    return blocks.section("confusion", f"Classes ({split} set)", found)


def _recall(measured, name):
    recall = measured["classes"][name]["recall"]
    return 2.0 if recall is None else recall  # without images at the end


def _class_row(measured, label, name, gallery):
    found = measured["classes"][name]
    return {
        "name": name,
        "target": gallery.sample_target(label),
        "images": found["images"],
        **{rate: _rate(found, rate) for rate in ("recall", "precision")},
    }


def _rate(found, name):
    value, interval = found[name], found.get(f"{name}_interval")
    if value is None or not interval:
        return None
    low, high = interval
    return {
        "text": f"{value:.1%}", "interval": f"{low:.1%} to {high:.1%}",
        "low": _percent(low), "value": _percent(value), "high": _percent(high),
    }  # fmt: skip


def _percent(share):
    return round(100 * share, 1)


def _matrix(measured, names, gallery):
    return blocks.matrix(
        list(names),
        [
            [
                {
                    "count": count,
                    "share": round(count / max(1, sum(row)), 3),
                    "is_correct": true == predicted,
                    "target": gallery.confusion_target(true, predicted),
                }
                for predicted, count in enumerate(row)
            ]
            for true, row in enumerate(measured["confusion"])
        ],
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
