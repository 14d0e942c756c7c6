"""What is trained, in which order, for how long, and why."""

import dataclasses
import math

import keras

from keras_transfer.freezing import FreezeAll, FreezePolicy


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a training with one freeze policy and one learning-rate schedule.

    Attributes:
        freeze_policy: what is trained.
        epochs: how many epochs.
        learning_rate: the highest learning rate, reached after the warm-up; from there it
            falls to zero along a cosine (Loshchilov and Hutter, SGDR, 2017).
        layerwise_decay: the factor by which the rate falls from stage to stage towards the
            input, see `optimizers.layerwise_decay`; None for one rate.
        warmup: the share of the steps in which the rate rises from zero. Defaults to 0.1.
        weight_decay: AdamW's decoupled weight decay. Defaults to 0.01.
        views: on cached features, how many draws of a random augmentation are kept of each
            picture. Defaults to None, which is 4.
        augmented: whether the pictures are changed at random, where the data set is. Defaults
            to True. Where it is not known how pictures were before, or labels are mixed, they
            stay as they are.
        batch_size: pictures in a step. Defaults to None, as the data come.
        solver: "adamw", or "lbfgs" for the exact solution of a softmax head on a frozen
            backbone, see `solve_head`; it is one epoch, and has no learning rate. (The name is
            that of an earlier method, and of saved plans.)
        name: what the phase is called in tables.
    """

    freeze_policy: FreezePolicy
    epochs: int
    learning_rate: float
    layerwise_decay: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    views: int | None = None
    augmented: bool = True
    batch_size: int | None = None
    solver: str = "adamw"
    name: str = "phase"

    def __post_init__(self):
        if not isinstance(self.freeze_policy, FreezePolicy):
            raise ValueError(
                "`freeze_policy` must be a freeze policy. "
                f"Received: freeze_policy={self.freeze_policy!r}"
            )
        if not isinstance(self.epochs, int) or self.epochs < 1:
            raise ValueError(f"`epochs` must be a positive integer. Received: {self.epochs!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"`learning_rate` must be positive. Received: {self.learning_rate}"
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

        if not isinstance(self.name, str) or not isinstance(self.augmented, bool):
            raise ValueError(
                "`name` must be a string and `augmented` a bool. "
                f"Received: name={self.name!r}, augmented={self.augmented!r}"
            )

        for name in ("views", "batch_size"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(
                    f"`{name}` must be a positive integer or None. Received: {name}={value!r}"
                )

        if self.solver not in ("adamw", "lbfgs"):
            raise ValueError(
                f"`solver` must be 'adamw' or 'lbfgs'. Received: solver={self.solver!r}"
            )
        if self.solver == "lbfgs" and self.epochs != 1:
            raise ValueError(
                "The exact solution takes one epoch. "
                f"Received: solver='lbfgs', epochs={self.epochs}"
            )

    def to_json(self):
        """The phase as numbers, strings and dicts."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        policy = keras.saving.serialize_keras_object(self.freeze_policy)
        return {**values, "freeze_policy": policy}

    @classmethod
    def from_json(cls, values):
        """The phase that `to_json` described."""
        policy = keras.saving.deserialize_keras_object(values["freeze_policy"])
        return cls(**{**values, "freeze_policy": policy})


@dataclasses.dataclass(frozen=True)
class Plan:
    """Phases, and the reasons for them in plain sentences.

    Attributes:
        phases: a tuple of `Phase`, run in order.
        reasons: a tuple of sentences.
        from_scratch: whether the backbone starts from random weights instead of those that it
            has, with a momentum of BatchNormalization of at most 0.9. Defaults to False.
    """

    phases: tuple
    reasons: tuple = ()
    from_scratch: bool = False

    def __post_init__(self):
        object.__setattr__(self, "phases", tuple(self.phases))
        object.__setattr__(self, "reasons", tuple(self.reasons))
        if not self.phases or not all(isinstance(phase, Phase) for phase in self.phases):
            raise ValueError(
                f"`phases` must be `Phase`s, at least one. Received: phases={self.phases!r}"
            )
        if not all(isinstance(reason, str) for reason in self.reasons):
            raise ValueError(f"`reasons` must be strings. Received: reasons={self.reasons!r}")
        if not isinstance(self.from_scratch, bool):
            raise ValueError(
                f"`from_scratch` must be a bool. Received: from_scratch={self.from_scratch!r}"
            )

    @property
    def epochs(self):
        """The number of epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def with_exact_head(self):
        """The plan with an exact head in place of one that is trained first, see `solve_head`.

        Features from the middle of a network are small and uneven, and in the steps of a plan
        AdamW gets half of the way: on one data set 59% where the solution has 80%.
        """
        first, *rest = self.phases
        if not isinstance(first.freeze_policy, FreezeAll) or self.from_scratch:
            return self
        head = dataclasses.replace(
            first, solver="lbfgs", epochs=1, views=1, augmented=False, name="exact head"
        )
        reason = "The backbone is cut: its features are not made for a head, which is solved."
        return dataclasses.replace(self, phases=[head, *rest], reasons=[*self.reasons, reason])

    def without_exact_solution(self):
        """The plan with ten epochs of AdamW in place of an exact head, which needs a cache."""
        phases = [
            dataclasses.replace(phase, solver="adamw", epochs=10)
            if phase.solver == "lbfgs"
            else phase
            for phase in self.phases
        ]
        return dataclasses.replace(self, phases=phases)

    def to_json(self):
        """The plan as numbers, strings, lists and dicts."""
        return {
            "phases": [phase.to_json() for phase in self.phases],
            "reasons": list(self.reasons),
            "from_scratch": self.from_scratch,
        }

    @classmethod
    def from_json(cls, values):
        """The plan that `to_json` described."""
        phases = [Phase.from_json(phase) for phase in values["phases"]]
        return cls(phases, values["reasons"], values.get("from_scratch", False))
