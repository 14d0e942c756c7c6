"""What the user compiled is what `fine_tune` trains with, or the plan says otherwise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import freezing, heads, models, optimizers, plans, training
from keras_transfer.plans.chooser import DECAY_REASON
from keras_transfer.training import fine_tuning, staged_training
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3
PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)])


def built(**arguments):
    return models.build(residual_backbone(), heads.SoftmaxHead(3), **arguments)


def tuned(model, plan=PLAN):
    history = training.fine_tune(model, (IMAGES, LABELS), plan=plan, cache=False, verbose=0)
    return model.optimizer, history.plan


def test_compiled_optimizer_keeps_its_class_and_settings():
    optimizer = keras.optimizers.SGD(0.1, momentum=0.8, clipnorm=1.0)
    found, _ = tuned(built(optimizer=optimizer))
    assert type(found) is keras.optimizers.SGD
    assert (found.momentum, found.clipnorm) == (0.8, 1.0)


def test_default_optimizer_has_the_weight_decay_of_the_plan():
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    for compile_first in (False, True):
        if compile_first:
            model.compile()
        found, _ = tuned(model)
        assert type(found) is keras.optimizers.AdamW
        assert found.weight_decay == PLAN.phases[0].weight_decay


def test_explicit_plan_sets_the_learning_rate():
    assert tuned(built(learning_rate=0.5))[1].phases[0].learning_rate == 1e-2


def test_chosen_plan_follows_the_compiled_learning_rate_and_says_so():
    (phase,) = tuned(built(learning_rate=0.5), plan=None)[1].phases
    (default,) = tuned(built(), plan=None)[1].phases
    # 0.5 in place of AdamW's 1e-3.
    assert phase.learning_rate == pytest.approx(500 * default.learning_rate)
    reasons = tuned(built(learning_rate=0.5), plan=None)[1].reasons
    assert "the compiled AdamW" in reasons[-1]
    assert "learning rate of 0.5" in reasons[-1]


def test_compiled_multipliers_stay():
    model = built(learning_rate=1e-3, layerwise_decay=0.5)
    expected = model.optimizer.multipliers
    found, _ = tuned(model, plan=None)
    assert isinstance(found, optimizers.LearningRateMultiplier)
    assert found.multipliers == expected


def test_reasons_leave_out_the_decay_that_compiled_multipliers_replace():
    plan = plans.choose_plan(num_images=1000, num_classes=3)
    assert DECAY_REASON in plan.reasons
    found = fine_tuning._for_optimizer(plan, built(layerwise_decay=0.5).optimizer)
    assert DECAY_REASON not in found.reasons
    assert DECAY_REASON in fine_tuning._for_optimizer(plan, built().own_optimizer).reasons


def test_a_second_training_uses_the_compiled_optimizer_too():
    model = built(optimizer=keras.optimizers.SGD(0.1))
    tuned(model)
    assert type(tuned(model)[0]) is keras.optimizers.SGD


def test_reloaded_model_with_the_default_optimizer_has_no_own_one(tmp_path):
    model = built()
    tuned(model)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.own_optimizer is None
    assert tuned(reloaded)[0].weight_decay == PLAN.phases[0].weight_decay


def test_unregistered_loss_and_metric_are_kept_as_objects():
    calls = []

    class Unregistered(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="share")
            self.share = self.add_variable((), "zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.share.assign(keras.ops.mean(y_pred))

        def result(self):
            return self.share

    def loss(y_true, y_pred):
        calls.append(1)
        return -keras.ops.mean(y_pred, axis=-1)

    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    model.compile(loss=loss, metrics=[Unregistered(), lambda y_true, y_pred: y_pred[:, 0]])
    history = training.fine_tune(
        model, (IMAGES, LABELS), plan=PLAN, cache=False, verbose=0
    ).history
    assert calls
    # The mean of three probabilities is a third, and so is minus the loss.
    assert history["share"] == pytest.approx([1 / 3], abs=1e-5)
    assert history["loss"] == pytest.approx([-1 / 3], abs=1e-5)


@pytest.mark.parametrize(
    ("enough_steps", "compiled", "expected"),
    [(5000, {}, False), (1, {}, True), (5000, {"jit_compile": True}, True)],
    ids=["too few steps", "enough steps", "as the user says"],
)
def test_xla_compiles_phases_where_it_pays(monkeypatch, enough_steps, compiled, expected):
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)  # a GPU
    monkeypatch.setattr(staged_training, "_XLA_PAYS_FROM", enough_steps)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    model.compile(**compiled)
    tuned(model)
    assert model.jit_compile is expected


@pytest.mark.parametrize(
    ("compiled", "expected"),
    [({}, 1), ({"jit_compile": True}, 3), ({"jit_compile": False}, 0)],
    ids=["the training", "all, as the user says", "nothing, as the user says"],
)
def test_xla_compiles_predictions_only_if_asked(monkeypatch, compiled, expected):
    number = 0

    def counting(function=None, jit_compile=None, **arguments):
        nonlocal number
        is_step = getattr(function, "__name__", None) == "one_step_on_data"
        number += bool(jit_compile and is_step)
        return make(function, **arguments)

    make = tf.function
    monkeypatch.setattr(tf, "function", counting)
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)  # a GPU
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    model.predict(IMAGES, verbose=0)
    assert number == 0
    model.compile(**compiled)
    model.fit(IMAGES, LABELS, validation_data=(IMAGES, LABELS), verbose=0)
    model.predict(IMAGES, verbose=0)
    assert number == expected


def test_a_saved_model_does_not_say_where_xla_pays(tmp_path):
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    model.compile(jit_compile=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.compiled and not loaded.jit_compile  # on a CPU
