"""Training on pairs of views at the freeze boundary."""

import dataclasses
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import from_generator
from keras_transfer.backbones import graph
from keras_transfer.data import Augmentation
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.features import CachedFeatures, FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import pooled_network, unaugmented
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import check_model
from keras_transfer.pretraining.objectives import VICReg

# With fewer views, pairs repeat and a network learns them by heart.
_FEWEST_VIEWS = 4
_FEWEST_IMAGES = 16
# Images on which the effective rank is measured.
_MOST_MEASURED = 512
# Below these parts of the start, features or projections have collapsed.
_LEAST_RANK, _LEAST_SPREAD = 0.02, 0.05
_WIDTH = 256


class CollapseError(ValueError):
    """The features of different images became the same; the weights are those from before."""


@dataclasses.dataclass(frozen=True)
class SelfSupervision:
    """What a training without labels did.

    Attributes:
        losses: the mean loss of each epoch.
        rank_before: the effective rank of the features before: how many directions they use.
        rank_after: the effective rank afterwards.
        num_images: the number of images.
        seconds: the duration.
    """

    losses: tuple[float, ...]
    rank_before: float
    rank_after: float
    num_images: int
    seconds: float

    @property
    def conclusion(self) -> str:
        """The loss and the effective rank, before and after, in a sentence."""
        return (
            f"The loss went from {self.losses[0]:.2f} to {self.losses[-1]:.2f}, and the "
            f"features use {self.rank_after:.1f} directions instead of {self.rank_before:.1f} "
            f"(effective rank, n = {self.num_images}). A probe with labels says whether that "
            "helps."
        )

    def to_json(self) -> dict:
        """The attributes and the conclusion as plain values."""
        return {
            **dataclasses.asdict(self), "losses": list(self.losses),
            "conclusion": self.conclusion,
        }  # fmt: skip


def self_supervised(
    model: TransferModel,
    unlabelled: tf.data.Dataset,
    objective: keras.losses.Loss | None = None,
    epochs: int = 20,
    views: int = 8,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    augmentation: Augmentation | None = None,
    cache: FeatureCache | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> SelfSupervision:
    """Trains the unfrozen part of a backbone on images without labels.

    For many images of which few have a label, and that look unlike those of the pretraining.
    Two views of one image shall have the same features, and those of different images shall
    differ. The frozen part computes the views once. Afterwards train the heads, for example by
    `fine_tune`.

    Args:
        model: a `TransferModel` whose freeze policy trains some stages, such as
            `UnfreezeLast(2)`. Its heads do not change.
        unlabelled: a `tf.data.Dataset` of batches of images, or of tuples that start with
            images; labels are not used.
        objective: `VICReg()` (the default with None) or `SimCLR()`.
        epochs: passes over the images. Defaults to 20.
        views: random views of each image, at least 4; each epoch takes two. Defaults to 8.
        learning_rate: highest learning rate of AdamW, which falls as a cosine. Defaults to
            1e-3.
        batch_size: pairs in a batch. Defaults to 128.
        augmentation: of the views. Defaults to None: flips, small crops and changes of colour.
        cache: a `FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the order and of the projector. Defaults to 0.
        verbose: as in `fit` of Keras. Defaults to 0.

    Returns:
        A `SelfSupervision`.

    Raises:
        ValueError: if the policy freezes the whole backbone, or an argument is out of its
            range.
        CollapseError: if the features of different images become the same. The model then has
            its weights from before.

    Example:
        >>> model.freeze_policy = freezing.UnfreezeLast(1)
        >>> found = pretraining.self_supervised(model, train, epochs=2)
        >>> len(found.losses), found.num_images
        (2, 18)
    """
    started = time.perf_counter()
    _check(model, epochs, views, batch_size)
    objective = VICReg() if objective is None else objective
    augmentation = _strong(seed) if augmentation is None else augmentation
    cache = FeatureCache() if cache is None else cache
    cached = cache.extract(model, _views_of(unlabelled, augmentation), views, verbose)
    if cached.num_images < _FEWEST_IMAGES or cached.names[1:]:
        raise ValueError(
            f"`self_supervised` needs at least {_FEWEST_IMAGES} images, and one tensor at the "
            f"freeze boundary. Received: {cached.num_images} images and {cached.names}"
        )
    with model.distribute_strategy.scope():
        embedding = _embedding(model)
        pairs = _pairs_model(embedding, seed)
        steps = max(1, cached.num_images // batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
        pairs.compile(keras.optimizers.AdamW(schedule), objective, jit_compile=False)
        # Otherwise Keras builds it while it traces the first step, and traces that step again.
        pairs.optimizer.build(pairs.trainable_variables)
    sample = cached.arrays()[0][:_MOST_MEASURED]
    weights = [np.asarray(variable) for variable in embedding.variables]
    watch = _Collapse(embedding, pairs.get_layer("projector"), sample)
    dataset = _pairs(cached, min(batch_size, cached.num_images), seed)
    try:
        history = pairs.fit(
            dataset, epochs=epochs, callbacks=[watch], verbose=verbose, shuffle=False
        )
    except CollapseError:
        for variable, value in zip(embedding.variables, weights, strict=True):
            variable.assign(value)
        raise
    finally:
        model.forget_predict_function()
    return SelfSupervision(
        losses=tuple(history.history["loss"]),
        rank_before=watch.before,
        rank_after=watch.now,
        num_images=cached.num_images,
        seconds=time.perf_counter() - started,
    )


def effective_rank(features):
    """How many directions features use: the exponential of the entropy of their variances.

    Reference: Roy and Vetterli, The Effective Rank, EUSIPCO 2007.
    """
    rows = np.asarray(features, "float64")
    if not np.isfinite(rows).all():
        return 0.0
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    shares = values[values > 0] / max(values.sum(), 1e-300)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(shares) else 0.0


class _Collapse(keras.callbacks.Callback):
    """Raises `CollapseError` if images lost their differences at the end.

    At a high learning rate they may lose them for some epochs; a loss that is NaN is final.
    """

    def __init__(self, embedding, projector, sample):
        super().__init__()
        self._networks, self._sample = (embedding, projector), sample
        self.before, self._spreads = self._measure()
        self.now = self.before

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if np.isfinite(loss) and epoch + 1 < self.params["epochs"]:
            return
        self.now, spreads = self._measure()
        kept = min(
            now / max(old, 1e-30) for now, old in zip(spreads, self._spreads, strict=True)
        )
        has_directions = self.now >= max(1.5, _LEAST_RANK * self.before)
        if not (has_directions and kept >= _LEAST_SPREAD and np.isfinite(loss)):
            raise CollapseError(
                f"In epoch {epoch + 1} the features collapsed: {kept:.1%} of the deviation "
                f"between images is left, in {self.now:.1f} directions instead of "
                f"{self.before:.1f}, and the loss is {loss:.3g}. The model has its weights "
                "from before. Lower `learning_rate`, or train fewer stages."
            )

    def _measure(self):
        """The effective rank of features, and the deviations of these and of projections."""
        embedding, projector = self._networks
        blocks = np.array_split(self._sample, max(1, len(self._sample) // 64))
        rows = np.concatenate([embedding(block, training=False) for block in blocks])
        # As in training: at first the moving statistics of the projector say nothing.
        projected = np.asarray(projector(rows, training=True))
        return effective_rank(rows), (rows.std(axis=0).mean(), projected.std(axis=0).mean())


def _check(model, epochs, views, batch_size):
    check_model(model)
    if not any(variable.trainable for variable in model.backbone.variables):
        raise ValueError(
            "The freeze policy freezes the whole backbone, so nothing could be learned: assign "
            "`model.freeze_policy = freezing.UnfreezeLast(2)`. "
            f"Received: {model.freeze_policy!r}"
        )
    for name, value, least in (
        ("epochs", epochs, 1), ("views", views, _FEWEST_VIEWS), ("batch_size", batch_size, 2),
    ):  # fmt: skip
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"`{name}` must be an integer of at least {least}. Received: {name}={value!r}"
            )


def _strong(seed):
    return Augmentation(
        flip="horizontal", crop=0.25, rotation=0.05, brightness=0.2, contrast=0.4,
        saturation=0.4, seed=seed,
    )  # fmt: skip


def _views_of(dataset, augmentation):
    """The images of a dataset, augmented and without their labels."""
    plain = unaugmented(dataset)
    source = source_of(plain)

    source = source.mapped(lambda image, *others: (image, 0), "unlabelled")
    made = dataclasses.replace(source, augmentation=augmentation)
    return LabeledDataset(plain, ["unlabelled"], made.num_images, made)


def _embedding(model):
    """A model from the features at the freeze boundary to the pooled ones of the backbone."""
    whole = pooled_network(model.backbone)
    return graph.split_at(whole, graph.cut(whole, model.frozen_boundary))[1]


def _pairs_model(embedding, seed):
    """A model from two views to their projections, `(batch, 2, width)`."""
    initializer = keras.initializers.GlorotUniform(seed=seed)
    projector = keras.Sequential(
        [
            keras.Input(embedding.output_shape[1:]),
            keras.layers.Dense(_WIDTH, kernel_initializer=initializer.clone()),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(_WIDTH, kernel_initializer=initializer.clone()),
        ],
        name="projector",
    )
    views = [keras.Input(embedding.input_shape[1:]) for _ in range(2)]
    projected = [
        keras.layers.Reshape((1, _WIDTH))(projector(embedding(view))) for view in views
    ]
    return keras.Model(views, keras.layers.Concatenate(axis=1)(projected), name="pairs")


def _pairs(cached: CachedFeatures, batch_size: int, seed: int) -> tf.data.Dataset:
    """Batches of two different views of each image, in another order in each epoch."""
    size, views = cached.num_images, cached.views
    random = np.random.default_rng(seed)
    held = np.stack([cached.arrays(v)[0] for v in range(views)]) if cached.in_memory else None

    def rows_of(rows, chosen):
        if held is not None:
            return held[chosen, rows]
        parts = [
            cached.readers[view].rows(row, row + 1)[0]
            for row, view in zip(rows.tolist(), chosen.tolist(), strict=True)
        ]
        return np.concatenate(parts).astype("float32")

    def batches():
        order, first = random.permutation(size), random.integers(views, size=size)
        second = (first + random.integers(1, views, size=size)) % views
        for start in range(0, size - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            yield (rows_of(rows, first[rows]), rows_of(rows, second[rows])), np.zeros(len(rows))

    spec = tf.TensorSpec((batch_size, *cached.element_spec[0].shape[1:]), "float32")
    labels = tf.TensorSpec((batch_size,), "float32")
    dataset = from_generator(batches, ((spec, spec), labels))
    return dataset.apply(tf.data.experimental.assert_cardinality(size // batch_size)).prefetch(
        2
    )
