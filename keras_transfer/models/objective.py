"""The base of all objectives, and the rows of a batch that they read."""

import dataclasses
import math
import re
from typing import Any

import keras
import tensorflow as tf

from keras_transfer.freezing.policy import registered

SOURCE, TARGET, MEMORY = "source images", "target images", "memory images"
DATA = {"target": TARGET, "memory": MEMORY}
DOMAINS = {SOURCE: "source", TARGET: "target", MEMORY: "memory"}


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one domain in a batch.

    Attributes:
        inputs: what the network took: images, or a dict of cached features.
        features: what the last layer of the head takes, `(rows, channels)`.
        logits: the output of that layer before its activation, float32 `(rows, outputs)`.
        pooled: the output of the backbone averaged over the positions, float32 `(rows,
            channels)`; None if the backbone is frozen.
        labels: the labels of the rows; None if they have none.
    """

    inputs: Any
    features: tf.Tensor
    logits: tf.Tensor
    pooled: tf.Tensor | None = None
    labels: Any = None

    @property
    def probabilities(self):
        """The softmax of the logits."""
        return tf.nn.softmax(self.logits)


@dataclasses.dataclass(frozen=True)
class Batch:
    """What an objective reads in a step: `Rows` of each domain.

    Attributes:
        source: the labelled images that the heads are trained on.
        target: unlabelled images of the domain where the model will be used, or None.
        memory: images of an earlier task, or None.
    """

    source: Rows
    target: Rows | None = None
    memory: Rows | None = None


@dataclasses.dataclass(frozen=True)
class ObjectiveData:
    """What an objective reads at the beginning of a phase: finite datasets of batches.

    Attributes:
        source: a `tf.data.Dataset` of `(inputs, labels)`.
        target: a `tf.data.Dataset` of inputs, or None.
        memory: a `tf.data.Dataset` of inputs, or of `(inputs, labels)`, or None.
    """

    source: tf.data.Dataset
    target: tf.data.Dataset | None = None
    memory: tf.data.Dataset | None = None


class Objective:
    """A term that training adds to the loss of the heads; the base class of all objectives.

    An objective is a value, like a freeze policy: it holds no data, two with equal arguments
    are equal, and a plan saves it. The data go to `fine_tune(..., target=..., memory=...)`. A
    training makes a copy with state of its own. What the copy learns is in the checkpoints of
    the training, and not in the model.

    For an objective of your own, define `loss`, and register the class with
    `keras.saving.register_keras_serializable`.

    Args:
        weight: the factor of the term. Defaults to 1.0.

    Attributes:
        needs: the data that it reads beside the source: of "target" and "memory".
        reads_memory: whether it reads the memory, if there is one.
        needs_classes: whether it reads the probabilities of a `SoftmaxHead`.
        changes_inputs: whether `changed` changes what a step trains on.

    Example:

    >>> @keras.saving.register_keras_serializable(package="mine")
    ... class LowEntropy(models.Objective):
    ...     needs = ("target",)
    ...     def loss(self, batch):
    ...         p = batch.target.probabilities
    ...         return -tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p + 1e-7), axis=1))
    >>> phase = plans.Phase(freezing.FreezeAll(), 2, 1e-3, objectives=[LowEntropy(0.1)])
    >>> history = training.fine_tune(
    ...     model, train, plan=plans.Plan([phase]), target=validation.unlabelled, verbose=0
    ... )
    >>> sorted(history.history)
    ['accuracy', 'loss', 'low_entropy', 'target_score']
    """

    needs: tuple[str, ...] = ()
    needs_classes = False
    reads_memory = False
    changes_inputs = False

    def __init__(self, weight: float = 1.0):
        if not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
            raise ValueError(f"`weight` must not be negative. Received: weight={weight!r}")
        self.weight = weight

    @property
    def name(self) -> str:
        """The name of the term in a history, `"low_entropy"` for a class `LowEntropy`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def begin(self, model: keras.Model, data: ObjectiveData) -> None:
        """Prepares the objective, once a phase: a teacher, an anchor, or statistics.

        Args:
            model: the `TransferModel`, as it is before the first step of the phase.
            data: an `ObjectiveData`.
        """

    def loss(self, batch: Batch) -> tf.Tensor:
        """The term of a batch, a scalar, before it is multiplied by `weight`.

        Args:
            batch: a `Batch`.
        """
        raise NotImplementedError

    def changed(self, domain, features):
        """The features at the frozen boundary that a step uses; called if `changes_inputs`.

        Args:
            domain: "source", "target" or "memory".
            features: a dict of the tensors of a batch.
        """
        return features

    @property
    def trainable_variables(self) -> list:
        """The variables that the loss trains, beside those of the model.

        Make each as `keras.Variable(..., aggregation="mean")`.
        """
        return []

    @property
    def variables(self) -> list:
        """All variables that a resumed training needs; `begin` makes them."""
        return self.trainable_variables

    def get_config(self) -> dict[str, Any]:
        """The arguments of the objective."""
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        """The objective with these arguments."""
        return cls(**config)

    @classmethod
    def from_json(cls, values: dict) -> "Objective":
        """The objective that `keras.saving.serialize_keras_object` described.

        Args:
            values: the description, which may come from elsewhere.

        Raises:
            ValueError: if it describes something else.
        """
        return registered(values, Objective, "objective")

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def check_objectives(objectives):
    """A tuple of objectives; raises `ValueError` if it holds anything else, or one twice."""
    objectives = tuple(objectives)
    if not all(isinstance(one, Objective) for one in objectives):
        raise ValueError(
            "`objectives` must be a list of objectives, such as "
            f"`[adaptation.MinimumClassConfusion()]`. Received: objectives={objectives!r}"
        )
    names = [one.name for one in objectives]
    if len(set(names)) != len(names):
        raise ValueError(f"Each objective can be there once. Received: {objectives!r}")
    return objectives


def check_data(objectives, given):
    """Raises `ValueError` if objectives need data that are not given.

    Args:
        objectives: a list of them.
        given: the names of the data that there are.
    """
    for objective in objectives:
        missing = [name for name in objective.needs if name not in given]
        if missing:
            raise ValueError(
                f"{type(objective).__name__} needs the images of `{missing[0]}`: pass "
                f"`{missing[0]}=` to `fine_tune`, or to `models.joined`. Received: none"
            )


def joined(
    source: tf.data.Dataset,
    target: tf.data.Dataset | None = None,
    memory: tf.data.Dataset | None = None,
) -> tf.data.Dataset:
    """The data of several domains as one dataset, for `fit` of a model with objectives.

    `fine_tune(..., target=..., memory=...)` does the same, and trains on cached features. Use
    this function with `model.compile(objectives=[...])`. An epoch has the batches of the
    source; target and memory are repeated as long.

    Args:
        source: a `tf.data.Dataset` of batches `(images, labels)`.
        target: a shuffled `tf.data.Dataset` of batches of images; labels are dropped.
        memory: the same of an earlier task; labels are kept.

    Returns:
        A `tf.data.Dataset`.

    Example:

    >>> model.compile(objectives=[adaptation.MinimumClassConfusion()])
    >>> data = models.joined(train, target=validation.unlabelled)
    >>> sorted(model.fit(data, verbose=0).history)
    ['accuracy', 'loss', 'minimum_class_confusion']
    """
    others = {}
    if target is not None:
        target = others[TARGET] = without_labels(target)
    if memory is not None:
        others[MEMORY] = memory
    steps = int(source.cardinality())
    # `zip` asks all for one element more: another pass would begin, with another order.
    repeated = tuple(one.repeat().take(steps) for one in others.values())

    @tf.autograph.experimental.do_not_convert
    def join(element, *rest):
        inputs, *labels = element if isinstance(element, tuple) else (element,)
        return ({SOURCE: inputs, **dict(zip(others, rest, strict=True))}, *labels)

    dataset = tf.data.Dataset.zip((source, *repeated)).map(join)
    if steps >= 0:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    dataset.parts = ObjectiveData(source, target, memory)
    for name in ("class_names", "reduced_decoding", "value_range"):
        if hasattr(source, name):
            setattr(dataset, name, getattr(source, name))
    return dataset


def without_labels(dataset):
    """A dataset of images alone."""
    if not isinstance(dataset.element_spec, tuple):
        return dataset
    if hasattr(dataset, "unlabelled"):
        return dataset.unlabelled
    return dataset.map(tf.autograph.experimental.do_not_convert(lambda images, *_: images))


def is_joined(inputs):
    """Whether inputs are those of several domains."""
    return isinstance(inputs, dict) and SOURCE in inputs
