"""A model whose training step follows the trainable variables."""

import contextlib
import itertools
import operator
import warnings
import weakref

import keras
import tensorflow as tf

from keras_transfer.backbones.frozen_mode import every_layer
from keras_transfer.models.multi_worker import MultiWorkerSteps
from keras_transfer.optimizers.slot_carry_over import carry_over

# Read before each step: the attribute behind the property, which takes twice as long.
_trainable = operator.attrgetter("_trainable")
# The flags of all models, to find those that share layers.
_living: "weakref.WeakSet[_Flags]" = weakref.WeakSet()

# Rows of an example batch: Keras would squeeze a single one.
_FEW = 2


class _Flags:
    """The `trainable` flags of all layers and variables; Keras does not track this object.

    The lists of variables belong to the layers, so that variables added later (by
    `enable_lora`) are seen.
    """

    def __init__(self, model):
        self.layers = every_layer(model.layers)
        self.variables = [
            store
            for layer in self.layers
            for store in (layer._trainable_variables, layer._non_trainable_variables)
        ]
        self.traced = None
        self.sizes = {}
        # The name of another model and the flags that its freeze policy replaced.
        self.overruled = None
        self._watch()
        _living.add(self)

    def _watch(self):
        self.watched = (*self.layers, *itertools.chain.from_iterable(self.variables))

    def size(self):
        """The number of variables."""
        return sum(map(len, self.variables))

    def now(self):
        return self.size(), tuple(map(_trainable, self.watched))

    def have_changed(self):
        return self.traced != self.now()

    def note(self):
        self._watch()
        self.traced = self.now()

    def have_other_size(self, function):
        """Whether the number of variables changed since the last call for a function."""
        old, self.sizes[function] = self.sizes.get(function), self.size()
        return old not in (None, self.sizes[function])


class FollowsTrainedSet(MultiWorkerSteps):
    """A `keras.Model` whose steps train the currently trainable variables.

    Keras compiles a step for the variables that are trainable at that time, and continues to
    train these; the optimizer has slots for them. This class recompiles the step after a
    change, and the optimizer keeps its state for the variables that it trained before.

    On a GPU, Keras compiles all steps with XLA, those of a model that was never compiled too.
    XLA compiles anew for each size of a batch, for up to a minute. Here it compiles the steps
    of `evaluate` and `predict` only after `compile(jit_compile=True)`.
    """

    _asks_for_xla = False

    def _follow(self):
        """Starts to watch the `trainable` flags."""
        self._flags = _Flags(self)

    def _apply_policy(self, policy):
        """Applies a freeze policy, and notes which other models it changes."""
        others = [(flags, flags.now()) for flags in list(_living)]
        policy.apply(self.backbone)
        for flags, before in others:
            if flags.overruled is None and flags.now() != before:
                flags.overruled = self.name, before
        self._flags.overruled = None

    def _warn_if_overruled(self):
        by, before = self._flags.overruled or (None, None)
        self._flags.overruled = None
        if by is not None and self._flags.now() != before:
            warnings.warn(
                f"The freeze policy of '{by}' changed which layers of '{self.name}' train, as "
                "both models share one backbone. Give each model a `backbone.copy()`, or "
                "assign `model.freeze_policy` again. Received: "
                f"{self.freeze_policy!r}, not in effect",
                stacklevel=2,
            )

    def compile(self, optimizer, **keras_arguments):
        if optimizer.built and self._is_out_of_step(optimizer):
            optimizer = carry_over(optimizer, self.trainable_variables)
        super().compile(optimizer=optimizer, **keras_arguments)
        self._asks_for_xla = keras_arguments.get("jit_compile") is True
        self._flags.note()

    def make_train_function(self, force=False):
        self._warn_if_overruled()
        if self._is_out_of_step(self.optimizer):
            self.follow_trainable_set()
        super().make_train_function(force=force or self._flags.have_changed())
        self._flags.note()
        if not hasattr(self.train_function, "_follows_trainable_set"):
            self.train_function = self._guarded(self.train_function)

    # A variable that was added, by `enable_lora`, changes inference as well.

    def make_test_function(self, force=False):
        with self._xla_if_asked():
            return super().make_test_function(force or self._flags.have_other_size("test"))

    def make_predict_function(self, force=False):
        force = force or self._flags.have_other_size("predict")
        with self._xla_if_asked():
            return super().make_predict_function(force)

    @contextlib.contextmanager
    def _xla_if_asked(self):
        before = self.jit_compile
        self.jit_compile = before and self._asks_for_xla
        try:
            yield
        finally:
            self.jit_compile = before

    def quantize(self, *arguments, **keyword_arguments):
        super().quantize(*arguments, **keyword_arguments)
        self.follow_trainable_set()

    def _guarded(self, train_function):
        """A train function that checks the `trainable` flags before each step."""

        def step(iterator):
            if self._flags.have_changed():
                self.make_train_function(force=True)
                return self.train_function(iterator)
            return train_function(iterator)

        step._follows_trainable_set = True
        return step

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and not self._is_evaluating:
            self._create_variables(iterator._get_iterator().element_spec)
        super()._maybe_symbolic_build(iterator, data_batch)

    def _create_variables(self, element_spec):
        """Creates the variables of the metrics and of the optimizer with a batch of zeros.

        Keras creates them while it traces the first step, and then traces that step again: for
        a large network this takes as long as an epoch on a few hundred features.
        """
        if self.distribute_strategy.num_replicas_in_sync > 1:
            return  # Keras creates them.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        specs = tf.nest.flatten(element_spec)
        takes_any_size = any(None in one.shape[1:] for one in self.inputs)
        if not all(
            _is_plain(spec) and (takes_any_size or None not in spec.shape[1:]) for spec in specs
        ):
            return
        zeros = [tf.zeros([n or _FEW for n in s.shape], s.dtype) for s in specs]
        self.create_metrics(tf.nest.pack_sequence_as(element_spec, zeros))

    def create_metrics(self, batch):
        """Creates the variables of the metrics with a batch of data, if they do not exist."""
        is_split = self.distribute_strategy.num_replicas_in_sync > 1  # Keras creates them
        if is_split or getattr(self._compile_metrics, "built", True):
            return
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        predicted = self(inputs, training=False)
        self.compute_loss(inputs, labels, predicted, weights)
        self.compute_metrics(inputs, labels, predicted, weights)
        self.reset_metrics()

    def follow_trainable_set(self):
        """Adapts the optimizer to the currently trainable variables.

        `fit` and `train_on_batch` call it. In a custom training loop, call it after you freeze
        or unfreeze layers, and read `model.optimizer` again.
        """
        if self.optimizer is not None and self._is_out_of_step(self.optimizer):
            with self.distribute_strategy.scope():
                self.optimizer = carry_over(self.optimizer, self.trainable_variables)

    def _is_out_of_step(self, optimizer):
        if optimizer is None or not optimizer.built:
            return False
        built_for = {id(variable) for variable in optimizer._trainable_variables}
        return built_for != {id(variable) for variable in self.trainable_variables}


def _is_plain(spec):
    return isinstance(spec, tf.TensorSpec) and bool(spec.shape.rank)
