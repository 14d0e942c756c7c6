import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import serving
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import (
    TransferModel,
    add_lora,
    load_delta,
    merge_lora,
    save_delta,
)
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
LABELS = np.arange(8) % 3


def new_model(policy=None):
    keras.utils.set_random_seed(0)
    return TransferModel(residual_backbone(), SoftmaxHead(3), policy or UnfreezeLast(1))


def trained_model(policy=None, rank=2, **arguments):
    model = new_model(policy)
    add_lora(model, rank, **arguments)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained():
    return trained_model(UnfreezeLast(1, batch_norm="affine"))


@pytest.fixture
def delta(trained, tmp_path):
    save_delta(trained, tmp_path / "delta.npz")
    return tmp_path / "delta.npz"


def predictions(model):
    return model.predict(IMAGES, verbose=0)


def changed(path, **arrays):
    with np.load(path) as found:
        kept = {name: found[name] for name in found.files if arrays.get(name, 0) is not None}
    np.savez(path, **{**kept, **{n: a for n, a in arrays.items() if a is not None}})


def test_updates_train_in_place_of_the_kernels():
    model = new_model(UnfreezeLast(1))
    before = predictions(model)
    # A kernel of (3, 3, 4, 8): 288 weights; its update of rank 2: 72 + 16.
    assert add_lora(model, 2).patterns[0] == ["down2|conv_2", "trainable"]
    np.testing.assert_array_equal(predictions(model), before)
    trained = {v.path for v in model.backbone.trainable_variables}
    assert trained == {
        f"{layer}/{name}"
        for layer in ("down2", "conv_2")
        for name in ("bias", "lora_kernel_a", "lora_kernel_b")
    }
    for policy in (FreezeAll(), FreezeNone(), UnfreezeLast(2)):
        model.freeze_policy = policy
        trained = {v.path for v in model.backbone.trainable_variables}
        assert not {"down2/kernel", "conv_2/kernel"} & trained


def test_scales_and_offsets_train_beside_the_updates_if_the_policy_says_so():
    model = new_model(UnfreezeLast(1, batch_norm="affine"))
    policy = add_lora(model, 2)
    assert policy == model.freeze_policy and policy.batch_norm == "affine"
    trained = {v.path for v in model.backbone.trainable_variables}
    assert {"bn2/gamma", "bn2/beta", "conv_2/lora_kernel_a"} <= trained
    assert "down1/kernel" not in trained


def test_every_layer_type_with_lora_keeps_its_base_frozen():
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(300, 64, name="words")(tokens)
    x = keras.layers.Conv1D(64, 3, name="conv")(x)
    x = keras.layers.MultiHeadAttention(2, 32, name="attention")(x, x)
    x = keras.layers.EinsumDense("abc,cd->abd", (None, 64), name="einsum")(x)
    x = keras.layers.Dense(64, name="dense")(x)
    model = TransferModel(keras.Model(tokens, x), SoftmaxHead(3), FreezeNone())
    assert add_lora(model, 2).patterns[0][0] == "words|conv|attention|einsum|dense"
    model.freeze_policy = FreezeAll()
    model.freeze_policy = FreezeNone()
    bases = {"kernel", "embeddings"}
    trained = {v.name for v in model.backbone.trainable_variables}
    assert not bases & trained
    assert {"lora_kernel_a", "lora_embeddings_b"} <= trained
    assert trained == {v.name for v in model.copy().backbone.trainable_variables}
    plain = model.to_plain()
    assert not bases & {v.name for v in plain.trainable_variables if "output" not in v.path}


def test_merged_model_and_its_export_equal_the_trained_one(trained, tmp_path):
    merged = merge_lora(trained)
    assert not any("lora" in variable.path for variable in merged.variables)
    np.testing.assert_allclose(predictions(merged), predictions(trained), atol=1e-6)
    assert merged.freeze_policy == trained.freeze_policy
    exported = tf.saved_model.load(serving.export(merged, tmp_path / "serving"))
    found = exported.signatures["serving_default"]
    pixels = tf.stack([tf.io.encode_png(image) for image in IMAGES.astype("uint8")])
    (name,) = found.structured_input_signature[1]
    values = found(**{name: pixels})["probabilities"]
    expected = trained.predict(IMAGES.astype("uint8"), verbose=0)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_merged_model_trains_its_kernels(trained):
    merged = merge_lora(trained)
    trained_now = {v.path for v in merged.backbone.trainable_variables}
    assert {"down2/kernel", "conv_2/kernel", "bn2/gamma"} <= trained_now


def test_delta_makes_the_trained_model_of_a_new_one(trained, delta):
    model = new_model(UnfreezeLast(1, batch_norm="affine"))
    assert not np.allclose(predictions(model), predictions(trained))
    load_delta(model, delta)
    np.testing.assert_array_equal(predictions(model), predictions(trained))
    assert not any(v.path.endswith("2/kernel") for v in model.trainable_variables)
    load_delta(model, delta)  # again, into the same updates


def test_delta_has_moving_statistics_that_train(tmp_path):
    model = trained_model(UnfreezeLast(1, batch_norm="trainable"))
    save_delta(model, tmp_path / "delta.npz")
    loaded = new_model()
    load_delta(loaded, tmp_path / "delta.npz")
    np.testing.assert_array_equal(predictions(loaded), predictions(model))


def test_delta_has_updates_of_an_earlier_phase(tmp_path):
    model = trained_model(FreezeNone())
    model.freeze_policy = FreezeAll()
    # The biases belong to that phase; the file says what it lacks.
    for name in ("conv1", "down1", "conv_1", "down2", "conv_2"):
        model.get_layer(name).bias.assign(np.zeros(model.get_layer(name).bias.shape))
    save_delta(model, tmp_path / "delta.npz")
    loaded = new_model()
    load_delta(loaded, tmp_path / "delta.npz")
    np.testing.assert_array_equal(predictions(loaded), predictions(model))


def test_delta_of_another_start_is_refused_and_changes_nothing(delta):
    model = new_model()
    model.get_layer("conv1").kernel.assign_add(np.full((3, 3, 3, 4), 1e-3))
    before = predictions(model)
    with pytest.raises(ValueError, match="no delta of this model: its training started from"):
        load_delta(model, delta)
    np.testing.assert_array_equal(predictions(model), before)
    assert not any("lora" in variable.path for variable in model.variables)


def test_delta_of_another_head_is_refused(delta):
    model = TransferModel(residual_backbone(), SoftmaxHead(4))
    with pytest.raises(ValueError, match="no delta of this model"):
        load_delta(model, delta)


def test_delta_of_another_rank_is_refused(delta):
    model = new_model()
    add_lora(model, 1, ["conv_2"])
    with pytest.raises(ValueError, match="another rank, 2, or alpha"):
        load_delta(model, delta)


@pytest.mark.parametrize(
    "damage",
    [
        lambda name, array: {name: np.full_like(array, np.nan)},
        lambda name, array: {name: array[..., :1]},
        lambda name, array: {name: array.astype("int32")},
        lambda name, array: {name: None},
        lambda name, array: {"base": None},
        lambda name, array: {"999/kernel": array},
        lambda name, array: {name.replace("_a", "_b"): array},
        lambda name, array: {f"alpha/{name.split('/')[0]}": np.float32(np.inf)},
        lambda name, array: {f"alpha/{name.split('/')[0]}": np.ones(3, "float32")},
    ],
)
def test_a_damaged_delta_is_refused_and_changes_nothing(delta, damage):
    with np.load(delta) as found:
        name = next(name for name in found.files if "lora_kernel_a" in name)
        array = found[name]
    changed(delta, **damage(name, array))
    model = new_model()
    before = predictions(model)
    with pytest.raises(ValueError, match="no delta of this model"):
        load_delta(model, delta)
    np.testing.assert_array_equal(predictions(model), before)


def test_a_delta_is_no_pickle(tmp_path):
    np.savez(tmp_path / "delta.npz", base=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="no delta of this model"):
        load_delta(new_model(), tmp_path / "delta.npz")
    (tmp_path / "delta.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="no delta of this model"):
        load_delta(new_model(), tmp_path / "delta.npz")


@pytest.mark.parametrize(
    ("rank", "patterns", "message"),
    [
        (0, None, "`rank` must be a positive integer"),
        (2, ["conv"], "Each pattern must match the full name"),
        (2, ["bn1"], "Each pattern must match the full name"),
        (500, None, "No layer can get the update.*rank=500"),
    ],
)
def test_wrong_arguments_are_refused(rank, patterns, message):
    with pytest.raises(ValueError, match=message):
        add_lora(new_model(), rank, patterns)


def test_a_frozen_backbone_needs_patterns_or_a_policy():
    with pytest.raises(ValueError, match=r"Assign `model.freeze_policy = UnfreezeLast\(1\)`"):
        add_lora(new_model(FreezeAll()), 2)


def test_a_second_update_is_refused():
    model = new_model()
    add_lora(model, 2, ["conv_2"])
    with pytest.raises(ValueError, match="there already"):
        add_lora(model, 2, ["conv_2"])


class KilledError(Exception):
    pass


class KillAfter(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise KilledError


def tuned(cache, directory=None, callbacks=()):
    model = new_model(UnfreezeLast(1, batch_norm="affine"))
    policy = add_lora(model, 2)
    plan = Plan([Phase(FreezeAll(), 1, 1e-2), Phase(policy, 3, 1e-2)])
    fine_tune(
        model, (IMAGES, LABELS), plan=plan, cache=cache, directory=directory,
        callbacks=callbacks, verbose=2,
    )  # fmt: skip
    return model


@pytest.mark.slow
@pytest.mark.parametrize("is_cached", [True, False])
def test_updates_train_in_fine_tune_and_resume(is_cached, tmp_path):
    cache = FeatureCache(tmp_path / "cache", engine="tensorflow") if is_cached else False
    expected = tuned(cache, tmp_path / "whole")
    start = new_model()
    for name in ("down2", "conv_2"):
        layer = expected.get_layer(name)
        np.testing.assert_array_equal(layer._kernel, start.get_layer(name).kernel)
        assert np.any(layer.lora_kernel_b)
    with pytest.raises(KilledError):
        tuned(cache, tmp_path / "killed", [KillAfter(2)])
    resumed = tuned(cache, tmp_path / "killed")
    np.testing.assert_allclose(predictions(resumed), predictions(expected), atol=1e-5)
