import types

import keras
import pytest

from keras_transfer.optimizers import LearningRateMultiplier, layerwise_decay


def staged_model():
    """Three stages with weights, one without, and a head, of layers with odd names."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Normalization(name="statistics", mean=0.0, variance=1.0)(inputs)
    x = keras.layers.Conv2D(2, 3, name="stem")(x)
    x = keras.layers.BatchNormalization(name="stem.bn")(x)
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.Conv2D(2, 1, name="middle+1")(x)
    x = keras.layers.Reshape((9, 2), name="flat")(x)
    x = keras.layers.MultiHeadAttention(1, 2, name="last")(x, x)
    x = keras.layers.GlobalAveragePooling1D(name="head_pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    stage = types.SimpleNamespace
    model.backbone = stage(
        stages=(
            stage(name="stage_0", layers=("statistics", "stem", "stem.bn")),
            stage(name="stage_1", layers=("pool",)),
            stage(name="stage_2", layers=("middle+1", "flat")),
            stage(name="stage_3", layers=("last",)),
        )
    )
    return model


def test_layerwise_decay_is_one_for_the_head_and_falls_with_each_stage():
    multipliers = layerwise_decay(staged_model(), decay=0.5)
    assert list(multipliers.items()) == [
        (r"stem/.*", 0.125),  # 0.5**3
        (r"stem\.bn/.*", 0.125),
        (r"middle\+1/.*", 0.25),  # 0.5**2
        (r"last/.*", 0.5),
        (r".*", 1.0),
    ]


def test_multipliers_cover_the_model_and_are_all_used():
    model = staged_model()
    optimizer = LearningRateMultiplier("sgd", layerwise_decay(model))
    optimizer.build(model.trainable_variables)
    by_path = {v.path: optimizer.multiplier_for(v) for v in model.trainable_variables}
    assert by_path["head/kernel"] == 1.0
    assert by_path["last/query/kernel"] == layerwise_decay(model)["last/.*"]
    assert by_path["stem.bn/gamma"] < by_path["middle+1/bias"]


def test_frozen_stages_get_the_multipliers_they_will_train_with():
    model = staged_model()
    expected = layerwise_decay(model)
    for name in ("stem", "stem.bn", "middle+1"):
        model.get_layer(name).trainable = False
    # Only what is inside is frozen; the layer itself says that it is trainable.
    for layer in model.get_layer("last")._flatten_layers(include_self=False):
        layer.trainable = False
    assert layerwise_decay(model) == expected
    optimizer = LearningRateMultiplier("sgd", layerwise_decay(model))
    optimizer.check(model.variables)
    optimizer.build(model.trainable_variables)


def test_layer_shared_by_two_stages_belongs_to_the_first():
    model = staged_model()
    stage = types.SimpleNamespace
    model.backbone = stage(
        stages=(
            stage(name="a", layers=("stem", "stem.bn", "middle+1")),
            stage(name="b", layers=("stem",)),
            stage(name="c", layers=("last",)),
        )
    )
    multipliers = layerwise_decay(model, decay=0.5)
    assert multipliers["stem/.*"] == 0.25
    LearningRateMultiplier("sgd", multipliers).build(model.trainable_variables)


def test_weights_made_elsewhere_are_matched_by_their_own_path():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="made")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(inner.layers[0](inputs)))
    layer = inner.layers[0].name
    stage = types.SimpleNamespace(name="only", layers=(layer,))
    model.backbone = types.SimpleNamespace(stages=(stage,))
    assert list(layerwise_decay(model, 0.5)) == [
        f"made/{layer}/kernel",
        f"made/{layer}/bias",
        ".*",
    ]


def test_head_without_weights_gets_no_pattern():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="only")(inputs))
    stage = types.SimpleNamespace(name="only", layers=("only",))
    model.backbone = types.SimpleNamespace(stages=(stage,))
    assert layerwise_decay(model, 0.5) == {"only/.*": 0.5}


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5, float("nan")])
def test_rates_out_of_range_raise(value):
    with pytest.raises(ValueError, match=r"decay must be above 0.*Received: "):
        layerwise_decay(staged_model(), decay=value)


def test_model_without_stages_raises():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    with pytest.raises(ValueError, match=r"no `backbone.stages`.*Received: model="):
        layerwise_decay(model)
