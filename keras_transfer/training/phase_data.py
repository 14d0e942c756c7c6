"""What a phase trains on: images, or the features of its frozen part."""

import contextlib
import dataclasses
import math

import keras
import tensorflow as tf

from keras_transfer._python_functions import from_generator
from keras_transfer.backbones import graph
from keras_transfer.callbacks import GradualUnfreezing
from keras_transfer.features import CachedFeatures, NoRoomError
from keras_transfer.features.extraction import batches, parts_of
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import unaugmented
from keras_transfer.models.objective import ObjectiveData, joined

# Validation needs no gradients, so that larger batches fit in memory: these rows, or fewer that
# have these numbers as features or outputs, 256 MB. A batch of masks would take gigabytes.
_EVALUATION_BATCH, _EVALUATION_NUMBERS = 256, 2**26
# A step of a head on features takes less time than its launch. SIGTERM waits for these steps.
_MOST_STEPS_AT_ONCE = 1000
DEFAULT_VIEWS = 4


class DataWait:
    """Measures how long the training waits for its data.

    Keras takes batches inside its compiled step, where no callback can measure the wait. Here
    the dataset itself reads the clock when it is asked and when it has an element.

    Attributes:
        seconds: a scalar variable, the time waited so far.
    """

    def __init__(self):
        with tf.device("CPU:0"):  # where datasets run, and not on a GPU
            self.seconds = tf.Variable(0.0, dtype="float64", trainable=False)

    def measured(self, dataset):
        """The same dataset, which adds its waiting time to `seconds`."""
        # The parts of a zipped dataset are asked in order: the clock first.
        # Of `Dataset.counter` the function would stay in the memory.
        asked = tf.data.Dataset.range(tf.int64.max).map(lambda number: tf.timestamp())

        def answer(asked_at, element):
            with tf.control_dependencies([self.seconds.assign_add(tf.timestamp() - asked_at)]):
                return tf.nest.map_structure(tf.identity, element)

        options = tf.data.Options()
        # With a buffer behind the clock, the buffer would wait instead of the step.
        options.experimental_optimization.inject_prefetch = False
        return tf.data.Dataset.zip((asked, dataset)).map(answer).with_options(options)


def can_measure():
    """Whether TensorFlow has a clock: under op determinism it has none."""
    try:
        tf.timestamp()
    except tf.errors.OpError:
        return False
    return True


class ImagePasses:
    """Counts the passes over datasets that shuffle anew in each pass, for a resumed training.

    The order of a pass follows from the seeds and from the number of passes before it. It is
    the same in another process if it depends on nothing else, as that of
    `keras_transfer.data` does.

    Args:
        datasets: a dict of name to `tf.data.Dataset` or None.

    Attributes:
        begun: for each name, the number of passes that began; with "plain" before the name, of
            those over the images before their augmentation.
        before_epoch: the same at the beginning of the epoch, which starts again in a resumed
            training.
    """

    def __init__(self, datasets):
        given = {name: one for name, one in datasets.items() if one is not None}
        plain = {
            f"plain {name}": getattr(one, "unaugmented", None) for name, one in given.items()
        }
        self._datasets = given | {name: one for name, one in plain.items() if one is not None}
        self.begun = dict.fromkeys(self._datasets, 0)
        self.before_epoch = dict(self.begun)

    def note(self):
        """Notes that an epoch begins."""
        self.before_epoch = dict(self.begun)

    def counted(self, name, dataset):
        """A dataset whose passes are counted: one of those given, or made from one."""
        plain = f"plain {name}"
        name = plain if dataset is self._datasets.get(plain) else name

        def begin():
            self.begun[name] += 1
            yield 0

        # Keras makes iterators that it never uses. A pass counts once its first batch is asked
        # for, which is when the order is drawn.
        passes = from_generator(begin, tf.TensorSpec((), "int32"))
        counted = passes.flat_map(lambda _: dataset)
        steps = dataset.cardinality()
        return counted.apply(tf.data.experimental.assert_cardinality(steps))

    def resume(self, begun):
        """Continues with the orders that follow on `begun` of another training."""
        for name, dataset in self._datasets.items():
            for _ in range(begun.get(name, 0) - self.begun[name]):
                iter(dataset)  # draws the order, and reads nothing
        self.begun.update(begun)


@dataclasses.dataclass(frozen=True)
class PhaseData:
    """The data of one phase, ready for `fit`.

    Attributes:
        train: a `tf.data.Dataset` of batches, joined with those of target and memory.
        validation: the same, or None.
        steps: the number of steps in an epoch.
        steps_per_execution: how many of them run in one call.
        is_endless: whether `train` is one pass after the other: for short epochs, Keras takes
            longer to start a pass than to train. `fit` then needs `steps_per_epoch`.
        features: the `CachedFeatures` that `train` is made from; None for images.
        others: the `CachedFeatures` of target and memory, by name.
        begins: the `ObjectiveData` of the phase, in a fixed order.
        scored: the target without augmentation, a `tf.data.Dataset` of inputs; None without.
        wait: the `DataWait` of `train`; None if it is not measured.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    steps: int
    steps_per_execution: int = 1
    is_endless: bool = False
    features: CachedFeatures | None = None
    others: dict = dataclasses.field(default_factory=dict)
    begins: ObjectiveData | None = None
    scored: tf.data.Dataset | None = None
    wait: DataWait | None = None

    def begin_at(self, epoch):
        """Continues the orders of cached features with an epoch of the phase."""
        self.features.epochs.begun = epoch
        for other in self.others.values():
            passes = math.ceil(self.steps / int(other.cardinality()))
            other.epochs.begun = epoch * passes


def phase_data(
    model, phase, train, validation, cache, callbacks=(), verbose=0, following=None,
    others=None, passes=None,
):  # fmt: skip
    """The data of a phase: cached features if they save work, else images.

    Args:
        model: a `TransferModel` under the phase's freeze policy.
        phase: a `Phase`.
        train: a finite `tf.data.Dataset` of images.
        validation: the same, or None.
        cache: a `FeatureCache`, or None to train on images.
        callbacks: those of the training. One that unfreezes layers needs images; one that
            listens to batches needs one step per call.
        verbose: as in `FeatureCache.extract`.
        following: the `Phase` after this one, or None. If it trains more of the network, the
            features of this phase are computed from its features, which are needed anyway.
        others: a dict of "target" and "memory" to a finite `tf.data.Dataset` of images.
        passes: the `ImagePasses` that count those over images, or None.
    """
    train, others = _images_of(phase, train), others or {}
    plain = others.get("target")
    others = {name: _images_of(phase, dataset) for name, dataset in others.items()}
    if cache is not None and has_frozen_work(model, train) and not _unfreezes(callbacks):
        try:
            features, held_out = _extract(
                model, phase, train, validation, cache, verbose, following
            )
            found = {
                name: _extract_views(model, phase, dataset, cache, verbose, features.engine)
                for name, dataset in others.items()
            }
            scored = None if plain is None else _extract_validation(
                model, unaugmented(plain), cache, features, verbose
            )  # fmt: skip
        except NoRoomError as error:
            if verbose:
                print(f"Training on images, which takes longer: {error}")
        else:
            return _on_features(model, phase, features, held_out, callbacks, found, scored)
    if phase.batch_size is not None:
        train = _rebatched(train, phase.batch_size)
    begins = None
    if phase.objectives or model.running.objectives:
        in_order = {name: _in_order(one) for name, one in {"source": train, **others}.items()}
        begins = ObjectiveData(**in_order)
    scored = None if plain is None else _in_order(unaugmented(plain))
    if passes is not None:
        train = passes.counted("train", train)
        others = {name: passes.counted(name, dataset) for name, dataset in others.items()}
    train = joined(train, **others) if others else train
    return dataclasses.replace(
        _on_images(model, train, validation), begins=begins, scored=scored
    )


def _images_of(phase, train):
    """The training data, before their augmentation if the phase has none."""
    # The truth value of a dataset would count it.
    plain = None if phase.augmented else getattr(train, "unaugmented", None)
    return train if plain is None else plain


def _in_order(dataset):
    """The batches of a dataset without a draw from its order, if it knows its images."""
    source = getattr(dataset, "source", None)
    if source is None:
        return dataset
    return batches(source, [0], len(dataset.class_names or ()), 0, source.num_images)


def _on_images(model, train, validation):
    steps = int(train.cardinality())
    # Each of several replicas has its own buffer.
    if model.distribute_strategy.num_replicas_in_sync > 1 or not can_measure():
        return PhaseData(train, validation, steps)
    wait = DataWait()
    return PhaseData(wait.measured(train), validation, steps, wait=wait)


def _rebatched(train, batch_size):
    num_images = getattr(train, "num_images", None)
    rebatched = train.rebatch(batch_size)
    steps = math.ceil(num_images / batch_size) if num_images else sum(1 for _ in rebatched)
    # Keras would warn that the data ran out.
    return rebatched.apply(tf.data.experimental.assert_cardinality(steps))


def _on_features(model, phase, features, held_out, callbacks, others, scored):
    if phase.batch_size is not None:
        features = features.batched(phase.batch_size)
    steps = int(features.cardinality())
    in_order = {"source": features, **others}
    in_order = {name: _large_batches(one, model) for name, one in in_order.items()}
    others = {
        name: one.batched(features.batch_size, shuffle=True) for name, one in others.items()
    }
    # Keras' loop over several steps fails with several replicas.
    several_replicas = model.distribute_strategy.num_replicas_in_sync > 1
    one_by_one = several_replicas or _look_at_batches(callbacks) or not _is_head_alone(model)
    inputs = features.as_inputs()
    if others:
        inputs = joined(inputs, **{name: one.as_inputs() for name, one in others.items()})
    return PhaseData(
        train=inputs if several_replicas else inputs.repeat(),
        validation=held_out and _large_batches(held_out, model),
        steps=steps,
        steps_per_execution=1 if one_by_one else _largest_divisor(steps, _MOST_STEPS_AT_ONCE),
        is_endless=not several_replicas,
        features=features,
        others=others,
        begins=ObjectiveData(**in_order),
        scored=scored and _large_batches(scored, model),
    )


def _large_batches(features, model):
    shapes = [one.shape for one in tf.nest.flatten(parts_of(features.element_spec)[0])]
    shapes += [one.shape for one in model.outputs]
    largest = max(math.prod(side or 1 for side in shape[1:]) for shape in shapes)
    rows = min(_EVALUATION_BATCH, _EVALUATION_NUMBERS // largest)
    return features.batched(max(rows, features.batch_size), shuffle=False).as_inputs()


def _largest_divisor(number, at_most):
    return next(n for n in range(min(number, at_most), 0, -1) if number % n == 0)


def _extract(model, phase, train, validation, cache, verbose, following):
    """The features of the training and of the validation images."""
    if following is not None and _share_images(phase, following, train):
        with contextlib.suppress(NoRoomError):  # the phase's own may be small enough
            found = _extract_through(model, phase, train, validation, cache, verbose, following)
            if found is not None:
                return found
    features = _extract_views(model, phase, train, cache, verbose)
    return features, _extract_validation(model, validation, cache, features, verbose)


def _share_images(phase, following, train):
    """Whether the images of a phase are the first view of the following phase."""
    same = phase.views == 1 and phase.augmented == following.augmented
    return same and source_of(train).fingerprint is not None


def _extract_through(model, phase, train, validation, cache, verbose, following):
    """Features computed from those of the following phase; None if that is not possible."""
    policy, boundary = model.freeze_policy, model.frozen_boundary
    model.freeze_policy = following.freeze_policy
    try:
        if not has_frozen_work(model, train) or not _comes_before(model, boundary):
            return None
        features, held_out = _extract(model, following, train, validation, cache, verbose, None)
        middle = _between(model, boundary)
    finally:
        model.freeze_policy = policy
    train = cache.extract(middle, features, verbose=verbose)
    return train, _extract_validation(middle, held_out, cache, train, verbose)


def _comes_before(model, boundary):
    """Whether the frozen part ends before a boundary."""
    names = list(graph.boundaries(model))
    # A head that reads several stages cuts the graph at more than a boundary.
    if not {model.frozen_boundary, boundary} <= set(names):
        return False
    return names.index(model.frozen_boundary) < names.index(boundary)


def _extract_views(model, phase, train, cache, verbose, engine=None):
    views = phase.views or DEFAULT_VIEWS
    try:
        return cache.extract(model, train, views, verbose, engine)
    except NoRoomError:
        if views == 1:
            raise
        return cache.extract(model, train, 1, verbose, engine)


def _extract_validation(model, validation, cache, features, verbose):
    if validation is None:
        return None
    # The engine is prepared for this stem already.
    return cache.extract(model, validation, verbose=verbose, engine=features.engine)


def _between(model, boundary):
    """The part between the frozen part of a model and a boundary after it."""
    tail = model.tail()
    return graph.split_at(tail, graph.cut(tail, boundary))[0]


def has_frozen_work(model, dataset):
    """Whether the features of a model's frozen part can save work on the data."""
    inputs = tf.nest.flatten(parts_of(dataset.element_spec)[0])
    is_fixed = all(spec.shape[1:].is_fully_defined() for spec in inputs)
    return is_fixed and model.stem().count_params() > 0


def _is_head_alone(model):
    return model.frozen_boundary not in model.backbone.boundaries[:-1]


def _unfreezes(callbacks):
    return any(isinstance(callback, GradualUnfreezing) for callback in callbacks)


def _look_at_batches(callbacks):
    hooks = [f"on_{kind}batch_{when}" for kind in ("", "train_") for when in ("begin", "end")]
    return any(
        getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in hooks
    )
