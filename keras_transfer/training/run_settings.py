"""What a training was started with: it goes on with nothing else."""

import json

import keras

from keras_transfer.features.digests import arrays_digest
from keras_transfer.features.observed_source import source_of

_DIGEST_LENGTH = 16


def settings_of(model, data, plan, time_budget, class_weight, observe):
    """What decides how a training goes, in words that tell a difference.

    Args:
        model: a `TransferModel` before its training.
        data: a dict of split to `tf.data.Dataset` or None.
        plan: the `Plan` that was asked for, "auto" or None.
        time_budget: the one that was asked for, or None.
        class_weight: as in `fit`, or None.
        observe: whether to read data sets that do not know what they hold.

    Returns:
        A dict of strings to what JSON holds.
    """
    settings = {
        "backbone": f"{model.backbone.count_params()} parameters, {_digest_of(model.backbone)}",
        "heads": keras.saving.serialize_keras_object(model.heads),
        "plan": plan if isinstance(plan, str) else plan and plan.to_json(),
        "time budget": time_budget,
        "class weights": class_weight
        and {str(label): float(weight) for label, weight in class_weight.items()},
    }
    for split, dataset in data.items():
        settings[f"{split} pictures"] = dataset and _describe(dataset, observe)
    return json.loads(json.dumps(settings))


def differences(before, now):
    """The settings that are not as before, in words; "" where all are."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        pair = before.get(name), now.get(name)
        if pair[0] != pair[1]:
            is_long = dict in map(type, pair)
            found.append(f"another {name}" if is_long else f"{name}: {pair[0]}, now {pair[1]}")
    return "; ".join(found)


def _digest_of(backbone):
    weights = [keras.ops.convert_to_numpy(weight) for weight in backbone.weights]
    return f"digest {arrays_digest(weights)[:_DIGEST_LENGTH]}"


def _describe(dataset, observe):
    source = source_of(dataset) if observe else getattr(dataset, "source", None)
    if source is None:
        return f"{int(dataset.cardinality())} batches of unknown content"
    parts = [f"{source.num_images}", f"in batches of {source.batch_size}"]
    if source.fingerprint is not None:
        parts.append(f"digest {source.fingerprint[:_DIGEST_LENGTH]}")
    if source.augmentation is not None:
        parts.append(f"augmentation {source.augmentation.fingerprint[:_DIGEST_LENGTH]}")
    return ", ".join(parts)
