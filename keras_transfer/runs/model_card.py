"""The sections about the origin and the use of a model."""

import os
import pathlib

from keras_transfer._applications import Source
from keras_transfer.data.sources import is_table
from keras_transfer.runs import blocks


def provenance(run):
    """Where the model comes from, and what it takes to run it."""
    settings, found = run.settings, run.course.get("provenance")
    found = found if isinstance(found, dict) else {}
    machine = found.get("machine", {})
    versions = found.get("versions", {})
    counts = found.get("num_images", {})
    cores = machine.get("cores")
    accelerators = machine.get("accelerators") or ["no accelerator"]
    pairs = [
        ("date", found.get("date")),
        ("command", found.get("command")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        (
            "machine",
            machine
            and f"{machine.get('system')}, {machine.get('processor')}, {cores} cores, "
            f"{', '.join(accelerators)}",
        ),
        ("network", network(run)),
        ("weights", weights_name(settings)),
        ("weights expect", _expected(source_of(run))),
        (run.things, ", ".join(f"{number:,} {split}" for split, number in counts.items())),
        ("data", run.settings.get("data") or images_folder(run)),
        ("input", run.described_inputs),
        ("parameters", _formatted(found.get("parameters"), "{:,}")),
        ("file", _formatted(found.get("bytes"), "model.keras, {:.1f} MB", 1e-6)),
        (
            "latency",
            _formatted(
                found.get("latency_ms"),
                f"{{:.1f}} ms for one {run.kind.thing}, on this machine",
            ),
        ),
        ("seed", str(settings.get("seed"))),
    ]
    shown = [blocks.facts(pairs)]
    if not found:
        note = "An older version made this run: it did not record the machine and the versions."
        shown.append(blocks.text(note, "soft"))
    return blocks.section("provenance", "Provenance", shown)


def source_of(run):
    """The `Source` of the backbone's weights as it was recorded; an older run has an empty one.

    A run folder may come from elsewhere: values that are no `Source` are ignored.
    """
    found = run.course.get("provenance")
    recorded = found.get("source") if isinstance(found, dict) else None
    try:
        source = Source.from_json(recorded)
        source.rows()
    except (AttributeError, TypeError, ValueError):
        return Source()
    return source


def _expected(source):
    """The images that the weights expect, as one line."""
    kept = ("size", "crop", "interpolation", "scale", "mean", "std", "channel_order")
    shown = [f"{name} {value}" for name, value in source.rows() if name in kept]
    return "; ".join(shown) if source != Source() else None


def images_folder(run):
    """The folder of the images as it was recorded, or None."""
    found = run.course.get("provenance")
    recorded = found.get("images_in") if isinstance(found, dict) else None
    data = run.settings.get("data") or recorded
    # A CSV file may name images in its own folder.
    return os.path.dirname(data) if isinstance(data, str) and is_table(data) else data


def network(run):
    """The network with its width and its end."""
    settings = run.settings
    alpha, end = settings.get("alpha"), settings.get("truncate_at") or run.plan.truncate_at
    width = f", alpha {alpha:g}" if isinstance(alpha, (int, float)) else ""
    # Of a directory, the last two parts say what it is.
    name = "/".join(pathlib.PurePath(settings["backbone"]).parts[-2:])
    return f"{name}{width}" + (f", truncated at {end}" if end else "")


def weights_name(settings):
    """What the training started with."""
    weights = settings.get("weights")
    if weights is None:
        return "random, or those of the given backbone"
    return str(weights) if weights == "imagenet" else pathlib.PurePath(str(weights)).name


def latency(run):
    """The milliseconds for one image, or None."""
    found = run.course.get("provenance")
    return found.get("latency_ms") if isinstance(found, dict) else None


def card(run):
    """For what the model is meant, where it ends, and whose weights it has."""
    return blocks.section(
        "card",
        "Model card",
        [
            blocks.heading("Intended use"),
            blocks.text(run.task.use(run)),
            blocks.heading("Limits"),
            blocks.bullets(list(_limits(run))),
            blocks.heading("Licences"),
            blocks.bullets([_licence(run), _LICENCE_OF_DATA.format(run.things)]),
        ],
    )


_LICENCE_OF_DATA = (
    "The licence of the {} is not recorded. It may restrict what the model may be used for."
)


def _limits(run):
    if run.measured is None:
        yield "The model was not measured."
    else:
        number = run.metrics[run.measured]["images"]
        yield (
            f"The model was measured on {number} {run.measured} {run.things} from the same "
            f"source as those of the training. On {run.things} from another device, place or "
            "time it may be worse: `keras-transfer evaluate RUN DATA` measures it"
            + (
                ", and `keras-transfer audit DATA --new OTHER` tests for a shift."
                if run.task.is_audited
                else "."
            )
        )
    yield (
        "It was not tested by group (such as people, places or devices), nor for "
        f"{run.things} that were made to mislead it."
    )
    yield "Decisions about people's health, safety or rights need more than these measures."


def _licence(run):
    weights, source = run.settings.get("weights"), source_of(run)
    licence = f" Those of this network were published under {source.licence}."
    if weights == "imagenet":
        return (
            "The training started with weights that `keras.applications` distributes."
            f"{licence if source.licence else ''} Keras is "
            "published under Apache-2.0; its documentation names the origin of each network's "
            "weights, whose licences differ. They were trained on ImageNet, whose images are "
            "for research and may be protected."
        )
    if source.licence:
        return f"The training started with weights of {source.origin}: {source.licence}."
    if weights is None:
        return "No weights file was named: the licence of the initial weights is not known."
    return (
        f"The training started with the file {weights_name(run.settings)}, whose licence is "
        "not known."
    )


def _formatted(value, form, factor=1):
    return form.format(factor * value) if isinstance(value, (int, float)) else None
