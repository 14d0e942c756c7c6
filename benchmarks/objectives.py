"""Adaptation to other domains, weights of images, and what is not forgotten."""

import dataclasses
import tempfile
import time

import h5py
import keras
import numpy as np
import tensorflow as tf

from benchmarks.images import data_folder, opened
from keras_transfer import (
    adaptation,
    backbones,
    data,
    features,
    freezing,
    heads,
    models,
    plans,
    retention,
    training,
)
from keras_transfer.adaptation.label_free_scores import descriptions
from keras_transfer.features.pooled import pooled_network

_AUGMENTATION = data.Augmentation(rotation=0.05, zoom=0.25, translation=0.05, contrast=0.2)
_KEPT = data.Augmentation(flip="horizontal", rotation=0.05, zoom=0.1)
_KEPT_MEMORY = data.Augmentation(flip="horizontal", rotation=0.03, zoom=0.2, crop=0.8)


def digits(row, seed, limit=None, epochs=14):
    """USPS to MNIST from scratch: no label of MNIST, and one score to choose the epoch."""
    folder = data_folder()
    with np.load(folder / "usps.npz") as usps, np.load(folder / "mnist_t10k.npz") as mnist:
        source = (usps["x_train"].reshape(-1, 16, 16, 1) + 1) * 127.5
        source, labels = tf.image.resize(source, (28, 28)).numpy(), usps["y_train"]
        target, answers = mnist["x"].astype("float32")[..., None], mnist["y"]
    source, labels = source[:limit], labels[:limit].astype("int64")
    target, answers = target[:limit], answers[:limit]
    keras.utils.set_random_seed(seed)
    model = models.TransferModel(
        backbones.Backbone.from_model(_small_network(), "none"),
        heads.SoftmaxHead(10, dropout=0.3),
    )
    phases = [
        plans.Phase(freezing.FreezeNone(), 3, 1e-3, name="source only"),
        plans.Phase(
            freezing.FreezeNone(), epochs, 1e-3, name="class confusion",
            objectives=[adaptation.MinimumClassConfusion()],
        ),
    ]  # fmt: skip
    rows = tf.data.Dataset.from_tensor_slices
    train = _AUGMENTATION(rows((source, labels)).shuffle(len(source), seed).batch(64))
    unlabelled = _AUGMENTATION(rows((target, answers * 0)).shuffle(len(target), seed).batch(64))
    course = _Course(target, answers)
    started, cpu = time.perf_counter(), time.process_time()
    history = training.fine_tune(
        model, train, None, plans.Plan(phases), target=unlabelled, cache=False, verbose=0,
        callbacks=[course],
    )  # fmt: skip
    values = {
        "source_only_accuracy": course.accuracies[2],
        "accuracy": float(np.mean(_classes(model, target) == answers)),
        "kept_epoch": history.best_epoch + 1,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
    }
    return [{"row": row, "values": values}]


def _small_network():
    images = x = keras.Input((28, 28, 1))
    x = keras.layers.Rescaling(1 / 255)(x)
    for number, filters in enumerate((32, 64, 64)):
        x = keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)  # fmt: skip
        x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    x = keras.layers.Dense(128, "relu", name="dense")(keras.layers.Flatten()(x))
    return keras.Model(images, x, name="small")


class _Course(keras.callbacks.Callback):
    """The accuracy on the target after each epoch, which no training sees."""

    def __init__(self, images, labels):
        super().__init__()
        self._images, self._labels, self.accuracies = images, labels, []

    def on_epoch_end(self, epoch, logs=None):
        self.accuracies.append(
            float(np.mean(_classes(self.model, self._images) == self._labels))
        )


class _PhaseEnds(_Course):
    """The same at the end of each phase."""

    def on_epoch_end(self, epoch, logs=None):
        """Not after each epoch."""

    def on_train_end(self, logs=None):
        super().on_epoch_end(0)


def _classes(model, images):
    """The predicted classes of an array of images, or of a dataset."""
    size = {} if isinstance(images, tf.data.Dataset) else {"batch_size": 256}
    return model.predict(images, verbose=0, **size).argmax(axis=1)


def grey(images):
    return np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)


def blurred(images):
    for _ in range(2):
        images = tf.nn.avg_pool2d(images, 5, 1, "SAME").numpy()
    return images


def drawn(images):
    edges = tf.image.sobel_edges(tf.constant(grey(images)))
    return np.clip(255 - np.linalg.norm(edges, axis=-1), 0, 255)


def camera(images):
    cast = np.array([0.6, 0.95, 1.2], "float32")
    return np.clip(255 * (images / 255) ** 1.4 * cast + 15, 0, 255)


CHANGES = {change.__name__: change for change in (grey, blurred, drawn, camera)}


def pairs(row, seed, image_size, limit=None, per_class=100):
    """A change of clothes: photographs as the source, changed others as the target."""
    backbone = _mobilenet(image_size)
    given = _clothes(image_size, limit or per_class, seed)
    (source, labels), (target, answers) = given["train"], given["other"]
    target = CHANGES[row](target).astype("float32")
    keras.utils.set_random_seed(seed)
    model = models.TransferModel(backbone, heads.SoftmaxHead(10, dropout=0.2))
    confusion = adaptation.MinimumClassConfusion()
    phases = [
        plans.Phase(freezing.FreezeAll(), 10, 2e-3, views=1, name="source only"),
        plans.Phase(
            freezing.FreezeAll(), 10, 2e-3, views=1, name="own statistics",
            objectives=[adaptation.OwnStatistics(), confusion],
        ),
        plans.Phase(
            freezing.UnfreezeLast(2), 12, 1e-3, views=1, name="tail", objectives=[confusion]
        ),
    ]  # fmt: skip
    if limit:
        phases = [dataclasses.replace(phase, epochs=1) for phase in phases]
    course = _PhaseEnds(target, answers)
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as cache:
        training.fine_tune(
            model, (source, labels), None, plans.Plan(phases), target=target, verbose=0,
            cache=features.FeatureCache(cache), callbacks=[course],
        )  # fmt: skip
    seconds = time.perf_counter() - started, time.process_time() - cpu
    chosen = float(np.mean(_classes(model, target) == answers))
    names = [f"{phase.name.replace(' ', '_')}_accuracy" for phase in phases]
    values = dict(zip(names, course.accuracies, strict=True))
    values |= {
        "chosen_accuracy": chosen, "gain": 100 * (chosen - course.accuracies[0]),
        "seconds": seconds[0], "cpu_seconds": seconds[1],
    }  # fmt: skip
    return [{"row": row, "values": values}]


def _mobilenet(image_size):
    weights = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    return backbones.Backbone(
        "MobileNetV2", (image_size, image_size, 3), data_folder() / "weights" / weights,
        alpha=0.35,
    )  # fmt: skip


def _clothes(image_size, per_class, seed):
    """Images and labels of clothes: some to train on, and those of the other splits."""
    folder = data_folder() / "clothing"
    splits = data.image_folder(folder, image_size, batch_size=64, shuffle=False)
    found = {}
    parts = {"train": [splits.train_in_order], "other": [splits.validation, splits.test]}
    for name, datasets in parts.items():
        batches = [element for one in datasets for element in one.as_numpy_iterator()]
        images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
        order = np.random.default_rng(seed).permutation(len(labels))
        kept = [order[labels[order] == label][:per_class] for label in range(10)]
        rows = np.concatenate(kept)
        found[name] = images[rows], labels[rows]
    return found


def estimates(row, seed, image_size, limit=None, draws=20):
    """The error of the estimated accuracy on targets that are drawn with a planted shift."""
    given = _clothes(image_size, limit or 100, seed)
    keras.utils.set_random_seed(seed)
    model = models.TransferModel(_mobilenet(image_size), heads.SoftmaxHead(10))
    with tempfile.TemporaryDirectory() as cache:
        plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-3, solver="exact")])
        training.fine_tune(
            model, given["train"], None, plan, cache=features.FeatureCache(cache), verbose=0
        )
    images, labels = given["other"]
    p = model.predict(images, verbose=0, batch_size=64)
    hits, random = p.argmax(axis=1) == labels, np.random.default_rng(seed)
    methods = ("classifier", "kmm", "ulsif")
    errors = {name: [] for name in ("unweighted", "true_weights", *methods)}
    for _ in range(draws):
        order = random.permutation(len(labels))
        here, pool = order[: len(order) // 2], order[len(order) // 2 :]
        pull = random.choice([-2, 2]) * _brightness(images)
        if row == "classes":
            rates = np.array([hits[labels == label].mean() for label in range(10)])
            pull = random.choice([-8, 8]) * (rates - rates.mean())[labels]
        if row == "certainty":
            top = p.max(axis=1)
            pull = -2 * (top - top.mean()) / (top.std() + 1e-7)
        odds = np.exp(pull)
        there = random.choice(pool, len(pool), p=odds[pool] / odds[pool].sum())
        errors["unweighted"].append(hits[here].mean() - hits[there].mean())
        known = np.average(hits[here], weights=odds[here])
        errors["true_weights"].append(known - hits[there].mean())
        for method in methods:
            weights = adaptation.importance_weights(
                *(descriptions(p[rows]) for rows in (here, there)), method
            )
            found = np.average(hits[here], weights=weights)
            errors[method].append(found - hits[there].mean())
    values = {f"{name}_error": 100 * float(np.mean(np.abs(e))) for name, e in errors.items()}
    values["ratio"] = values["classifier_error"] / values["unweighted_error"]
    return [{"row": row, "values": values}]


def _brightness(images):
    mean = images.mean(axis=(1, 2, 3))
    return (mean - mean.mean()) / mean.std()


def few_labels(row, seed, image_size, per_class, limit=None):
    """A few labels of drawings: the target alone, pooled, and pooled with adaptation."""
    given = _clothes(image_size, limit or 100, seed)
    (source, labels), (target, answers) = given["train"], given["other"]
    target = drawn(target).astype("float32")
    order = np.random.default_rng(seed).permutation(len(answers))
    known = np.concatenate([order[answers[order] == label][:per_class] for label in range(10)])
    rest = np.setdiff1d(order, known)
    both = np.concatenate([source, target[known]]), np.concatenate([labels, answers[known]])
    confusion = [adaptation.OwnStatistics(), adaptation.MinimumClassConfusion()]
    values = {}
    with tempfile.TemporaryDirectory() as cache:
        for name, given_data, objectives in (
            ("target_only", (target[known], answers[known]), []),
            ("pooled", both, []),
            ("pooled_adapted", both, confusion),
        ):
            keras.utils.set_random_seed(seed)
            model = models.TransferModel(_mobilenet(image_size), heads.SoftmaxHead(10))
            epochs = 2 if limit else 20
            phase = plans.Phase(freezing.FreezeAll(), epochs, 2e-3, objectives=objectives)
            training.fine_tune(
                model, given_data, None, plans.Plan([phase]), verbose=0,
                cache=features.FeatureCache(cache), target=target if objectives else None,
            )  # fmt: skip
            found = _classes(model, target[rest]) == answers[rest]
            values[f"{name}_accuracy"] = float(np.mean(found))
    network = pooled_network(_mobilenet(image_size))
    here, there = (
        network.predict(images, verbose=0, batch_size=64) for images in (source, target)
    )
    rows = np.concatenate([here, there[known]])
    rows, others = ((part - rows.mean(0)) / (rows.std(0) + 1e-6) for part in (rows, there))
    weights = np.ones(len(rows))
    weights[: len(here)] = adaptation.importance_weights(rows[: len(here)], others)
    rounds = 2 if limit else 20
    for name, found in (
        ("pooled_regression", _regression(rows, both[1], None).predict(others[rest])),
        ("weighted_regression", _regression(rows, both[1], weights).predict(others[rest])),
        ("tradaboost", _tradaboost(rows, both[1], len(here), others[rest], rounds)),
    ):
        values[f"{name}_accuracy"] = float(np.mean(found == answers[rest]))
    return [{"row": row, "values": values}]


def _regression(rows, labels, weights):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.01, max_iter=200).fit(rows, labels, weights)


def _tradaboost(rows, labels, num_source, queries, rounds):
    """TrAdaBoost (Dai et al., ICML 2007): wrong images of the source lose weight, wrong ones
    of the target gain it; the later half of the rounds votes."""
    classes, weights = np.unique(labels), np.ones(len(rows))
    fall = 1 / (1 + np.sqrt(2 * np.log(num_source) / rounds))
    votes = np.zeros((len(queries), len(classes)))
    for number in range(rounds):
        fitted = _regression(rows, labels, weights * len(rows) / weights.sum())
        is_wrong = fitted.predict(rows) != labels
        error = np.average(is_wrong[num_source:], weights=weights[num_source:])
        odds = np.clip(error, 1e-3, 0.49) / (1 - np.clip(error, 1e-3, 0.49))
        weights[:num_source] *= fall ** is_wrong[:num_source]
        weights[num_source:] *= odds ** -is_wrong[num_source:].astype("float64")
        if number >= rounds // 2:
            votes -= np.log(odds) * (fitted.predict(queries)[:, None] == classes)
    return classes[votes.argmax(axis=1)]


def keeping(row, seed, data_set, image_size, limit=None, epochs=10):
    """ImageNet's own classifier after training on another task, with and without memory.

    Half of the ImageNet sample is the memory, the other half is measured.
    """
    memory, (images, labels) = _imagenet_sample(image_size)
    backbone, old = _with_imagenet_head(image_size)
    with opened(data_set, limit) as folder:
        splits = data.image_folder(folder.path, image_size, batch_size=32)
        objectives = {
            "naive": [], "distilled": [retention.Distillation(4.0)],
            "L2-SP": [retention.PullToStart(0.01)],
            "EWC": [retention.PullToStart(0.01, "fisher")],
        }[row]  # fmt: skip
        phases = [
            plans.Phase(freezing.FreezeAll(), 3, 2e-3, views=1, augmented=False),
            plans.Phase(
                freezing.UnfreezeLast(2), 1 if limit else epochs, 1e-3, views=4,
                objectives=objectives,
            ),
        ]  # fmt: skip
        keras.utils.set_random_seed(seed)
        model = models.TransferModel(
            backbone, heads.SoftmaxHead(len(splits.class_names), dropout=0.2)
        )
        kept = tf.data.Dataset.from_tensor_slices((memory, np.zeros(len(memory), "int64")))
        kept = _KEPT_MEMORY(kept.batch(32)).map(lambda images, labels: images)
        mirrored = data_set != "sign_digits"
        augmentation = _KEPT if mirrored else data.Augmentation(rotation=0.05, zoom=0.1)
        started, cpu = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as cache:
            training.fine_tune(
                model, augmentation(splits.train), None, plans.Plan(phases), verbose=0,
                cache=features.FeatureCache(cache), memory=kept if objectives else None,
            )  # fmt: skip
        seconds = time.perf_counter() - started, time.process_time() - cpu
        values = {}
        for share in (1.0, 0.8):
            between = retention.interpolate(old, model, share)
            moved = retention.interpolate(model, old, 1 - share)
            hits = _classes(between, splits.validation) == splits.labels["validation"]
            suffix = "" if share == 1 else f"_at_{share:g}"
            values[f"new{suffix}_accuracy"] = float(np.mean(hits))
            values[f"old{suffix}_accuracy"] = float(np.mean(_classes(moved, images) == labels))
    before = float(np.mean(_classes(old, images) == labels))
    values |= {
        "old_before_accuracy": before, "kept": values["old_accuracy"] / before,
        "seconds": seconds[0], "cpu_seconds": seconds[1],
    }  # fmt: skip
    return [{"row": row, "values": values}]


def _with_imagenet_head(image_size):
    """A MobileNet 0.25, and a copy of it with its own classifier of ImageNet."""
    weights = data_folder() / "weights"
    backbone = backbones.Backbone(
        "MobileNet", (image_size, image_size, 3),
        weights / "mobilenet_2_5_224_tf_no_top.h5", alpha=0.25,
    )  # fmt: skip
    old = models.TransferModel(backbone.copy(), heads.SoftmaxHead(1000))
    with h5py.File(weights / "mobilenet_2_5_224_tf.h5") as file:
        top = file["conv_preds"]["conv_preds"]
        kernel, bias = np.array(top["kernel:0"]).reshape(-1, 1000), np.array(top["bias:0"])
    old.layers[-1].set_weights([kernel, bias])
    return backbone, old


def _imagenet_sample(image_size):
    """The images of every second file, and the images and labels of the others."""
    paths = sorted((data_folder() / "imagenet_sample").glob("*.jpg"))
    images = np.stack([_central(path, image_size) for path in paths])
    labels = np.array([int(path.name.partition("_")[0]) for path in paths])
    return images[::2], (images[1::2], labels[1::2])


def _central(path, size):
    image = tf.cast(tf.io.decode_jpeg(tf.io.read_file(str(path)), channels=3), "float32")
    side = int(0.875 * min(image.shape[:2]))
    image = tf.image.resize_with_crop_or_pad(image, side, side)
    return tf.image.resize(image, (size, size), antialias=True).numpy()
