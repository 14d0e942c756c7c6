import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads
from keras_transfer.backbones import Backbone
from keras_transfer.backbones.presets import fitting_length
from keras_transfer.models import TransferModel

hub = pytest.importorskip("keras_hub", reason="needs the extra `hub`")
safetensors = pytest.importorskip("safetensors.numpy", reason="needs the extra `hub`")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "how", "many", "who", "is", "he", "?"]
LAYERS, WIDTH = 2, 8


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A BERT as Hugging Face stores it, with random weights."""
    folder = tmp_path_factory.mktemp("bert")
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(WORDS),
        "num_hidden_layers": LAYERS, "num_attention_heads": 2, "hidden_size": WIDTH,
        "intermediate_size": 16, "hidden_dropout_prob": 0.1, "max_position_embeddings": 32,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    }  # fmt: skip
    random = np.random.default_rng(0)

    def tensor(*shape):
        return random.normal(size=shape).astype("float32")

    def dense(name, inputs, outputs):
        return {f"{name}.weight": tensor(outputs, inputs), f"{name}.bias": tensor(outputs)}

    def norm(name):
        return {f"{name}.weight": 1 + tensor(WIDTH), f"{name}.bias": tensor(WIDTH)}

    weights = {
        "embeddings.word_embeddings.weight": tensor(len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": tensor(32, WIDTH),
        "embeddings.token_type_embeddings.weight": tensor(2, WIDTH),
        **norm("embeddings.LayerNorm"),
        **dense("pooler.dense", WIDTH, WIDTH),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            weights |= dense(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        weights |= dense(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        weights |= norm(f"{layer}.attention.output.LayerNorm")
        weights |= dense(f"{layer}.intermediate.dense", WIDTH, 16)
        weights |= dense(f"{layer}.output.dense", 16, WIDTH)
        weights |= norm(f"{layer}.output.LayerNorm")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    safetensors.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def backbone(directory):
    return Backbone.from_preset(directory, sequence_length=8)


TEXTS = ["Who is he ?", "how many ?", "is he", "how many is ?"]


def test_texts_go_in_and_each_layer_is_a_stage(backbone):
    assert backbone.input_names == ("text",) and backbone.output_shape == (None, 8, WIDTH)
    assert [stage.boundary for stage in backbone.stages] == [
        "embeddings_dropout", "transformer_layer_0", "transformer_layer_1"
    ]  # fmt: skip
    model = TransferModel(backbone.copy(), heads.SoftmaxHead(2), freezing.UnfreezeLast(1))
    trained = {path.path.split("/")[0] for path in model.trainable_variables}
    assert trained == {"transformer_layer_1", "head_output"}
    assert list(model.frozen_cut) == ["transformer_layer_0", "preprocessing_0"]


def test_output_is_that_of_the_preset(directory, backbone):
    network = hub.models.Backbone.from_preset(str(directory))
    prepare = hub.models.TextClassifierPreprocessor.from_preset(
        str(directory), sequence_length=8
    )
    expected = network(prepare(TEXTS))["sequence_output"]
    np.testing.assert_array_equal(backbone(tf.constant(TEXTS)), expected)


def test_padding_twice_as_long_changes_no_output(directory, backbone):
    longer = Backbone.from_preset(directory, sequence_length=16)
    found = []
    for one in (backbone, longer):
        keras.utils.set_random_seed(0)
        model = TransferModel(one, heads.SoftmaxHead(2))
        found.append(model.predict(TEXTS, verbose=0))
    np.testing.assert_allclose(*found, atol=1e-4)


def test_model_is_trained_on_cached_states_saved_and_loaded(backbone, tmp_path):
    labels = np.array([0, 1, 0, 1])
    train = tf.data.Dataset.from_tensor_slices((np.array(TEXTS), labels)).batch(2)
    model = TransferModel(backbone.copy(), heads.SoftmaxHead(2), freezing.UnfreezeLast(1))
    model.compile(keras.optimizers.AdamW(1e-3))
    cache = features.FeatureCache(tmp_path / "cache")
    cached = cache.extract(model, train)
    expected = model.evaluate(train, verbose=0)
    assert model.evaluate(cached.as_inputs(), verbose=0) == pytest.approx(expected, rel=1e-5)
    model.fit(cached.as_inputs(), epochs=1, verbose=0)
    assert cache.extract(model, train).extraction.num_images == 0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, model.copy(), loaded.copy()):
        np.testing.assert_array_equal(
            other.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0)
        )


def test_length_is_that_of_nearly_all_texts(directory):
    assert fitting_length(directory, TEXTS) == 8
    assert fitting_length(directory, ["who is he " * 5] * 2 + TEXTS) == 24
    assert fitting_length(directory, ["who " * 1000]) == 256


def test_what_is_no_preset_is_told(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for read in (Backbone.from_preset, lambda preset: fitting_length(preset, TEXTS)):
        with pytest.raises(ValueError, match="neither a preset of KerasHub") as error:
            read(tmp_path)
        assert len(str(error.value).splitlines()) == 1
