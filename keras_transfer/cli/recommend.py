"""`keras-transfer recommend`."""

from keras_transfer import data, selection
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of


def run(options):
    """Chooses what to train, and writes the plan and its reasons into the run folder."""
    size = image_size_of(options)
    splits = data.image_folder(
        options.data, image_size=size, on_unreadable=options.on_unreadable
    )
    backbone, cache = backbone_of(options, size), cache_of(options)
    found = selection.recommend(splits.train, backbone, cache)
    sentences = [f"Recommended: {found.strategy}.", *found.reasons]
    sentences += [f"Warning: {sentence}" for sentence in found.warnings]
    if options.settle:
        settled = selection.check_negative_transfer(splits.train, backbone, cache=cache)
        sentences.append(settled.conclusion)
    tell_table(
        options.output, "recommend", found, sentences,
        lambda path: selection.plot_recommendation(found, path),
    )  # fmt: skip
