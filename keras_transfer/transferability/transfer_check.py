"""Whether transfer helps, by experiment."""

import dataclasses
import time

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._statistics.intervals import paired_interval
from keras_transfer._statistics.linear_models import stratified_folds
from keras_transfer.features import FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import unaugmented
from keras_transfer.freezing import FreezeNone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import as_backbone
from keras_transfer.plans import Plan
from keras_transfer.plans.chooser import head_phase, tuning_phase
from keras_transfer.training import fine_tune


@dataclasses.dataclass(frozen=True)
class NegativeTransfer:
    """Trainings from pretrained and from random weights, on the same folds.

    Attributes:
        pretrained: the accuracy of each fold from pretrained weights.
        random: the accuracy of each fold from random weights.
        linear: the accuracy of each fold by logistic regression on the columns of a table;
            None for other inputs.
        difference: `(low, high)`, the 95% confidence interval of the gain by pretraining.
        num_images: the number of images, or of rows.
        seconds: the duration.
    """

    pretrained: tuple
    random: tuple
    difference: tuple
    num_images: int
    seconds: float
    linear: tuple | None = None

    @property
    def conclusion(self):
        """Whether transfer helps, hurts or makes no significant difference, in a sentence."""
        low, high = self.difference
        effect = "helps" if low > 0 else "hurts" if high < 0 else "has no significant effect"
        pretrained, random = map(_mean, (self.pretrained, self.random))
        sentence = (
            f"Transfer {effect}: accuracy of {pretrained:.1%} from pretrained and {random:.1%} "
            f"from random weights, a gain of {low:+.1%} to {high:+.1%} (95% CI, n = "
            f"{self.num_images})."
        )
        if self.linear is None:
            return sentence
        linear = _mean(self.linear)
        best = ", more than both" if linear > max(pretrained, random) else ""
        return f"{sentence} Logistic regression on the columns has {linear:.1%}{best}."

    def to_json(self):
        """The figures as a dict."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def check_negative_transfer(
    dataset: tf.data.Dataset,
    backbone: keras.Model,
    plan: Plan | None = None,
    num_folds: int = 2,
    num_images: int = 600,
    seed: int = 0,
    cache: FeatureCache | None = None,
) -> NegativeTransfer:
    """Compares training from pretrained with training from random weights, on the same folds.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`, or `(columns, labels)` of
            a table, on whose columns logistic regression is fitted beside.
        backbone: a `Backbone`, or another functional or sequential model, with pretrained
            weights; it is not changed.
        plan: the `plans.Plan` for both trainings; it should not freeze BatchNormalization,
            whose random moving statistics would then handicap the random backbone. Defaults to
            None: the head, then the whole backbone, with BatchNormalization frozen from
            pretrained weights and trainable from random ones.
        num_folds: the number of folds; each image is tested once. Defaults to 2.
        num_images: the most images, drawn at random; it bounds time and memory. Defaults to
            600.
        seed: of the draw, the folds and the trainings; Keras' global seed is set to it. The
            random weights are the same in all folds. Defaults to 0.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.

    Returns:
        A `NegativeTransfer`.

    Raises:
        ValueError: if the plan is not a `Plan`, there are fewer than two folds, or fewer than
            two classes have as many images as folds. Smaller classes are left out.

    Example:
        >>> plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-3)])
        >>> found = transferability.check_negative_transfer(train, backbone, plan)
        >>> len(found.pretrained), found.num_images
        (2, 18)

    Reference:
        Rosenstein et al., To transfer or not to transfer, NIPS workshop 2005; Wang et al.,
        Characterizing and avoiding negative transfer, CVPR 2019, definition 1.
    """
    if plan is not None and not isinstance(plan, Plan):
        raise ValueError(f"`plan` must be a `Plan` or None. Received: plan={plan!r}")
    backbone = as_backbone(backbone)
    started = time.perf_counter()
    inputs, labels, groups = _draw(dataset, num_images, num_folds, seed)
    folds = stratified_folds(labels, num_folds, seed, groups)
    if not folds:
        raise ValueError("The comparison needs two groups. Received: one group of all images")
    correct = {}
    for name, batch_norm in (("pretrained", "frozen"), ("random", "trainable")):
        chosen = plan or _default_plan(backbone, len(folds[0][0]), batch_norm)
        chosen = dataclasses.replace(chosen, from_scratch=name == "random")
        correct[name] = [
            _train_and_test(backbone, inputs, labels, fold, chosen, seed, cache)
            for fold in _progress.each(folds, f"training from {name} weights")
        ]
    hits = {name: np.concatenate(found).astype(int) for name, found in correct.items()}
    return NegativeTransfer(
        pretrained=tuple(float(found.mean()) for found in correct["pretrained"]),
        random=tuple(float(found.mean()) for found in correct["random"]),
        difference=paired_interval(
            hits["pretrained"] - hits["random"],
            groups and [groups[row] for _, test in folds for row in test],
        ),
        num_images=len(labels),
        seconds=time.perf_counter() - started,
        linear=_linear(inputs, labels, folds) if isinstance(inputs, dict) else None,
    )


def _mean(accuracies):
    return sum(accuracies) / len(accuracies)


def _draw(dataset, num_images, num_folds, seed):
    """Images or rows from anywhere in the data set, their labels, and their groups or None."""
    if not isinstance(num_folds, int) or num_folds < 2:
        raise ValueError(
            f"`num_folds` must be an integer of at least 2. Received: num_folds={num_folds!r}"
        )
    if not isinstance(dataset.element_spec, tuple):
        raise ValueError(
            "`check_negative_transfer` needs labels. Received: a dataset without labels"
        )
    source = source_of(unaugmented(dataset))  # its order never changes
    chosen = np.random.default_rng(seed).permutation(source.num_images)[:num_images]
    chosen, examples, labels, groups = set(chosen.tolist()), [], [], []
    for number, (example, label, *_) in enumerate(source.examples()):
        if number in chosen:
            examples.append(example)
            labels.append(int(np.argmax(label) if np.size(label) > 1 else np.ravel(label)[0]))
            groups.append(source.groups and source.groups[number])
    inputs = tf.nest.map_structure(lambda *parts: np.stack(parts), *examples)
    labels = np.array(labels)
    # The draw may leave too few images of a small class.
    enough = np.bincount(labels)[labels] >= num_folds
    names, labels = np.unique(labels[enough], return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"Fewer than two classes have {num_folds} images among those that were drawn. "
            f"Received: num_folds={num_folds}, num_images={num_images}"
        )
    groups = source.groups and [groups[row] for row in np.flatnonzero(enough)]
    return _rows(inputs, enough), labels, groups


def _rows(inputs, chosen):
    return tf.nest.map_structure(lambda array: array[chosen], inputs)


def _linear(columns, labels, folds):
    """The accuracy of each fold by logistic regression on standardized and one-hot columns."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    matrix = np.concatenate([array.astype(object) for array in columns.values()], axis=1)
    is_number = [array.dtype.kind == "f" for array in columns.values()]
    prepared = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), is_number),
            ("names", OneHotEncoder(handle_unknown="ignore"), np.logical_not(is_number)),
        ]
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=1000))
    return tuple(
        float(model.fit(matrix[train], labels[train]).score(matrix[test], labels[test]))
        for train, test in folds
    )


def _train_and_test(backbone, inputs, labels, fold, plan, seed, cache):
    """Whether each image of the fold's second part is classified correctly."""
    train, test = fold
    keras.utils.set_random_seed(seed)
    model = TransferModel(backbone.copy(), SoftmaxHead(int(labels.max()) + 1))
    given = tf.data.Dataset.from_tensor_slices((_rows(inputs, train), labels[train]))
    given = given.shuffle(len(train), seed).batch(32)
    fine_tune(model, given, plan=plan, verbose=0, cache=cache)
    tested = tf.nest.map_structure(tf.constant, _rows(inputs, test))
    return model.predict(tested, verbose=0).argmax(axis=1) == labels[test]


def _default_plan(backbone, num_images, batch_norm):
    num_stages = len(backbone.stages)
    tuning = tuning_phase(num_stages, num_stages, num_images)
    tuning = dataclasses.replace(tuning, freeze_policy=FreezeNone(batch_norm=batch_norm))
    return Plan([head_phase(num_images), tuning])
