"""What helps with few labels and few weights: related classes, unlabelled images, updates."""

import math
import os
import tempfile
import time

import keras
import numpy as np

from benchmarks import images, networks
from benchmarks.jobs import UnavailableError
from keras_transfer import (
    backbones,
    data,
    features,
    freezing,
    heads,
    models,
    plans,
    pretraining,
    relations,
    training,
    transferability,
)
from keras_transfer.features.pooled import pooled_features
from keras_transfer.training.exact_head import head_solution

_LABELS, _DRAWS = (1, 5, 20), 5
# What the classes of `clothing` are in WordNet.
_CLOTHING = {
    "dress": "dress", "hat": "hat", "longsleeve": "sweater", "outwear": "coat",
    "pants": "trouser", "shirt": "shirt", "shoes": "shoe", "shorts": "shorts",
    "skirt": "skirt", "t-shirt": "t-shirt",
}  # fmt: skip
_NOUNS = {"hymenoptera": {"ants": "ant", "bees": "bee"}, "clothing": _CLOTHING}


def related_classes(row, data_set, image_size, seed, limit=None, wordnet=None):
    """A head that starts from related ImageNet classes, with no label and with a few."""
    try:
        hierarchy = relations.Hierarchy.from_wordnet(_NOUNS[data_set], wordnet)
    except FileNotFoundError as error:
        raise UnavailableError(str(error)) from error
    folder = images.data_folder() / "weights"
    source = keras.applications.MobileNet(
        weights=str(folder / "mobilenet_2_5_224_tf.h5"), alpha=0.25
    )
    shape = (image_size, image_size, 3)
    backbone = backbones.Backbone(
        "MobileNet", shape, str(folder / "mobilenet_2_5_224_tf_no_top.h5"), alpha=0.25
    )
    names = tuple(_NOUNS[data_set])
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(names)))
    relations.start_head(model, source, hierarchy)
    start = model.layers[-1].get_weights()
    with images.opened(data_set, limit) as opened:
        splits = data.image_folder(opened.path, image_size, shuffle=False)
        assert tuple(splits.class_names) == names
        test = splits.validation if splits.test is None else splits.test
        train, test = (pooled_features(backbone, one) for one in (splits.train, test))
    values = {"no_label": _accuracy(start, test)}
    values |= _probes("start", train, test, seed, start) | _probes("zero", train, test, seed)
    for number in _LABELS:
        values[f"gain_{number}"] = values[f"start_{number}"] - values[f"zero_{number}"]
    return [{"row": row, "values": values}]


def self_supervised(row, data_set, network, image_size, epochs, seed, limit=None):
    """A probe with few labels on the features of ImageNet, and after unlabelled images."""
    with images.opened(data_set, limit) as opened, tempfile.TemporaryDirectory() as directory:
        splits = data.image_folder(opened.path, image_size, shuffle=False)
        number = len(splits.class_names)
        model = networks.transfer_model(network, image_size, number, freezing.UnfreezeLast(3))
        cache, before = features.FeatureCache(directory), model.backbone.copy()
        started, used = time.perf_counter(), time.process_time()
        found = pretraining.self_supervised(
            model, splits.train, epochs=epochs, cache=cache, seed=seed
        )
        values = {"seconds": time.perf_counter() - started}
        values |= {"processor_seconds": time.process_time() - used}
        values |= {"rank_before": found.rank_before, "rank_after": found.rank_after}
        for name, backbone in (("imagenet", before), ("pretrained", model.backbone)):
            pair = (
                pooled_features(backbone, one, cache)
                for one in (splits.train, splits.validation)
            )
            values |= _probes(name, *pair, seed)
        values |= _tuned_with_few(splits, before, model.backbone, cache, seed)
        for number in (*_LABELS, "tuned_5"):
            gain = values[f"pretrained_{number}"] - values[f"imagenet_{number}"]
            values[f"gain_{number}"] = gain
    return [{"row": row, "values": values}]


def _tuned_with_few(splits, before, after, cache, seed):
    """The accuracy after fine-tuning with five labels of each class."""
    values, labels = {}, np.asarray(splits.labels["train"])
    images_, numbers = zip(*splits.train.unbatch().as_numpy_iterator(), strict=True)
    chosen = _few(labels, 5, seed)
    few = np.stack([images_[place] for place in chosen]), np.stack(numbers)[chosen]
    for name, backbone in (("imagenet", before), ("pretrained", after)):
        keras.utils.set_random_seed(seed)
        head = heads.SoftmaxHead(len(splits.class_names))
        model = models.TransferModel(backbone.copy(), head)
        policy = freezing.UnfreezeLast(1)
        phases = [
            plans.Phase(freezing.FreezeAll(), 1, 1e-3, solver="exact"),
            plans.Phase(policy, 15, 3e-4),
        ]
        training.fine_tune(model, few, plan=plans.Plan(phases), cache=cache, verbose=0)
        found = model.evaluate(splits.validation, verbose=0, return_dict=True)
        values[f"{name}_tuned_5"] = round(found["accuracy"], 6)
    return values


def low_rank(row, data_set, network, image_size, rank, batch_norm, seed, limit=None):
    """The last stage with low-rank updates beside the whole one, and the size of the deltas."""
    with images.opened(data_set, limit) as opened, tempfile.TemporaryDirectory() as directory:
        splits = data.image_folder(opened.path, image_size)
        whole, lower = (
            _last_stage(splits, network, image_size, directory, seed, *how)
            for how in ((None, "frozen"), (rank, batch_norm))
        )
    values = {f"whole_{name}": value for name, value in whole.items()} | lower
    values["accuracy_loss"] = whole["accuracy"] - lower["accuracy"]
    for name in ("weights", "bytes"):
        values[f"share_of_{name}"] = lower[name] / whole[name]
    return [{"row": row, "values": values}]


def _last_stage(splits, network, image_size, directory, seed, rank, batch_norm):
    keras.utils.set_random_seed(seed)
    policy = freezing.UnfreezeLast(1, batch_norm=batch_norm)
    number = len(splits.class_names)
    model = networks.transfer_model(network, image_size, number, policy)
    if rank is not None:
        policy = models.add_lora(model, rank)
    phases = [
        plans.Phase(freezing.FreezeAll(), 5, 1e-3, views=4),
        plans.Phase(policy, 15, 1e-3 if rank is None else 6e-3, views=4),
    ]
    train = data.Augmentation(crop=0.6, rotation=0.05, contrast=0.2)(splits.train)
    cache, used = features.FeatureCache(directory), time.process_time()
    plan = plans.Plan(phases)
    training.fine_tune(model, train, splits.validation, plan, cache=cache, verbose=0)
    values = {"processor_seconds": time.process_time() - used}
    model.freeze_policy = policy
    path = os.path.join(directory, "delta.npz")
    models.save_delta(model, path)
    values["weights"] = sum(math.prod(v.shape) for v in model.backbone.trainable_variables)
    values["bytes"] = os.path.getsize(path)
    found = model.evaluate(splits.validation, verbose=0, return_dict=True)
    values["accuracy"] = round(found["accuracy"], 6)
    if rank is not None:
        batch = next(iter(splits.validation))[0]
        pair = (one.predict(batch, verbose=0) for one in (model, models.merge_lora(model)))
        values["merge_difference"] = float(np.abs(np.subtract(*pair)).max())
    return values


def sizes(row, data_set, network, image_sizes, seed, limit=None):
    """The accuracy of probes trained and used at several sizes."""
    with images.opened(data_set, limit) as opened:
        splits = data.image_folder(opened.path, max(image_sizes), shuffle=False)
        backbone = networks.backbone(network, max(image_sizes))
        found = transferability.probe_sizes(backbone, splits.train, image_sizes, seed=seed)
    values = {
        f"trained_{probe.size}_used_{size}": accuracy
        for probe in found.sizes
        for size, accuracy in probe.served.items()
    }
    return [{"row": row, "values": values}]


def _few(labels, number, seed):
    random = np.random.default_rng(seed)
    each = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return np.concatenate([random.choice(one, min(number, len(one)), False) for one in each])


def _probes(name, train, test, seed, start=None):
    """The mean accuracies of probes on five draws of the labels."""
    values = {}
    for number in _LABELS:
        found = []
        for draw in range(_DRAWS):
            chosen = _few(train.labels, number, _DRAWS * seed + draw)
            few = train.features[chosen], train.labels[chosen]
            *solution, _ = head_solution(*few, start=start)
            found.append(_accuracy(solution, test))
        values[f"{name}_{number}"] = float(np.mean(found))
    return values


def _accuracy(solution, found):
    kernel, bias = solution
    return float(np.mean((found.features @ kernel + bias).argmax(axis=1) == found.labels))
