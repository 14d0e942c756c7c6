"""What a report says, section by section."""

import math
import pathlib

from keras_transfer.runs import blocks
from keras_transfer.runs.findings_section import findings
from keras_transfer.runs.mistakes_section import mistakes
from keras_transfer.runs.page_figures import figure_of, seconds_spent
from keras_transfer.runs.run_figures import METRICS, confusion, learning_curves
from keras_transfer.runs.trust_section import trust


def title(results):
    """What the page is called."""
    data = pathlib.PurePath(results.settings.get("data") or results.directory).name
    return f"{results.settings['backbone']} on {data}"


def subtitle(results):
    """What was trained, in a line."""
    settings, names = results.settings, results.settings["class_names"]
    height, width = settings["image_size"]
    return (
        f"{len(names)} classes, pictures of {height} x {width} pixels, weights "
        f"'{pathlib.PurePath(str(settings.get('weights'))).name}', seed {settings.get('seed')}"
    )


def headline(results):
    """The few figures that are looked for first."""
    split, metrics = results.measured, results.metrics
    found = []
    if split is not None:
        measured = metrics[split]
        found.append(
            (f"{measured['accuracy']:.1%}", f"of {measured['images']} {split} pictures")
        )
    found += [
        (str(len(results.settings["class_names"])), "classes"),
        (str(metrics["epochs"]), f"epochs, the best one is {metrics['best_epoch']}"),
        (_duration(metrics["seconds"]), "in all"),
    ]
    return [{"value": value, "name": name} for value, name in found]


def sections(results, model=None):
    """All sections that there is something to say in."""
    found = [
        _plan(results),
        _curves(results),
        _stages(results),
        _confusion(results),
        trust(results),
        mistakes(results, model),
        findings(results),
        _time(results),
        _use(results),
    ]
    return [one for one in found if one is not None]


def _plan(results):
    rows = [("phase", "epochs", "what is trained", "learning rate", "a stage", "views")]
    for phase in results.plan["phases"]:
        policy = phase["freeze_policy"]
        arguments = {
            name: value
            for name, value in policy["config"].items()
            if name != "batch_norm" or value != "frozen"
        }
        told = ", ".join(f"{name}={value}" for name, value in arguments.items())
        decay = phase.get("layerwise_decay")
        rate = "exact" if phase.get("solver") == "exact" else f"{phase['learning_rate']:g}"
        rows.append(
            (
                phase["name"], str(phase["epochs"]), f"{policy['class_name']}({told})", rate,
                f"x {decay}" if decay else "-", str(phase.get("views") or "-"),
            )
        )  # fmt: skip
    return blocks.section(
        "plan",
        "The plan and its reasons",
        [blocks.table(rows, numbers=(1, 3, 4, 5)), blocks.bullets(results.plan["reasons"])],
    )


def _curves(results):
    history = dict(results.history)
    phases = history.pop("phase", [])
    if not phases or "loss" not in history:
        return None
    figures = [
        figure_of(
            lambda metric=metric: learning_curves(history, phases, [metric]),
            f"{metric} over the epochs, by phase",
        )
        for metric in METRICS
        if metric in history
    ]
    return blocks.section("curves", "Learning curves", [blocks.plots(*figures)])


def _stages(results):
    stages = results.course.get("stages")
    if not stages:
        return None
    rows = [("stage", "ends at", "shape", "parameters", "trained in", "moved by")]
    for stage in stages:
        trained = [f"{one['phase']} at {one['rate']:.2g}" for one in stage["trained_in"]]
        shape = " x ".join("?" if size is None else str(size) for size in stage["shape"])
        rows.append(
            (
                stage["name"], stage["ends_at"], shape, f"{stage['parameters']:,}",
                ", ".join(trained) or "frozen throughout",
                f"{stage['moved']:.2%}" if stage["moved"] else "-",
            )
        )  # fmt: skip
    told = (
        "How far the weights of a stage moved: the length of the difference over that of the "
        "weights before. The rate is the highest of a phase."
    )
    return blocks.section(
        "stages", "Stages", [blocks.table(rows, numbers=(3, 5)), blocks.text(told, "soft")]
    )


def _confusion(results):
    split = results.measured
    if split is None:
        return None
    measured, names = results.metrics[split], results.settings["class_names"]
    figure = figure_of(
        lambda: confusion(measured["confusion"], names),
        f"Confusion matrix of the {split} pictures, a row for each true class",
    )
    rows = [("class", "pictures", "precision", "95%", "recall", "95%")]
    for name in names:
        found = measured["classes"][name]
        rows.append(
            (name, str(found["images"]), *_rate(found, "precision"), *_rate(found, "recall"))
        )
    return blocks.section(
        "confusion",
        f"Which classes are mistaken ({split})",
        [blocks.plots(figure), blocks.table(rows, numbers=(1, 2, 3, 4, 5))],
    )


def _rate(found, name):
    value, interval = found[name], found.get(f"{name}_interval")
    told = "-" if value is None else f"{value:.1%}"
    return told, "{:.0%} to {:.0%}".format(*interval) if interval else "-"


def _time(results):
    seconds = [(what, spent) for what, spent in results.course.get("seconds", ()) if spent]
    if not seconds:
        return None
    total = sum(spent for _, spent in seconds)
    figure = figure_of(lambda: seconds_spent(seconds), "Seconds for each part of the run")
    told = f"{_duration(total)} in the process that finished the run."
    return blocks.section(
        "time", "Where the time went", [blocks.plots(figure), blocks.text(told, "soft")]
    )


def _use(results):
    directory = results.directory.name or "run"
    serve = [
        f"keras-transfer predict {directory} PICTURE...",
        "tensorflow_model_server --rest_api_port=8501 \\",
        f"    --model_base_path=$PWD/{directory}/serving",
    ]
    load = [
        "import keras",
        "import keras_transfer  # knows the classes in the file",
        f"model = keras.saving.load_model({f'{directory}/model.keras'!r})",
        "probabilities = model.predict(images)  # (n, height, width, 3) in [0, 255]",
    ]
    told = (
        "The model takes pictures as they are, in [0, 255]: preprocessing is part of it, and "
        "nothing random is. The served one takes the bytes of JPEG, PNG, GIF and BMP files."
    )
    return blocks.section(
        "use",
        "Use the model",
        [blocks.text(told), blocks.code(serve), blocks.code(load)],
    )


def _duration(seconds):
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
