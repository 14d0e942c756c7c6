"""What happened in a training: by stage, and in seconds."""

import functools
import math
import re
import time

import keras

from keras_transfer.backbones import graph
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.explanations.stage_changes import (
    change_since,
    learned_weights,
    weights_of,
)
from keras_transfer.optimizers import layerwise_decay


class PhaseClock(keras.callbacks.Callback):
    """Records when each call of `fit` began and ended.

    Attributes:
        started: when the clock was made, by `time.monotonic()`.
        spans: `[began, ended]` of each call.
    """

    def __init__(self):
        super().__init__()
        self.started = time.monotonic()
        self.spans = []

    def on_train_begin(self, logs=None):
        now = time.monotonic()
        self.spans.append([now, now])

    def on_train_end(self, logs=None):
        self.spans[-1][1] = time.monotonic()

    def seconds(self, names, until):
        """Pairs of a name and a number of seconds.

        Args:
            names: of all phases; in a resumed training the last ones were run.
            until: when the training ended, by `time.monotonic()`.
        """
        names = list(names)[len(names) - len(self.spans) :]
        parts, before = [], self.started
        for name, (began, ended) in zip(names, self.spans, strict=True):
            parts.append((f"before {name}", began - before))
            parts.append((f"training: {name}", ended - began))
            before = ended
        return [*parts, ("rest of the training", until - before)]


class BackboneBefore:
    """The weights of a backbone; a network that has them is made only if something needs it.

    Args:
        backbone: the `Backbone`, before the training changes it.
    """

    def __init__(self, backbone):
        self._backbone = backbone
        self._weights = weights_of(backbone)

    @functools.cached_property
    def network(self):
        """A `Backbone` of its own with these weights."""
        copy = self._backbone.copy()
        for layer in copy.layers:
            graph.set_layer_weights(layer, self._weights[layer.name])
        return copy

    def change_to(self, backbone):
        """The relative change of the weights of each stage, see `weight_change`."""
        return change_since(self._weights, backbone)


def best_epoch(history):
    """The first epoch with the highest validation accuracy, from 1; None without validation.

    Without an accuracy, the one with the lowest validation loss. The weights that are kept may
    be those of another epoch: accuracies within the standard error are equal.
    """
    scores = history.get("val_accuracy") or history.get("val_mean_iou")
    scores = scores or [-loss for loss in history.get("val_loss", ())]
    scores = [-math.inf if math.isnan(score) else score for score in scores]
    return 1 + scores.index(max(scores)) if scores else None


def course_of(plan, before, model, seconds, temperature=None):
    """What the report shows about a training, as JSON values.

    Args:
        plan: the `plans.Plan` that was followed.
        before: the `BackboneBefore`.
        model: the `TransferModel` after it.
        seconds: pairs of a name and a number of seconds.
        temperature: the temperature of the calibration, or None.

    Returns:
        A dict.
    """
    return {
        "stages": list(_stages(plan, before, model)),
        "seconds": [[what, round(duration, 2)] for what, duration in seconds],
        "temperature": temperature,
    }


def _stages(plan, before, model):
    if plan.from_scratch:  # where `fine_tune` began
        before = BackboneBefore(random_twin(before.network))
    moved = before.change_to(model.backbone)
    layers = {layer.name: layer for layer in model.backbone.layers}
    trained = [set(p.freeze_policy.trainable_layers(model.backbone)) for p in plan.phases]
    for stage in model.backbone.stages:
        own = [layers[name] for name in stage.layers if name in layers and layers[name].weights]
        yield {
            "name": stage.name,
            "ends_at": stage.boundary,
            "shape": list(stage.output_shape[1:]),
            "parameters": sum(math.prod(w.shape) for layer in own for w in layer.weights),
            "trained_in": [
                {"phase": phase.name, "rate": _rate(phase, weights[0].path, model)}
                for phase, names in zip(plan.phases, trained, strict=True)
                if (weights := _learned(own, names))
            ],
            "moved": moved[stage.name],
        }


def _learned(layers, names):
    """The weights of these layers that are learned."""
    return [w for layer in layers if layer.name in names for w in learned_weights(layer)]


def _rate(phase, path, model):
    """The highest learning rate of a phase for the variable at a path."""
    if phase.layerwise_decay is None:
        return phase.learning_rate
    multipliers = layerwise_decay(model, decay=phase.layerwise_decay)
    found = (rate for pattern, rate in multipliers.items() if re.fullmatch(pattern, path))
    return phase.learning_rate * next(found)
