"""A model that follows what is trained of it."""

from keras_transfer.models.multi_worker import MultiWorkerSteps
from keras_transfer.optimizers.slot_carry_over import carry_over


class _Flags:
    """What is trainable, of layers without layers of their own.

    They are kept in an object that Keras does not track: they belong to the model's graph.
    """

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
    """A `keras.Model` whose steps train what is trainable at the time.

    Keras compiles a step for the set that was trainable then, and goes on training it; the
    optimizer has slots for that set. Here a step is compiled anew where the set has changed,
    and the optimizer goes on with its state for what it trained before.
    """

    def _follow(self, leaves):
        """Says which layers, those without layers of their own, can be frozen."""
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
        """A train function that looks, before each step, whether other layers are trained."""

        def step(iterator):
            if self._flags.have_changed():
                self.make_train_function(force=True)
                return self.train_function(iterator)
            return train_function(iterator)

        step._follows_trainable_set = True
        return step

    def follow_trainable_set(self):
        """Brings the optimizer in step with what is trainable now.

        `fit` and `train_on_batch` do so by themselves; call it in a training loop of your own
        after layers were frozen or unfrozen, and take `model.optimizer` anew.
        """
        if self.optimizer is not None and self._is_out_of_step(self.optimizer):
            with self.distribute_strategy.scope():
                self.optimizer = carry_over(self.optimizer, self.trainable_variables)

    def _is_out_of_step(self, optimizer):
        if optimizer is None or not optimizer.built:
            return False
        built_for = {id(variable) for variable in optimizer._trainable_variables}
        return built_for != {id(variable) for variable in self.trainable_variables}
