"""A training of masks or boxes that is killed goes on where it was."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_transfer import data, features, freezing, heads, models, plans, training
from keras_transfer.backbones import Backbone
from tests.networks import small_application
from tests.training.durable import Snapshots

SIZE = 32


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Bright squares on dark ground, with masks and boxes."""
    random, root = np.random.default_rng(0), tmp_path_factory.mktemp("scenes")
    named, rows = [], []
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for key in range(16):
        mask = np.zeros((SIZE, SIZE), "uint8")
        left, top = (int(one) for one in random.integers(0, 16, 2))
        mask[top : top + 12, left : left + 12] = 1
        pixels = random.normal(60 + 140 * mask[..., None], 15, (SIZE, SIZE, 3)).clip(0, 255)
        Image.fromarray(pixels.astype("uint8")).save(root / "images" / f"{key}.png")
        Image.fromarray(mask).save(root / "masks" / f"{key}.png")
        rows.append({"id": key, "image_id": key, "category_id": 1, "bbox": [left, top, 12, 12]})
        named.append({"id": key, "file_name": f"{key}.png"})
    kinds = [{"id": 1, "name": "square"}]
    content = {"images": named, "annotations": rows, "categories": kinds}
    (root / "boxes.json").write_text(json.dumps(content))
    return root


def read(kind, scenes):
    if kind == "masks":
        return data.mask_folder(scenes, "masks", SIZE, batch_size=4)
    return data.boxes(scenes / "boxes.json", SIZE, format="coco", batch_size=4)


def train(kind, scenes, directory, cache, callbacks=()):
    head = (
        heads.SegmentationHead(2, width=4) if kind == "masks" else heads.CenterHead(1, width=4)
    )
    keras.utils.set_random_seed(0)
    model = models.TransferModel(Backbone.from_model(small_application((SIZE, SIZE, 3))), head)
    model.compile()
    phases = [
        plans.Phase(freezing.FreezeAll(), 2, 1e-3, views=1, augmented=False, name="head"),
        plans.Phase(
            freezing.UnfreezeLast(2), 2, 1e-3, 0.7, views=2, averaged=True, name="last"
        ),
    ]
    splits = read(kind, scenes)
    train = data.Augmentation(flip="horizontal")(splits.train)
    training.fine_tune(
        model, train, splits.validation, plan=plans.Plan(phases), directory=directory,
        cache=features.FeatureCache(cache), callbacks=callbacks, checkpoint_every=1, verbose=0,
    )  # fmt: skip
    return model.get_weights()


IN_THE_HEAD, IN_THE_LAST_STAGES = 4, 10


@pytest.mark.parametrize(
    ("kind", "batches"),
    [
        pytest.param("masks", [IN_THE_HEAD, IN_THE_LAST_STAGES], marks=pytest.mark.exhaustive),
        pytest.param("boxes", [IN_THE_HEAD], marks=pytest.mark.exhaustive),
        pytest.param("boxes", [IN_THE_LAST_STAGES], marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_of_a_decoder_ends_with_the_same_weights(
    kind, batches, scenes, tmp_path
):
    cache = tmp_path / "cache"
    copies = {batch: tmp_path / f"killed-{batch}" for batch in batches}
    snapshots = Snapshots(tmp_path / "whole", copies)
    expected = train(kind, scenes, tmp_path / "whole", cache, [snapshots])
    for directory in copies.values():
        found = train(kind, scenes, directory, cache)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
