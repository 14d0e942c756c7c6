import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.freezing import FreezeAll, FreezeNone, FreezeUpTo, UnfreezeLast
from keras_transfer.heads import DenseHead, SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel, build
from keras_transfer.optimizers import LearningRateMultiplier, layerwise_decay
from tests.networks import mobilenet, residual_backbone, residual_network

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
LABELS = np.arange(8) % 3


def small_model(policy=None, **arguments):
    return TransferModel(residual_backbone(**arguments), SoftmaxHead(3), policy)


def compiled(policy=None, optimizer="adam", **arguments):
    model = small_model(policy, **arguments)
    model.compile(optimizer)
    return model


def fit(model, epochs=1, images=IMAGES, **arguments):
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(images, LABELS, epochs=epochs, **arguments)


def changed_layers(model, action):
    before = {
        v.path: v.numpy() for v in model.trainable_variables + model.non_trainable_variables
    }
    action()
    after = {
        v.path: v.numpy() for v in model.trainable_variables + model.non_trainable_variables
    }
    return {p.split("/")[0] for p in before if not np.array_equal(before[p], after[p])}


def test_graph_is_flat_and_every_layer_is_reached():
    model = small_model()
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    for layer in model.layers[1:]:
        part = keras.Model(model.input, model.get_layer(layer.name).output)
        assert part(IMAGES).shape[0] == 8


@pytest.mark.parametrize(
    "backbone", [residual_backbone, residual_network], ids=["Backbone", "keras.Model"]
)
def test_backbone_is_a_backbone_or_any_functional_model(backbone):
    assert TransferModel(backbone(), SoftmaxHead(3)).output_shape == (None, 3)


def test_backbone_by_name_takes_imagenet_weights(monkeypatch):
    asked = {}

    def application(**arguments):
        asked.update(arguments)
        return residual_network(size=224)

    monkeypatch.setattr(keras.applications, "ResNet50", application)
    model = TransferModel("ResNet50", SoftmaxHead(3))
    assert model.output_shape == (None, 3)
    assert asked["weights"] == "imagenet"


def test_compile_without_arguments_is_right_for_the_head():
    model = small_model()
    model.compile()
    history = fit(model, epochs=2)
    assert set(history.history) == {"accuracy", "loss"}


def test_own_loss_and_metrics_win():
    model = small_model()
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"]
    )
    assert set(fit(model).history) == {"loss", "sparse_top_k_categorical_accuracy"}
    model = small_model()
    model.compile(loss="sparse_categorical_crossentropy")
    assert set(fit(model).history) == {"loss"}


def test_one_hot_labels_need_no_other_compile():
    model = compiled()
    model.fit(IMAGES, np.eye(3, dtype="float32")[LABELS], verbose=0)
    sparse, one_hot = (
        model.evaluate(IMAGES, labels, verbose=0, return_dict=True)
        for labels in (LABELS, np.eye(3, dtype="float32")[LABELS])
    )
    assert sparse["accuracy"] == one_hot["accuracy"]
    np.testing.assert_allclose(sparse["loss"], one_hot["loss"], rtol=1e-6)


def test_several_heads_have_a_loss_weight_each():
    heads = {
        "kind": SoftmaxHead(3),
        "marks": SigmoidHead(2, loss_weight=0.5),
        "age": DenseHead(1, loss_weight=0.1, pooling="max"),
    }
    model = TransferModel(residual_backbone(), heads)
    model.compile()
    labels = {"kind": LABELS, "marks": np.ones((8, 2)), "age": np.zeros((8, 1))}
    logs = model.evaluate(IMAGES, labels, verbose=0, return_dict=True)
    total = logs["kind_loss"] + 0.5 * logs["marks_loss"] + 0.1 * logs["age_loss"]
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    assert {"kind_accuracy", "marks_auc", "age_mean_absolute_error"} <= set(logs)
    assert {name: value.shape for name, value in model.predict(IMAGES, verbose=0).items()} == {
        "kind": (8, 3), "marks": (8, 2), "age": (8, 1)
    }  # fmt: skip


def test_frozen_backbone_does_not_change_in_fit():
    model = compiled(dropout=0.5)
    assert changed_layers(model, lambda: fit(model)) == {"head_output"}


@pytest.mark.parametrize("jit_compile", [False, True])
def test_policy_assigned_after_compile_takes_effect_in_fit(jit_compile):
    model = small_model()
    model.compile("adam", jit_compile=jit_compile)
    fit(model)
    model.freeze_policy = UnfreezeLast(1)
    assert changed_layers(model, lambda: fit(model)) == {"head_output", "down2", "conv_2"}
    model.freeze_policy = FreezeAll()
    assert changed_layers(model, lambda: fit(model)) == {"head_output"}


def test_trainable_touched_by_hand_takes_effect_in_fit():
    model = compiled()
    fit(model)
    model.get_layer("conv1").trainable = True
    assert changed_layers(model, lambda: fit(model)) == {"head_output", "conv1"}


def test_keras_itself_ignores_what_the_model_follows():
    # Why the model looks at each step: a plain model goes on training the old set.
    transfer = small_model(FreezeNone())
    plain = keras.Model(transfer.input, transfer.output)
    plain.compile("adam", "sparse_categorical_crossentropy")
    fit(plain)
    plain.get_layer("conv1").trainable = False
    assert "conv1" in changed_layers(plain, lambda: fit(plain))


class At(keras.callbacks.Callback):
    """Does something before one batch."""

    def __init__(self, batch, action):
        super().__init__()
        self.batch, self.action = batch, action

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            self.action(self.model)


def test_policy_assigned_in_a_callback_takes_effect_in_the_next_step():
    model = compiled()

    def unfreeze(model):
        model.freeze_policy = UnfreezeLast(1)

    changed = changed_layers(model, lambda: fit(model, callbacks=[At(1, unfreeze)]))
    assert changed == {"head_output", "down2", "conv_2"}
    assert model.optimizer.iterations.numpy() == 2


def test_train_on_batch_follows_too():
    model = compiled()
    model.train_on_batch(IMAGES, LABELS)
    model.freeze_policy = FreezeNone()
    changed = changed_layers(model, lambda: model.train_on_batch(IMAGES, LABELS))
    assert changed == {"head_output", "conv1", "down1", "conv_1", "down2", "conv_2"}


def test_optimizer_state_goes_on_for_what_was_trained_before():
    model = compiled(optimizer=keras.optimizers.Adam(0.01))
    fit(model, epochs=3)
    kernel = model.get_layer("head_output").kernel
    index = [v.path for v in model.optimizer._trainable_variables].index(kernel.path)
    momentum = model.optimizer._momentums[index].numpy()
    model.freeze_policy = FreezeNone()
    index = [v.path for v in model.optimizer._trainable_variables].index(kernel.path)
    np.testing.assert_array_equal(model.optimizer._momentums[index], momentum)
    assert model.optimizer.iterations.numpy() == 6
    assert abs(momentum).max() > 0


def test_recompiling_with_a_used_optimizer_goes_on():
    # Keras raises "Unknown variable" here.
    model = compiled()
    fit(model)
    UnfreezeLast(1).apply(model.backbone)
    model.compile(model.optimizer)
    assert changed_layers(model, lambda: fit(model)) == {"head_output", "down2", "conv_2"}
    assert model.optimizer.iterations.numpy() == 4


OPTIMIZERS = {
    "adam": lambda model: keras.optimizers.Adam(0.01),
    "wrapped": lambda model: LearningRateMultiplier(
        keras.optimizers.AdamW(0.01), layerwise_decay(model, 0.5)
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_reloaded_model_is_equal_and_trains_on_alike(optimizer, precision, tmp_path):
    keras.config.set_dtype_policy(precision)
    model = small_model(UnfreezeLast(1))
    model.compile(OPTIMIZERS[optimizer](model))
    fit(model, epochs=2)
    model.freeze_policy = UnfreezeLast(2)
    model.get_layer("conv_2").trainable = False
    fit(model)
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        model.predict(IMAGES, verbose=0), reloaded.predict(IMAGES, verbose=0)
    )
    assert reloaded.freeze_policy == model.freeze_policy
    assert reloaded.heads == model.heads
    assert reloaded.backbone.stages == model.backbone.stages
    assert reloaded.trainable_variables[0].path == model.trainable_variables[0].path
    assert not reloaded.get_layer("conv_2").trainable
    histories = [fit(m, epochs=2).history for m in (model, reloaded)]
    assert histories[0] == histories[1]
    for left, right in zip(model.weights, reloaded.weights, strict=True):
        np.testing.assert_array_equal(left, right)


def test_several_heads_are_saved_and_reloaded(tmp_path):
    model = TransferModel(residual_backbone(), {"b": SoftmaxHead(3), "a": SigmoidHead(2)})
    model.compile()
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    one, two = model.predict(IMAGES, verbose=0), reloaded.predict(IMAGES, verbose=0)
    for name in ("a", "b"):
        np.testing.assert_array_equal(one[name], two[name])


def test_uncompiled_model_is_saved_and_reloaded(tmp_path):
    model = small_model()
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    assert not reloaded.compiled
    np.testing.assert_array_equal(model(IMAGES), reloaded(IMAGES))


def test_clone_is_a_plain_functional_model_that_computes_alike():
    model = compiled()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(IMAGES), model(IMAGES))


def test_weights_are_saved_alone(tmp_path):
    model, other = small_model(), small_model()
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))


@pytest.mark.parametrize("compile_step", [True, False], ids=["tf.function", "eager"])
def test_trains_in_a_loop_of_its_own(compile_step):
    model = small_model()
    optimizer = keras.optimizers.SGD(1e-4)

    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = model.heads.loss()(labels, model(images, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    step = tf.function(step) if compile_step else step
    losses = [float(step(IMAGES, LABELS)) for _ in range(5)]
    assert losses[-1] < losses[0]


def test_own_loop_gets_an_optimizer_in_step():
    model = compiled()
    fit(model)
    UnfreezeLast(1).apply(model.backbone)
    model.follow_trainable_set()
    variables = model.trainable_variables
    gradients = [tf.ones_like(variable) for variable in variables]
    model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    assert model.optimizer.iterations.numpy() == 3


def test_is_a_layer_of_a_larger_model():
    model = small_model(UnfreezeLast(1), dropout=0.5)
    inputs = keras.Input((16, 16, 3))
    larger = keras.Model(inputs, keras.layers.Dense(2)(model(inputs)))
    larger.compile("adam", "mse")
    trained = changed_layers(model, lambda: larger.fit(IMAGES, np.zeros((8, 2)), verbose=0))
    assert {name for name in trained if "seed" not in name} == {
        "head_output",
        "down2",
        "conv_2",
    }


@pytest.mark.parametrize(
    ("policy", "boundary"),
    [
        (FreezeAll(), "head_pooling"),
        (UnfreezeLast(1), "add1"),
        (FreezeUpTo("conv1"), "conv1"),
        (FreezeNone(), "preprocessing"),
    ],
    ids=repr,
)
def test_stem_is_the_frozen_prefix_and_tail_all_that_follows(policy, boundary):
    model = small_model(policy)
    assert model.frozen_boundary == boundary
    stem, tail = model.stem(), model.tail()
    np.testing.assert_array_equal(tail(stem(IMAGES)), model(IMAGES))
    assert not stem.trainable_variables
    assert {id(v) for v in tail.trainable_variables} == {
        id(v) for v in model.trainable_variables
    }


def test_stem_ends_before_dropout_that_is_on():
    model = TransferModel(residual_backbone(), SoftmaxHead(3, pooling="none", dropout=0.5))
    assert model.frozen_boundary == "add2"


def test_stem_of_several_heads_ends_at_the_backbone():
    model = TransferModel(residual_backbone(), {"a": SoftmaxHead(3), "b": SoftmaxHead(2)})
    assert model.frozen_boundary == "add2"
    for name, value in model.tail()(model.stem()(IMAGES)).items():
        np.testing.assert_array_equal(value, model(IMAGES)[name])


def test_build_says_it_all_in_one_call():
    model = build(
        residual_backbone(),
        heads=SoftmaxHead(3),
        freeze_policy=UnfreezeLast(2),
        optimizer="sgd",
        learning_rate=0.25,
        layerwise_decay=0.5,
        strategy="auto",
    )
    rates = {v.path: model.optimizer.multiplier_for(v) for v in model.trainable_variables}
    # One half for the last stage, a quarter for the one before.
    assert rates["head_output/kernel"] == 1.0
    assert rates["conv_2/kernel"] == 0.5
    assert rates["conv_1/kernel"] == 0.25
    assert model.optimizer.learning_rate == 0.25
    assert set(fit(model).history) == {"accuracy", "loss"}


def test_build_takes_an_optimizer_and_a_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model = build(residual_backbone(), SoftmaxHead(3), learning_rate=schedule)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    np.testing.assert_allclose(model.optimizer.learning_rate, 0.1)
    own = keras.optimizers.SGD(0.5)
    assert build(residual_backbone(), SoftmaxHead(3), optimizer=own).optimizer is own


def test_layerwise_rates_reach_stages_that_are_unfrozen_later():
    model = build(residual_backbone(), SoftmaxHead(3), layerwise_decay=0.5)
    fit(model)
    model.freeze_policy = FreezeNone()
    fit(model)
    kernel = model.get_layer("conv1").kernel
    assert model.optimizer.multiplier_for(kernel) == 0.125  # the third stage from the head


def test_pattern_that_fits_no_layer_raises_in_compile():
    model = small_model()
    optimizer = LearningRateMultiplier("adam", {"conv9/.*": 0.1, ".*": 1.0})
    with pytest.raises(ValueError, match="conv9"):
        model.compile(optimizer)


def test_stage_summary_has_a_line_a_stage():
    model = TransferModel(
        residual_backbone(), {"kind": SoftmaxHead(3), "mark": SigmoidHead(1)}, UnfreezeLast(2)
    )
    model.compile(LearningRateMultiplier("adam", layerwise_decay(model, 0.5)))
    printed = []
    model.stage_summary(print_fn=printed.append)
    lines = printed[0].splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        "stage1", "stage2", "stage3", "kind", "mark"
    ]  # fmt: skip
    assert "frozen" in lines[2]
    # Two convolutions of 4 and 8 features: 4*4*9+4 + 4*4*9+4 = 296; BatchNormalization has 16.
    assert "312" in lines[3] and "296" in lines[3] and "0.25" in lines[3]
    assert "4 x 4 x 8" in lines[4]


def test_summary_of_an_application_is_right_before_compile():
    model = TransferModel(mobilenet(), SoftmaxHead(3))
    printed = []
    model.stage_summary(print_fn=printed.append)
    assert printed[0].count("frozen") == len(model.backbone.stages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": 3, "heads": SoftmaxHead(3)}, "a name, a `Backbone` or a functional"),
        ({"backbone": "ResNet", "heads": SoftmaxHead(3)}, "Did you mean"),
        ({"heads": keras.layers.Dense(3)}, "`heads` must be a head"),
        ({"heads": {}}, "`heads` must be a head"),
        ({"heads": {"a": 3}}, "`heads` must be a head"),
        ({"heads": SoftmaxHead(3), "freeze_policy": "all"}, "must be a freeze policy"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransferModel(**{"backbone": residual_network(), **arguments})


def test_wrong_policy_is_told_when_assigned():
    with pytest.raises(ValueError, match="must be a freeze policy"):
        small_model().freeze_policy = "all"


def test_uint8_batches_train():
    model = compiled()
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES.astype("uint8"), LABELS)).batch(4)
    assert np.isfinite(model.fit(dataset, verbose=0).history["loss"][0])


def test_truncated_model_ends_at_the_boundary_and_computes_the_same(tmp_path):
    backbone = residual_backbone()
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    boundary = backbone.stages[-2].boundary
    expected = keras.Model(backbone.input, graph.boundary_tensor(backbone, boundary))(images)
    model = TransferModel(backbone, SoftmaxHead(3), truncate_at=boundary)
    assert model.backbone.stages[-1].boundary == boundary
    assert model.count_params() < TransferModel(backbone.copy(), SoftmaxHead(3)).count_params()
    np.testing.assert_array_equal(model.backbone(images), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.backbone.stages[-1].boundary == boundary


@pytest.mark.parametrize(
    ("boundary", "told"), [("relu1", "Nearest boundaries"), ("rescale", "no layer")]
)
def test_model_is_truncated_at_boundaries_only(boundary, told):
    with pytest.raises(ValueError, match=told):
        TransferModel(residual_backbone(), SoftmaxHead(3), truncate_at=boundary)


def test_model_is_not_truncated_before_its_first_weights():
    backbone = residual_backbone("tf")
    with pytest.raises(ValueError, match="nothing to transfer"):
        TransferModel(backbone, SoftmaxHead(3), truncate_at="preprocessing")


def test_copy_is_equal_and_has_layers_of_its_own():
    model = TransferModel(residual_backbone(), SoftmaxHead(2), UnfreezeLast(1))
    copy = model.copy()
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    np.testing.assert_array_equal(copy.predict(images, verbose=0), expected)
    assert [v.path for v in copy.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    for variable in copy.variables:
        variable.assign(0 * variable)
    np.testing.assert_array_equal(model.predict(images, verbose=0), expected)


def test_more_classes_keep_the_outputs_of_those_that_were_there():
    old = TransferModel(residual_backbone(), SoftmaxHead(2, hidden_units=(4,)))
    old.class_names = ["ants", "bees"]
    new = old.with_classes(["bees", "flies", "ants"])
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    before, after = old.predict(images, verbose=0), new.predict(images, verbose=0)
    # The odds of two classes do not depend on a third one.
    np.testing.assert_allclose(
        after[:, 2] / after[:, 0], before[:, 0] / before[:, 1], rtol=1e-4
    )
    assert new.class_names == ("bees", "flies", "ants")
    assert new.freeze_policy == old.freeze_policy
    new.compile()
    new.fit(images, np.arange(3), verbose=0)
    np.testing.assert_array_equal(old.predict(images, verbose=0), before)


@pytest.mark.parametrize(
    ("head", "names", "new", "told"),
    [
        (SoftmaxHead(2), None, ["a", "b"], "names of its classes"),
        (SigmoidHead(2), ["a", "b"], ["a", "b"], "needs one `SoftmaxHead`"),
        (SoftmaxHead(2), ["a", "b"], ["a", "b", "a"], "must be different"),
    ],
)
def test_more_classes_need_names(head, names, new, told):
    model = TransferModel(residual_backbone(), head)
    model.class_names = names
    with pytest.raises(ValueError, match=told):
        model.with_classes(new)
