"""`keras-transfer find-lr`."""

import keras

from keras_transfer import freezing, heads, models, optimizers, training
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of, pictures_of
from keras_transfer.cli.output_folder import check_output

# As `fit` trains: its head's dropout, and the decays of its plans.
_DROPOUT, _WEIGHT_DECAY, _LAYERWISE_DECAY = 0.2, 0.01, 0.7


def run(options):
    """Sweeps the learning rate, and writes the losses into the run folder."""
    size = image_size_of(options)
    check_output(options.output, options.data)
    backbone = backbone_of(options, size)
    splits = pictures_of(options, size, batch_size=options.batch_size)
    keras.utils.set_random_seed(0)
    model = _compiled_model(backbone, len(splits.class_names), options)
    cached = cache_of(options).extract(model, splits.train)
    found = training.find_learning_rate(model, cached.as_inputs())
    tell_table(
        options, "find-lr", found, [found.conclusion],
        lambda path: training.plot_learning_rates(found, path),
    )  # fmt: skip


def _compiled_model(backbone, num_classes, options):
    policy = freezing.UnfreezeLast(options.unfreeze) if options.unfreeze else None
    head = heads.SoftmaxHead(num_classes, dropout=_DROPOUT)
    model = models.TransferModel(backbone, head, policy)
    optimizer = keras.optimizers.AdamW(weight_decay=_WEIGHT_DECAY)
    if options.unfreeze:
        multipliers = optimizers.layerwise_decay(model, _LAYERWISE_DECAY)
        optimizer = optimizers.LearningRateMultiplier(optimizer, multipliers)
    model.compile(optimizer)
    return model
