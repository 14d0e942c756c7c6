import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_transfer import runs
from keras_transfer.calibration.measures import measure
from keras_transfer.freezing import FreezeAll
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs import blocks
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.gallery_section import Gallery
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.run_images import RunImages
from tests.networks import residual_backbone
from tests.runs.pages import Page, page_of

MANY = [f"kind {number}" for number in range(102)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of 102 classes with four large, noisy images each, half of them mistaken."""
    folder = tmp_path_factory.mktemp("many")
    random, run = np.random.default_rng(0), folder / "run"
    run.mkdir()
    paths = []
    for name in MANY:
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(4):
            paths.append(folder / "photos" / name / f"{number}.png")
            noise = random.integers(0, 256, (260, 260, 3)).astype("uint8")
            Image.fromarray(noise).save(paths[-1], compress_level=0)
    labels = np.repeat(np.arange(102), 4)
    # Class 0 is always correct, class 1 never; of the others every second image.
    predicted = np.where(np.arange(408) % 2, labels, (labels + 1) % 102)
    predicted[:4], predicted[4:8] = 0, 7
    probabilities = np.full((408, 102), 0.1 / 101, "float32")
    probabilities[np.arange(408), predicted] = 0.9
    keras.utils.set_random_seed(0)
    TransferModel(residual_backbone(), SoftmaxHead(102)).save(run / "model.keras")
    split = Predictions("test", probabilities, labels, tuple(map(str, paths)))
    RunFolder(run).write_predictions([split])
    settings = {
        "backbone": "residual", "data": str(folder / "photos"), "weights": None, "seed": 0,
        "class_names": MANY, "image_size": [16, 16], "channels": 3,
    }  # fmt: skip
    metrics = {"kept_epoch": 1, "best_epoch": 1, "epochs": 1, "seconds": 1.0}
    metrics["test"] = measure(probabilities, labels, MANY)
    plan = Plan([Phase(FreezeAll(), 1, 0.1)]).to_json()
    for name, content in {"run": settings, "metrics": metrics, "plan": plan}.items():
        (run / f"{name}.json").write_text(json.dumps(content))
    (run / "history.csv").write_text("epoch,phase,loss\n0,head,1.0\n")
    return run


@pytest.fixture(scope="module")
def many_page(many):
    return page_of(many)


def test_the_worst_15_of_102_classes_are_open_and_the_rest_folded(many_page):
    text = Page(many_page).text["confusion"]
    assert "The other 87 classes, by recall" in text
    first, rest = text.split("The other 87 classes")
    shown = [name for name in MANY if f"{name} " in first]
    assert len(shown) >= 15 and MANY[1] in first, "never correct, so the first"
    assert f"{MANY[0]} 4" in rest.split("Most common")[0][-200:], "always correct, so the last"


def test_above_15_classes_confusions_are_listed_instead_of_a_matrix(many_page):
    assert 'class="matrix"' not in many_page
    assert "kind 1 as kind 7: 4 of 4" in Page(many_page).text["confusion"]
    assert "Most common confusions" in Page(many_page).text["confusion"]


def test_each_confusion_leads_to_its_images(many_page):
    page = Page(many_page)
    assert "confusion-1-7" in page.ids and "confusion-1-7" in page.links
    assert set(page.links) <= set(page.ids)
    assert "87 classes with a higher recall" in page.text["gallery"]


def test_a_page_of_many_large_images_stays_small(many_page):
    assert len(Page(many_page).images) < 300
    assert len(many_page) < 5e6
    assert "<details" in many_page and "<script" not in many_page


def test_a_thumbnail_is_bounded_and_keeps_its_shape():
    noise = np.random.default_rng(0).integers(0, 256, (600, 300, 3)).astype("uint8")
    assert len(blocks.thumbnail(Image.fromarray(noise))) < 25_000


def test_right_unsure_and_wrong_images_are_shown(run):
    text = Page(page_of(run)).text["gallery"]
    for part in ("Worst mistakes", "Unsure", "Right", "Confusions, the most common first"):
        assert part in text
    gallery = Gallery(opened := runs.Run(run), RunImages(opened.settings["data"]))
    # Two of six images of each class are taken for the next class.
    assert {pair: len(shown) for pair, shown in gallery.confusions.items()} == {
        (0, 1): 2, (1, 2): 2, (2, 0): 2,
    }  # fmt: skip
    kinds = [kind for kind, _ in gallery.samples[0]]
    assert kinds[:3] == ["right", "wrong", "right, the least sure"]


def test_a_label_that_the_model_contradicts_surely_is_marked(run):
    record = RunFolder(run)
    found = record.predictions()["validation"]
    probabilities = found.outputs.copy()
    wrong = int(np.flatnonzero(~found.correct)[0])
    probabilities[wrong] = 0.01
    probabilities[wrong, (found.labels[wrong] + 1) % 3] = 0.98
    record.write_predictions(
        [Predictions("validation", probabilities, found.labels, found.paths)]
    )
    text = page_of(run)
    assert "suspected label: the model is sure of another class" in text
