import json

import keras
import numpy as np
import pytest

from keras_transfer import freezing, heads, models
from keras_transfer.backbones import Backbone

hub = pytest.importorskip("keras_hub", reason="networks of KerasHub")
# The patches of a MiT have no `build`.
pytestmark = pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer")

TOKENS = {
    "image_shape": (32, 32, 3), "patch_size": 8, "num_layers": 3, "num_heads": 2,
    "hidden_dim": 16,
}  # fmt: skip
BLOCKS = {
    "layerwise_depths": [1, 2], "layerwise_num_heads": [1, 2], "layerwise_strides": [4, 2],
}  # fmt: skip
NETWORKS = {
    "ViT": (lambda: hub.models.ViTBackbone(**TOKENS, mlp_dim=32), 4),
    "DINOv2": (lambda: hub.models.DINOV2Backbone(**TOKENS, intermediate_dim=32), 4),
    "DINOv3": (lambda: hub.models.DINOV3Backbone(**TOKENS, intermediate_dim=32), 4),
    "SigLIP": (lambda: hub.models.SigLIPVisionEncoder(**TOKENS, intermediate_dim=32), 5),
    "MiT": (
        lambda: hub.models.MiTBackbone(
            **BLOCKS,
            num_layers=2,
            layerwise_sr_ratios=[2, 1],
            max_drop_path_rate=0.1,
            layerwise_patch_sizes=[7, 3],
            image_shape=(32, 32, 3),
            hidden_dims=[8, 16],
        ),
        5,
    ),
}


def images(size=32):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (2, size, size, 3)).astype("float32")


def outputs(network):
    """The first output for the images; some networks take a dict."""
    given = {network.inputs[0].name: images()}
    given = given if isinstance(network._inputs_struct, dict) else images()
    return keras.ops.convert_to_numpy(keras.tree.flatten(network(given, training=False))[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_network_keeps_its_output_and_has_its_blocks_as_stages(name, tmp_path):
    make, num_stages = NETWORKS[name]
    network = make()
    backbone = Backbone.from_model(network)
    expected = outputs(network)
    np.testing.assert_allclose(outputs(backbone), expected, rtol=1e-4, atol=1e-5)
    assert len(backbone.stages) == num_stages
    model = models.TransferModel(
        backbone, heads.SoftmaxHead(2), freeze_policy=freezing.UnfreezeLast(1)
    )
    frozen = outputs(model)
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(outputs(reloaded), frozen, rtol=1e-4, atol=1e-6)
    first = set(backbone.stages[0].layers)
    for layer in model.backbone.layers:
        if layer.name in first:
            assert not layer.trainable_weights


def test_preset_of_images_brings_its_preprocessing(tmp_path):
    network = NETWORKS["ViT"][0]()
    network.save_to_preset(tmp_path)
    converter = hub.layers.ViTImageConverter(
        image_size=(32, 32), scale=[0.1, 0.2, 0.4], offset=[-1.0, 0.0, 2.0],
        interpolation="bicubic",
    )  # fmt: skip
    converter.save_to_preset(tmp_path)
    backbone = Backbone.from_preset(tmp_path)
    expected = network(images() * [0.1, 0.2, 0.4] + [-1, 0, 2])
    np.testing.assert_allclose(outputs(backbone), expected, rtol=1e-4, atol=1e-5)
    source = backbone.source
    assert (source.size, source.interpolation) == ((32, 32), "bicubic")
    np.testing.assert_allclose(source.mean, (10, 0, -5))
    assert source.origin == backbone.application == tmp_path.name


def test_directory_of_timm_says_more_than_keras_hub_reads(tmp_path):
    network = NETWORKS["ViT"][0]()
    network.save_to_preset(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["pretrained_cfg"] = {"crop_pct": 0.9, "license": "mit", "interpolation": "lanczos"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    source = Backbone.from_preset(tmp_path).source
    assert (source.crop, source.licence, source.interpolation) == (0.9, "mit", "lanczos")
