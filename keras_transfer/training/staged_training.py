"""Runs the phases of a plan, and resumes them."""

import contextlib
import math
import time
import warnings

import keras

from keras_transfer import optimizers
from keras_transfer._preemption import Preemption
from keras_transfer._records import COUNT, Each, Number, check
from keras_transfer.adaptation.label_free_scores import score
from keras_transfer.callbacks import BestWeights, FiniteLoss
from keras_transfer.distribution.workers import all_agree, has_workers
from keras_transfer.heads import SoftmaxHead
from keras_transfer.optimizers.warmup_cosine import WarmupCosine
from keras_transfer.training import training_state
from keras_transfer.training.checkpointing import Checkpointing
from keras_transfer.training.exact_head import solve_head
from keras_transfer.training.phase_data import ImagePasses, phase_data
from keras_transfer.training.weight_average import WeightAverage

# Steps. On an H200, XLA took 63 s to compile the tail of MobileNetV2, and a step of 32 images
# then took 8 ms instead of 21: 5000 steps, and again for the smaller last batch of an epoch.
_XLA_PAYS_FROM = 10_000

_START = {"phase": 0, "begun_at": 0, "epoch": 0, "step": 0, "over": False}
# A checkpoint may come from elsewhere.
_STATE = {
    "position": {
        "phase": COUNT, "begun_at": COUNT, "epoch": COUNT, "step": COUNT, "over": bool,
    },
    "history": {"epoch": [COUNT], "phase": [str], "history": Each(list)},
    "passes": Each(COUNT), "steps at once?": Number(1, 10**6, whole=True),
}  # fmt: skip
# Passes over the data for an epoch: one to train, and as many to compute features.
_MOST_PASSES = 10


class MergedHistory(keras.callbacks.History):
    """Keras' `History` over several calls of `fit`.

    Attributes:
        phase: the name of each epoch's phase.
        phase_name: the name of the current phase.
    """

    def __init__(self):
        super().__init__()
        self.epoch, self.history, self.phase = [], {}, []
        self.phase_name = ""

    def on_train_begin(self, logs=None):
        """Keeps the earlier epochs, which Keras would clear."""

    def on_epoch_end(self, epoch, logs=None):
        seen = len(self.epoch)
        for name, value in (logs or {}).items():
            # An earlier phase may not have had this metric.
            self.history.setdefault(name, [math.nan] * seen).append(value)
        for values in self.history.values():
            values.extend([math.nan] * (seen + 1 - len(values)))
        self.epoch.append(seen)
        self.phase.append(self.phase_name)

    def get_state(self):
        """What `set_state` takes."""
        return {"epoch": self.epoch, "history": self.history, "phase": self.phase}

    def set_state(self, state):
        """Continues from another history."""
        self.epoch, self.history, self.phase = (
            state[name] for name in ("epoch", "history", "phase")
        )


class StagedTraining:
    """One training by a plan.

    Args:
        model: a `TransferModel`.
        train: a finite `tf.data.Dataset` of batches of images.
        validation: the same, or None.
        plan: a `Plan`.
        cache: a `FeatureCache`, or None to train on images.
        callbacks: Keras callbacks for all phases.
        class_weight: as in `fit`.
        verbose: as in `fine_tune`.
        folder: a `TrainingFolder`, or None to write nothing.
        checkpoint_every: the number of steps after which to save within an epoch, or None.
        num_validation: the number of validation images, or None if unknown.
        others: a dict of "target" and "memory" to a finite `tf.data.Dataset`, or None.
    """

    def __init__(
        self, model, train, validation, plan, cache, callbacks, class_weight, verbose,
        folder=None, checkpoint_every=None, num_validation=None, others=None,
    ):  # fmt: skip
        self._model, self._train, self._validation = model, train, validation
        self._plan, self._cache, self._callbacks = plan, cache, list(callbacks)
        self._class_weight, self._verbose, self._folder = class_weight, verbose, folder
        self._every = checkpoint_every
        self._best = BestWeights(num_validation)
        self._average = WeightAverage()
        self._history = MergedHistory()
        self._history.set_model(model)
        self._history.plan = plan
        self._others = others or {}
        is_scored = "target" in self._others and isinstance(model.heads, SoftmaxHead)
        self._scores = [_TargetScore()] if is_scored else []
        self._all_callbacks = [
            *self._scores, *self._callbacks, FiniteLoss(), self._best, self._history
        ]  # fmt: skip
        self._passes = ImagePasses({"train": train, **self._others})
        self._preemption = Preemption()
        self._position = _START

    def run(self):
        """Trains, and leaves the model with the best weights.

        Returns:
            A `MergedHistory`, with `plan` and `best_epoch`.
        """
        with self._preemption.watched():
            state = self._resume()
            for index in range(self._position["phase"], len(self._plan.phases)):
                self._run_phase(index, state)
                state = None
        self._history.best_epoch = self._best.best_epoch
        if self._best.best_epoch is None:
            raise FloatingPointError(
                "The loss was NaN or infinite in every epoch. The model has its initial "
                "weights."
            )
        return self._history

    def _resume(self):
        """The state in the middle of a phase, or None; restores all else."""
        state = self._folder and self._folder.checkpoints.latest()
        if state is not None:
            try:
                self._take_over(state)
            except (
                ValueError,
                LookupError,
                TypeError,
                AttributeError,
                ArithmeticError,
            ) as error:
                raise ValueError(
                    "The checkpoint belongs to another training or another version of the "
                    f"library ({type(error).__name__}: {error}). Name another folder."
                ) from error
        self._check_workers()
        if state is None:
            return None
        position = self._position
        if self._verbose:
            print(_where(position, self._plan))
        is_between = position["epoch"] == position["begun_at"] and not position["step"]
        return None if is_between else state

    def _take_over(self, state):
        check(state, _STATE, "it")
        self._position = {name: state["position"][name] for name in _START}
        passes = max(state["passes"].values(), default=0)
        if passes > _MOST_PASSES * (self._plan.epochs + len(self._plan.phases)):
            raise ValueError(f"it counts {passes} passes, more than the plan has")
        if self._position["phase"] > len(self._plan.phases):
            raise ValueError(f"it is in phase {self._position['phase']} of the plan")
        training_state.restore_model(self._model, state["model"])
        training_state.restore_random(state["random"])
        self._history.set_state(state["history"])
        training_state.restore_callbacks(self._all_callbacks[:-1], state["callbacks"])
        self._passes.resume(state["passes"])

    def _check_workers(self):
        """Raises `ValueError` if the workers do not resume from the same checkpoint."""
        if not all_agree(self._model.distribute_strategy, repr(self._position)):
            raise ValueError(
                "The workers found different checkpoints: the folder of a training must be on "
                f"a disk that all of them share. Received: '{self._folder.path}', "
                f"from which this one resumes at {self._position}"
            )

    def _run_phase(self, index, state):
        """Runs a phase, from its beginning or from a state in its middle."""
        phase, model = self._plan.phases[index], self._model
        model.freeze_policy = phase.freeze_policy
        data = self._data(index)
        self._compile(phase, data.steps)
        model.begin_objectives(data.begins)
        self._history.phase_name = phase.name
        if state is None:
            begun_at = len(self._history.epoch)
            self._position = {**_START, "phase": index, "begun_at": begun_at}
        if phase.solver == "exact":
            self._solve(data)
        else:
            self._fit(phase, data, state)
        self._best.restore()
        self._position = {
            **_START, "phase": index + 1, "begun_at": len(self._history.epoch),
            "epoch": len(self._history.epoch),
        }  # fmt: skip
        if self._folder is not None:
            self._folder.write_results(model, self._history)
            self._save({}, is_compiled=False)

    def _data(self, index):
        phase = self._plan.phases[index]
        following = self._plan.phases[index + 1 :][:1]
        data = phase_data(
            self._model, phase, self._train, self._validation, self._cache, self._callbacks,
            self._verbose, following[0] if following else None, self._others,
            self._passes if self._folder is not None else None,
        )  # fmt: skip
        if self._cache is not None and not following:
            self._cache.decoded.drop()
        for callback in self._scores:
            callback.data = data.scored
        return data

    def _fit(self, phase, data, state):
        begun_at, done = self._position["begun_at"], len(self._history.epoch)
        callbacks = self._callbacks_of(phase)
        if self._folder is not None:
            noting = keras.callbacks.LambdaCallback(on_epoch_begin=self._note_epoch)
            callbacks = [*callbacks, noting, self._checkpointing(state, callbacks)]
        if state is not None and data.features is not None:
            data.begin_at(done - begun_at)
        started, at_once = time.perf_counter(), data.steps_per_execution
        if self._position["step"] > data.steps:
            raise ValueError(
                f"The checkpoint is at step {self._position['step']}, but an epoch has "
                f"{data.steps}: it belongs to another training. Name another folder."
            )
        if state is not None and state["position"]["step"]:
            at_once = state["steps at once"]  # the step lies between two of these calls
        with _steps_at_once(self._model, at_once), self._preemption.deferred():
            self._model.fit_unchecked(
                data.train,
                validation_data=data.validation,
                epochs=done if self._position["over"] else begun_at + phase.epochs,
                steps_per_epoch=data.steps if data.is_endless else None,
                initial_epoch=done,
                callbacks=callbacks,
                class_weight=self._class_weight,
                verbose=self._verbose,
            )
        if self._verbose and data.wait is not None:
            share = float(data.wait.seconds) / (time.perf_counter() - started)
            print(f"{share:.0%} of the time waiting for data.")

    def _note_epoch(self, epoch, logs):
        self._passes.note()

    def _callbacks_of(self, phase):
        return [self._average, *self._all_callbacks] if phase.averaged else self._all_callbacks

    def _checkpointing(self, state, callbacks):
        checkpointing = Checkpointing(self._save, self._preemption, callbacks[:-1], self._every)
        if state is not None:
            training_state.restore_policy(self._model, state["model"])
            checkpointing.resume(state)
        return checkpointing

    def _save(self, position, with_metrics=False, is_compiled=True):
        """Writes a checkpoint; `position` is what changed since the phase began."""
        if self._folder is None or not self._folder.writes:
            return
        passes = self._passes
        passes = passes.before_epoch if position.get("step") else passes.begun
        # Reading the metrics of several workers needs all of them.
        with_metrics = with_metrics and not has_workers(self._model.distribute_strategy)
        training = is_compiled and training_state.training_state(self._model, with_metrics)
        state = {
            "position": {**self._position, **position},
            "model": training_state.model_state(self._model),
            "training": training,
            "history": self._history.get_state(),
            "callbacks": training_state.callback_states(
                [self._average, *self._all_callbacks[:-1]]
            ),
            "passes": dict(passes),
            "random": training_state.random_state(),
            "steps at once": self._model.steps_per_execution,
        }
        try:
            self._folder.checkpoints.write(state)
        except OSError as error:
            warnings.warn(
                f"The checkpoint could not be saved ({error}). The training continues; if it "
                "is killed, it resumes from the last checkpoint that was saved.",
                stacklevel=2,
            )

    def _solve(self, data):
        """Solves the head exactly; the history gets one epoch, measured afterwards."""
        if data.features is None:
            raise ValueError(
                "The exact solution of the head needs cached features: images of one size, "
                "room on the disk, and neither `cache=False` nor `GradualUnfreezing`."
            )
        solve_head(self._model, data.features, self._class_weight)
        inputs = data.features.as_inputs()
        logs = self._model.evaluate(inputs, return_dict=True, verbose=0)
        if data.validation is not None:
            held_out = self._model.evaluate(data.validation, return_dict=True, verbose=0)
            logs |= {f"val_{name}": value for name, value in held_out.items()}
        if self._verbose:
            print("Exact: " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        for callback in (*self._scores, self._best):
            callback.set_model(self._model)
        for callback in (*self._scores, self._best, self._history):
            callback.on_epoch_end(len(self._history.epoch), logs)

    def _compile(self, phase, steps):
        model, total = self._model, phase.epochs * steps
        warmup = math.ceil(phase.warmup * total)
        schedule = WarmupCosine(
            initial_learning_rate=0.0 if warmup else phase.learning_rate,
            decay_steps=max(total - warmup, 1),
            warmup_target=phase.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        # An optimizer belongs to the strategy in whose scope it was made.
        with model.distribute_strategy.scope():
            # Without a GPU, Keras does not use XLA either.
            model.recompile(
                _optimizer(model, phase, schedule),
                jit_compile="auto" if total >= _XLA_PAYS_FROM else False,
                objectives=phase.objectives,
            )


def _optimizer(model, phase, schedule):
    """AdamW, or the class and the settings of the optimizer that the user compiled."""
    own = model.own_optimizer
    multipliers = getattr(own, "multipliers", None)
    inner = own if multipliers is None else own.inner_optimizer
    if inner is None:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=phase.weight_decay)
    else:
        optimizer = type(inner).from_config({**inner.get_config(), "learning_rate": schedule})
    if phase.layerwise_decay is not None:
        multipliers = optimizers.layerwise_decay(model, decay=phase.layerwise_decay)
    if multipliers is None:
        return optimizer
    return optimizers.LearningRateMultiplier(optimizer, multipliers)


@contextlib.contextmanager
def _steps_at_once(model, number):
    """Lets a model run several steps per call, for the duration of the context."""
    before = model.steps_per_execution
    model.steps_per_execution = number
    try:
        yield
    finally:
        model.steps_per_execution = before
        model.train_function = model.test_function = model.predict_function = None


def _where(position, plan):
    if position["phase"] == len(plan.phases):
        return "The training is finished; this is its result."
    step = f", step {position['step']}" if position["step"] else ""
    name = plan.phases[position["phase"]].name
    return f"Resuming '{name}' after epoch {position['epoch']}{step}."


class _TargetScore(keras.callbacks.Callback):
    """Adds `target_score` to the logs of an epoch, by which `BestWeights` chooses.

    It comes before the callbacks that read it.

    Attributes:
        data: the target of the phase, a `tf.data.Dataset` of inputs.
    """

    data = None

    def on_epoch_end(self, epoch, logs=None):
        logs["target_score"] = score(self.model.predict(self.data, verbose=0))
