"""What the options of several commands stand for, and how their results are shown."""

import os
import shlex

from keras_transfer import features
from keras_transfer._applications import find_application
from keras_transfer._text import markdown_table, one_line, print_table, tell_unreadable
from keras_transfer.cli.arguments import reading_of
from keras_transfer.cli.parser import build_parser
from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.sources import read_source
from keras_transfer.runs.networks import build_backbone
from keras_transfer.runs.output_folder import check_output, write_findings

# Of the options that `fit` shares with other commands: `next_command` writes them itself.
_NOT_CARRIED = ("command", "data", "output")


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


def read_inputs(options, **arguments):
    """The `Backbone` and the `ImageSplits` of a command that examines data.

    The images are divided as `fit` divides them, which then finds the features in the cache.

    Args:
        options: of the command.
        **arguments: more for `image_folder`.
    """
    check_output(options.output, options.data)
    size = options.image_size or find_application(options.backbone).default_size
    shape = *check_image_size(size), 3
    backbone = build_backbone(options.backbone, shape, weights_of(options), options.alpha)
    return backbone, read_images(options, size, **arguments)


def read_images(options, size, **arguments):
    """The `ImageSplits` of `DATA`; prints the images that are left out."""
    splits = read_source(options.data, size, **reading_of(options), **arguments)
    if options.command != "find-lr":
        splits.check_classes(f"`keras-transfer {options.command}`")
    tell_unreadable(splits)
    return splits


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
    values = {"data": os.path.abspath(options.data), **values}
    paths = write_findings(options.output, options.command, values, text, figure)
    print("\n" + ", ".join(one_line(str(path)) for path in paths))
