"""A model whose training step follows the trainable layers."""

from keras_transfer.models.multi_worker import MultiWorkerSteps
from keras_transfer.optimizers.slot_carry_over import carry_over


class _Flags:
    """The `trainable` flags of the leaf layers, in an object that Keras does not track."""

    def __init__(self, leaves):
        self.leaves = tuple(leaves)
        self.traced = ()

    def now(self):
        return tuple(leaf.trainable for leaf in self.leaves)

    def have_changed(self):
        return self.traced != self.now()

    def note(self):
        self.traced = self.now()


class FollowsTrainedSet(MultiWorkerSteps):
    """A `keras.Model` whose steps train the currently trainable variables.

    Keras compiles a step for the variables that are trainable at that time, and continues to
    train these; the optimizer has slots for them. This class recompiles the step after a
    change, and the optimizer keeps its state for the variables that it trained before.
    """

    def _follow(self, leaves):
        """Sets the leaf layers whose `trainable` flags to watch."""
        self._flags = _Flags(leaves)

    def compile(self, optimizer, **keras_arguments):
        if optimizer.built and self._is_out_of_step(optimizer):
            optimizer = carry_over(optimizer, self.trainable_variables)
        super().compile(optimizer=optimizer, **keras_arguments)
        self._flags.note()

    def make_train_function(self, force=False):
        if self._is_out_of_step(self.optimizer):
            self.follow_trainable_set()
        super().make_train_function(force=force or self._flags.have_changed())
        self._flags.note()
        if not hasattr(self.train_function, "_follows_trainable_set"):
            self.train_function = self._guarded(self.train_function)

    def _guarded(self, train_function):
        """A train function that checks the `trainable` flags before each step."""

        def step(iterator):
            if self._flags.have_changed():
                self.make_train_function(force=True)
                return self.train_function(iterator)
            return train_function(iterator)

        step._follows_trainable_set = True
        return step

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
