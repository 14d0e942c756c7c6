"""What is trained, in which order, for how long, and why."""

import collections.abc
import dataclasses
import math
import os

import keras

from keras_transfer._records import Number, read_json
from keras_transfer._text import counted, reason_of
from keras_transfer.freezing import FreezeAll, FreezePolicy
from keras_transfer.models.checks import check_model
from keras_transfer.models.objective import Objective, check_objectives

# A plan may come from elsewhere.
_MOST, _HIGHEST_RATE = 10**6, 1e6
_COUNTS = Number(1, _MOST, whole=True)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of the training with one freeze policy and one learning-rate schedule.

    Attributes:
        freeze_policy: what is trained.
        epochs: the number of epochs.
        learning_rate: the highest learning rate. The schedule warms up to it and then follows a
            cosine to zero (Loshchilov and Hutter, SGDR, 2017).
        layerwise_decay: the factor by which the learning rate falls from each stage to the
            stage before it, see `optimizers.layerwise_decay`. Defaults to None, one rate.
        warmup: the share of the steps in which the rate rises from zero. Defaults to 0.1.
        weight_decay: decoupled weight decay of AdamW. Defaults to 0.01.
        views: how many draws of a random augmentation the feature cache holds for each image.
            Defaults to None, 4.
        augmented: whether the images are augmented, if the data set is. Defaults to True. Has
            no effect if the images before augmentation are not known, or labels are mixed.
        averaged: whether the average of the weights over about the last tenth of the steps
            is validated and kept, instead of the weights of single steps (Karras et al., CVPR
            2024). Defaults to False.
        batch_size: images in a step. Defaults to None, the batches of the data set.
        solver: "adamw", or "exact" for the exact solution of a softmax head on a frozen
            backbone, see `training.solve_head`; it counts as one epoch and has no learning
            rate. Defaults to "adamw".
        name: the name of the phase in tables.
        objectives: a sequence of `models.Objective`, whose terms are added to the loss of the
            heads; see `adaptation` and `retention`. Defaults to none.

    Example:

    >>> plans.Phase(freezing.UnfreezeLast(2), epochs=8, learning_rate=1e-3).warmup
    0.1
    """

    freeze_policy: FreezePolicy
    epochs: int
    learning_rate: float
    layerwise_decay: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    views: int | None = None
    augmented: bool = True
    averaged: bool = False
    batch_size: int | None = None
    solver: str = "adamw"
    name: str = "phase"
    objectives: collections.abc.Sequence[Objective] = ()

    def __post_init__(self):
        object.__setattr__(self, "objectives", check_objectives(self.objectives))
        if not isinstance(self.freeze_policy, FreezePolicy):
            raise ValueError(
                "`freeze_policy` must be a freeze policy. "
                f"Received: freeze_policy={self.freeze_policy!r}"
            )
        if self.epochs not in _COUNTS:
            raise ValueError(
                f"`epochs` must be a positive integer, at most {_MOST:,}. "
                f"Received: {self.epochs!r:.60}"
            )
        if not 0 < self.learning_rate <= _HIGHEST_RATE:
            raise ValueError(
                f"`learning_rate` must be positive, and at most {_HIGHEST_RATE:g}. "
                f"Received: {self.learning_rate!r:.60}"
            )
        if self.layerwise_decay is not None and not 0 < self.layerwise_decay <= 1:
            raise ValueError(
                "`layerwise_decay` must be above 0 and at most 1, or None. "
                f"Received: layerwise_decay={self.layerwise_decay}"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"`warmup` must be in [0, 1). Received: warmup={self.warmup}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"`weight_decay` must not be negative. Received: {self.weight_decay}"
            )

        flags = self.augmented, self.averaged
        if not isinstance(self.name, str) or not all(isinstance(one, bool) for one in flags):
            raise ValueError(
                "`name` must be a string, `augmented` and `averaged` bools. Received: "
                f"name={self.name!r}, augmented={self.augmented!r}, averaged={self.averaged!r}"
            )

        for name in ("views", "batch_size"):
            value = getattr(self, name)
            if value is not None and value not in _COUNTS:
                raise ValueError(
                    f"`{name}` must be a positive integer, at most {_MOST:,}, or None. "
                    f"Received: {name}={value!r:.60}"
                )

        if self.solver not in ("adamw", "exact"):
            raise ValueError(
                f"`solver` must be 'adamw' or 'exact'. Received: solver={self.solver!r}"
            )
        if self.solver == "exact" and self.epochs != 1:
            raise ValueError(
                "The exact solution counts as one epoch. "
                f"Received: solver='exact', epochs={self.epochs}"
            )
        if self.solver == "exact" and self.objectives:
            raise ValueError(
                "The exact solution of the head has no objectives: use solver='adamw'. "
                f"Received: objectives={self.objectives!r}"
            )

    def to_json(self):
        """The phase as numbers, strings and dicts."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        described = keras.saving.serialize_keras_object
        return {
            **values,
            "freeze_policy": described(self.freeze_policy),
            "objectives": [described(objective) for objective in self.objectives],
        }

    @classmethod
    def from_json(cls, values):
        """The phase that `to_json` described."""
        policy = FreezePolicy.from_json(values["freeze_policy"])
        objectives = [Objective.from_json(one) for one in values.get("objectives", ())]
        return cls(**{**values, "freeze_policy": policy, "objectives": objectives})


@dataclasses.dataclass(frozen=True)
class Plan:
    """Phases, and the reasons for them.

    Attributes:
        phases: a tuple of `Phase`, in order.
        reasons: a tuple of sentences.
        from_scratch: whether the backbone starts from random weights; BatchNormalization then
            has a momentum of at most 0.9. Defaults to False.
        truncate_at: the boundary of the backbone after which its layers are left out, see
            `models.TransferModel`. Defaults to None, none.

    Example:

    >>> plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=5, learning_rate=1e-3)])
    >>> plan.epochs
    5
    """

    phases: collections.abc.Sequence[Phase]
    reasons: collections.abc.Sequence[str] = ()
    from_scratch: bool = False
    truncate_at: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "phases", tuple(self.phases))
        object.__setattr__(self, "reasons", tuple(self.reasons))
        if not self.phases or not all(isinstance(phase, Phase) for phase in self.phases):
            raise ValueError(
                "`phases` must be a list of at least one `Phase`. "
                f"Received: phases={self.phases!r}"
            )
        if not all(isinstance(reason, str) for reason in self.reasons):
            raise ValueError(f"`reasons` must be strings. Received: reasons={self.reasons!r}")
        if not isinstance(self.from_scratch, bool):
            raise ValueError(
                f"`from_scratch` must be a bool. Received: from_scratch={self.from_scratch!r}"
            )
        if not isinstance(self.truncate_at, str | None):
            raise ValueError(
                "`truncate_at` must be the name of a boundary or None. "
                f"Received: truncate_at={self.truncate_at!r}"
            )

    @property
    def epochs(self):
        """The number of epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def with_exact_head(self) -> "Plan":
        """The plan with the exact solution of the head in place of its first phase.

        The features in the middle of a network, or of a network of your own, have any scale:
        in the steps of a plan AdamW reached 59% and 61% on two data sets where the exact
        solution reaches 80% and 94%. A plan that does not start with the head alone stays as
        it is.
        """
        first, *rest = self.phases
        if not isinstance(first.freeze_policy, FreezeAll) or self.from_scratch:
            return self
        head = dataclasses.replace(
            first, solver="exact", epochs=1, views=1, augmented=False, name="exact head"
        )
        reason = "The features may have any scale: the head is solved exactly, on scaled ones."
        return dataclasses.replace(self, phases=[head, *rest], reasons=[*self.reasons, reason])

    def without_exact_solution(self) -> "Plan":
        """The plan with ten epochs of AdamW in place of an exact head, which needs a cache."""
        phases = [
            dataclasses.replace(phase, solver="adamw", epochs=10)
            if phase.solver == "exact"
            else phase
            for phase in self.phases
        ]
        return dataclasses.replace(self, phases=phases)

    def describe(self, model: keras.Model, num_images: int, steps: int) -> str:
        """The plan as text: what each phase trains, how long, at which learning rate, and why.

        Args:
            model: the `TransferModel` to train.
            num_images: the number of training images.
            steps: the number of steps in an epoch.
        """
        check_model(model)
        head_size = _size(model.trainable_variables) - _size(model.backbone.trainable_variables)
        lines = [
            f"{num_images} examples, {counted(steps, 'step')} per epoch, "
            f"{counted(self.epochs, 'epoch')} in {counted(len(self.phases), 'phase')}:"
        ]
        for phase in self.phases:
            trained = set(phase.freeze_policy.trainable_layers(model.backbone))
            layers = [layer for layer in model.backbone.layers if layer.name in trained]
            weights = [w for layer in layers for w in layer.weights if "moving_" not in w.name]
            decay = f", x {phase.layerwise_decay} per stage" if phase.layerwise_decay else ""
            lines.append(
                f"  {phase.name}: {phase.freeze_policy!r}, {counted(phase.epochs, 'epoch')} at "
                f"{phase.learning_rate:g}{decay}, {head_size + _size(weights):,} parameters"
                + "".join(f", {objective!r}" for objective in phase.objectives)
            )
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])

    def to_json(self):
        """The plan as numbers, strings, lists and dicts."""
        return {
            "phases": [phase.to_json() for phase in self.phases],
            "reasons": list(self.reasons),
            "from_scratch": self.from_scratch,
            "truncate_at": self.truncate_at,
        }

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Plan":
        """Reads a plan from the `plan.json` or the `recommend.json` of a run.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it does not hold a plan.
        """
        try:
            content = read_json(path)
            # A recommend.json holds the plan beside the figures behind it.
            return cls.from_json(content.get("plan", content))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"'{path}' does not hold a plan ({type(error).__name__}: {reason_of(error)}). "
                "A plan.json or a recommend.json of a run does."
            ) from error

    @classmethod
    def from_json(cls, values):
        """The plan that `to_json` described."""
        phases = [Phase.from_json(phase) for phase in values["phases"]]
        from_scratch = values.get("from_scratch", False)
        return cls(phases, values["reasons"], from_scratch, values.get("truncate_at"))


def _size(variables):
    return sum(math.prod(variable.shape) for variable in variables)
