"""What the options of several commands stand for, and how their results are shown."""

import os
import shlex

from keras_transfer import features
from keras_transfer._text import markdown_table, one_line, print_table, tell_unreadable
from keras_transfer.cli.arguments import reading_of
from keras_transfer.cli.parser import build_parser
from keras_transfer.data.sources import kind_of, read_source
from keras_transfer.runs.kind import NotTakenError
from keras_transfer.runs.kinds import check_taken, kind_named
from keras_transfer.runs.networks import NetworkChoice
from keras_transfer.runs.output_folder import check_output, write_findings
from keras_transfer.runs.run_settings import check_ready

# Of the options that `fit` shares with other commands: `next_command` writes them itself.
_NOT_CARRIED = ("command", "data", "output", "given")


def weights_of(options):
    """'imagenet', the path of a file, or None for random weights."""
    return None if options.weights.lower() == "none" else options.weights


def cache_of(options):
    """The `FeatureCache` of `--cache` and `--engine`; False for `--no-cache`."""
    if options.no_cache:
        if options.engine != "auto":
            raise ValueError(
                "--engine computes cached features, and --no-cache caches none: leave one of "
                f"them out. Received: --engine {options.engine} --no-cache"
            )
        return False
    return features.FeatureCache(options.cache, engine=options.engine)


def next_command(options, **more):
    """The `keras-transfer fit` command that follows a look at the data, ready to paste.

    Args:
        options: of the command that examined the data.
        **more: further options, which have precedence; None leaves one out.
    """
    defaults = vars(build_parser().parse_args(["fit", options.data, "--output", "RUN"]))
    given = {
        name: value
        for name, value in vars(options).items()
        if name not in _NOT_CARRIED and defaults.get(name, value) != value
    }
    words = ["keras-transfer", "fit", options.data]
    for name, value in {**given, **more, "output": options.output}.items():
        if value is not None:
            value = "x".join(map(str, value)) if isinstance(value, tuple) else value
            values = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return f"Next: {one_line(shlex.join(words))}"


def kind_asked(options):
    """The `Kind` of `DATA`, read as the options say."""
    of_fit = {name: getattr(options, name, None) for name in ("masks", "boxes", "inputs")}
    return kind_named(kind_of(options.data, {**reading_of(options), **of_fit}))


def read_inputs(options, **arguments):
    """The `Backbone` and the `ImageSplits` of a command that examines images.

    The images are divided as `fit` divides them, which then finds the features in the cache.

    Args:
        options: of the command.
        **arguments: more for `image_folder`.
    """
    kind = check_images(options)
    choice = NetworkChoice(options.backbone, weights_of(options), options.alpha)
    ready = kind.ready_network(choice)
    if ready is not None:
        kind.check_network(ready)
        check_ready(kind, ready, options.given, options.image_size, None)
    size, channels = kind.image_shape(options.data, choice, ready, options.image_size)
    backbone = ready or kind.network(choice, None, (*size, channels))
    return backbone, read_images(options, size, **kind.reading(ready, channels), **arguments)


def read_images(options, size, **arguments):
    """The `ImageSplits` of `DATA`; prints the images that are left out."""
    splits = read_source(options.data, size, **reading_of(options), **arguments)
    if options.command != "find-lr":
        splits.check_classes(f"`keras-transfer {options.command}`")
    tell_unreadable(splits)
    return splits


def check_images(options):
    """The `Kind` of images; raises `ValueError` for other data, or an option without effect."""
    check_output(options.output, options.data)
    kind = kind_asked(options)
    if kind.name != "images":
        raise NotTakenError(
            f"`keras-transfer {options.command}` examines images, and the data are "
            f"{kind.name}. Train on them with `keras-transfer fit`. "
            f"Received: data='{options.data}'"
        )
    check_taken(kind, options.given)
    return kind


def show_findings(options, rows, sentences, figure, values, text=None):
    """Prints a table, and writes the findings of a command into the run folder.

    Args:
        options: of the command.
        rows: the table, the first row its header.
        sentences: the text below the table.
        figure: a `matplotlib.figure.Figure`.
        values: for the JSON file, a dict.
        text: the Markdown. Defaults to None, the table and the sentences.
    """
    print_table(rows)
    if sentences:
        print("\n" + "\n".join(sentences))
    text = text or "\n\n".join([markdown_table(rows), *sentences])
    values = {"data": os.path.abspath(options.data), "group": options.group, **values}
    paths = write_findings(options.output, options.command, values, text, figure)
    print("\n" + ", ".join(one_line(str(path)) for path in paths))
