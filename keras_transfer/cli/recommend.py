"""`keras-transfer recommend`."""

from keras_transfer import plans, transferability
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of, pictures_of
from keras_transfer.cli.output_folder import check_output


def run(options):
    """Chooses what to train, and writes the plan and its reasons into the run folder."""
    size = image_size_of(options)
    check_output(options.output, options.data)
    backbone, cache = backbone_of(options, size), cache_of(options)
    splits = pictures_of(options, size)
    found = plans.recommend(splits.train, backbone, cache)
    sentences = [f"Recommended: {found.strategy}.", *found.reasons]
    sentences += [f"Warning: {sentence}" for sentence in found.warnings]
    sentences.append(
        "`keras-transfer probe` with the same arguments says whether the last stages are of "
        "any use here, or can be left out."
    )
    values = found.to_json()
    if options.settle:
        try:
            settled = transferability.check_negative_transfer(
                splits.train, backbone, cache=cache
            )
        except ValueError as error:
            sentences.append(f"Whether transfer helps could not be settled: {error}")
        else:
            sentences.append(settled.conclusion)
            values["negative_transfer"] = settled.to_json()
    tell_table(
        options, "recommend", found, sentences,
        lambda path: plans.plot_recommendation(found, path), values,
    )  # fmt: skip
