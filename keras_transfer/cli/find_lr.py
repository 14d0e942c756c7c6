"""`keras-transfer find-lr`."""

import keras

from keras_transfer import freezing, models, optimizers, training
from keras_transfer.cli.inputs import cache_of, next_command, read_inputs, show_findings
from keras_transfer.models.regression import targets_of
from keras_transfer.runs.tasks import task_of

# The dropout of the head and the decays of the plans of `fit`.
_DROPOUT, _WEIGHT_DECAY, _LAYERWISE_DECAY = 0.2, 0.01, 0.7


def run(options):
    """Runs the learning-rate range test, and writes the losses into the run folder."""
    backbone, splits = read_inputs(options, batch_size=options.batch_size or 32)
    keras.utils.set_random_seed(0)
    model = _compiled_model(backbone, splits, options)
    model.adapt_heads(targets_of(splits.train_in_order))
    cached = cache_of(options).extract(model, splits.train)
    found = training.find_learning_rate(model, cached.as_inputs())
    sentences = [found.conclusion]
    if found.suggestion is not None:
        rate = f"{found.suggestion:.1e}"
        if not options.unfreeze:
            sentences.append(
                "It is for the head alone, which is all that the next command trains; for the "
                "last stages too, find the rate with --unfreeze 2."
            )
        sentences.append(next_command(options, unfreeze=options.unfreeze, learning_rate=rate))
    show_findings(
        options, found.rows(), sentences, training.plot_learning_rates(found), found.to_json()
    )


def _compiled_model(backbone, splits, options):
    policy = freezing.UnfreezeLast(options.unfreeze) if options.unfreeze else None
    head = task_of(splits.task).head(splits, _DROPOUT)
    model = models.TransferModel(backbone, head, policy)
    optimizer = keras.optimizers.AdamW(weight_decay=_WEIGHT_DECAY)
    if options.unfreeze:
        multipliers = optimizers.layerwise_decay(model, _LAYERWISE_DECAY)
        optimizer = optimizers.LearningRateMultiplier(optimizer, multipliers)
    model.compile(optimizer)
    return model
